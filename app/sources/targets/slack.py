"""Slack: an incoming webhook, or a bot that keeps a thread per gate and per rollout.

A gate that waits has buttons, whose value names the gate and the evidence it was shown with. Texts are escaped as
Slack wants it; what is drawn is made by pure functions, which the edge uses too when somebody answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from app.domain.names import cut
from app.domain.notices import NoticeKind
from app.domain.refusals import Broken, Failed, Misconfigured, Throttled

from ..outbound import Outbound
from .port import Message

Block = Mapping[str, Any]
MAX_SECTION = 2900
"""Characters of a section; Slack takes 3,000."""
log = structlog.get_logger("shipboard.slack")
_encode = msgspec.json.Encoder().encode


def escaped(text: str) -> str:
    """Text that Slack shows as it stands: no mention, link or channel of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def linked(url: str, text: str) -> str:
    """A link, as Slack writes it; `url` is one of ours."""
    return f"<{escaped(url).replace('|', '%7C')}|{escaped(text).replace('|', '¦')}>"


def section(text: str) -> Block:
    """A paragraph; `text` is escaped already."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MAX_SECTION]}}


def buttons(gate: str, digest: str, version: str, url: str, *, rejects: bool = True) -> Block:
    """What can be done at a gate, on the evidence of `digest`."""
    value = f"{gate}:{digest}"
    said = f"Approve {version}" if version and len(version) <= 20 else "Approve"
    approve = {
        "type": "button",
        "action_id": "approve",
        "style": "primary",
        "text": _plain(said),
        "value": value,
    }
    reject = {
        "type": "button",
        "action_id": "reject",
        "style": "danger",
        "text": _plain("Reject …"),
        "value": value,
    }
    look = {"type": "button", "action_id": "open", "text": _plain("Open"), "url": url}
    return {"type": "actions", "elements": [approve, *([reject] if rejects else []), look]}


def drawn(message: Message) -> dict[str, Any]:
    """A message: its text for lists and screen readers, and its blocks."""
    first, digest = message.notices[0], message.digest
    if digest:
        shown = message.notices[:20]
        lines = [f"*{escaped(message.title)}*", *(f"• {linked(message.link(n), n.title)}" for n in shown)]
        lines += [f"And {len(message.notices) - 20} more."] if len(message.notices) > 20 else []
        return {"text": escaped(message.title), "blocks": [section("\n".join(lines))]}
    text = "\n".join((linked(message.url, first.title), *map(escaped, message.lines)))
    blocks: list[Block] = [section(text)]
    if first.kind is NoticeKind.GATE_OPENED:
        blocks.append(buttons(first.gate, first.digest, first.version, message.url))
    return {"text": escaped(first.title), "blocks": blocks}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": cut(text, 70)}


@dataclass(slots=True)
class IncomingWebhook:
    """A channel by its secret address; without threads."""

    api: Outbound
    sort: str = "slack"

    async def send(self, message: Message) -> str:
        """Post it. Raises ClusterError."""
        headers = {"content-type": "application/json; charset=utf-8"}
        await self.api.ask("POST", self.api.base, headers, _encode(drawn(message)))
        return ""

    async def close(self) -> None:
        """Let go of its connections."""
        await self.api.close()


@dataclass(slots=True)
class Bot:
    """A channel by its id, with the token of a bot that may write there (chat:write)."""

    api: Outbound
    channel: str
    sort: str = "slack"

    async def send(self, message: Message) -> str:
        """Post it, below the first of its thread; its timestamp. What ends a gate first takes the place of its question
        and buttons: that may be done twice, a post may not. Raises ClusterError."""
        shown = drawn(message)
        if message.root and message.notices[0].kind in ENDS:
            try:
                await self._call("chat.update", {"channel": self.channel, "ts": message.root, **shown})
            except (Failed, Misconfigured) as error:  # what became of it is told below it all the same
                log.warning("buttons of a gate that is over stay in slack", reason=str(error))
        told: dict[str, Any] = {"channel": self.channel, **shown, "unfurl_links": False}
        if message.root:
            told["thread_ts"] = message.root
            told["reply_broadcast"] = message.notices[0].kind in LOUD
        return str((await self._call("chat.postMessage", told)).get("ts", ""))

    async def _call(self, method: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = (await self.api.ask("POST", method, headers, _encode(told), reads=True)).body
        if not isinstance(answer, dict):
            raise Broken("Slack answers something else")
        if answer.get("ok") is not True:
            raise _refused(str(answer.get("error", "")))
        return answer

    async def close(self) -> None:
        """Let go of its connections."""
        await self.api.close()


LOUD: Sequence[NoticeKind] = (NoticeKind.GATE_FAILED, NoticeKind.ROLLOUT_FAILED, NoticeKind.ROLLOUT_BACK)
"""What is shown in the channel too, although it stands in a thread."""
ENDS = frozenset(
    {
        NoticeKind.GATE_DECIDED,
        NoticeKind.GATE_VOID,
        NoticeKind.GATE_EXPIRED,
        NoticeKind.GATE_EXECUTED,
        NoticeKind.GATE_FAILED,
    }
)
"""After which a gate's first message asks nothing of anybody."""


def _refused(error: str) -> Exception:
    word = cut(error, 60) or "no"
    if word == "ratelimited":
        return Throttled("Slack asks to wait", "", 60.0)
    if word in ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "missing_scope"):
        return Misconfigured(
            f"Slack answers {word}", "Its token may not write", "Mend the token or its scopes"
        )
    if word in ("channel_not_found", "not_in_channel", "is_archived"):
        return Misconfigured(f"Slack answers {word}", "", "Name another channel, or invite the bot to it")
    return Failed(f"Slack answers {word}")
