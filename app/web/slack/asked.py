"""What Slack sends, read: a slash command, a click, or a dialog that was filled in. Pure; all else is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

_WORDS = re.compile(r"\s*(\w+)?\s*(\S+)?\s*(.*)", re.DOTALL)
_BECAUSE = re.compile(r"because\b[:\s]*", re.IGNORECASE)


class Unreadable(Exception):
    """It is not what Slack sends."""


class _Named(msgspec.Struct):
    id: str = ""


class _Action(msgspec.Struct):
    action_id: str = ""
    action_ts: str = ""
    value: str = ""


class _Field(msgspec.Struct):
    value: str | None = None


class _State(msgspec.Struct):
    values: dict[str, dict[str, _Field]] = {}


class _View(msgspec.Struct):
    id: str = ""
    private_metadata: str = ""
    state: _State | None = None


class _Payload(msgspec.Struct):
    type: str
    user: _Named
    team: _Named | None = None
    response_url: str = ""
    actions: list[_Action] = []
    trigger_id: str = ""
    view: _View | None = None


_payload = msgspec.json.Decoder(_Payload)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who of which workspace wants what: `verb` ("gates", "approve", "reject", "show", "help", "open") at which gate
    (`ident`, or the beginning of it) and why. A click names the evidence (`digest`) it was shown with; `click` tells
    one from the next, and by `trigger` a dialog may be opened; `dialog`: it was. Answers may go to `answer_to`."""

    user: str
    team: str
    verb: str
    ident: str = ""
    reason: str = ""
    digest: str = ""
    click: str = ""
    answer_to: str = ""
    trigger: str = ""
    dialog: bool = False


def read(body: bytes) -> Asked:
    """A request's body. Raises Unreadable."""
    try:
        found = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=50))
        if "payload" in found:
            return _clicked(_payload.decode(found["payload"].encode()))
    except (UnicodeDecodeError, ValueError, msgspec.DecodeError, RecursionError):
        raise Unreadable from None
    if not found.get("user_id"):
        raise Unreadable
    words = _WORDS.fullmatch(found.get("text", ""))
    verb, ident, rest = (part or "" for part in words.groups()) if words else ("", "", "")
    return Asked(
        found["user_id"][:40],
        found.get("team_id", "")[:40],
        verb.lower() or "help",
        ident.lower()[:64],
        _BECAUSE.sub("", rest.strip(), count=1)[:500],
        answer_to=found.get("response_url", "")[:500],
    )


def _clicked(payload: _Payload) -> Asked:
    team = payload.team.id if payload.team else ""
    if payload.type == "view_submission" and payload.view and payload.user.id:
        return _filled(payload.user.id[:40], team[:40], payload.view)
    if payload.type != "block_actions" or not payload.actions or not payload.user.id:
        raise Unreadable
    action = payload.actions[0]
    ident, _, digest = action.value.partition(":")
    return Asked(
        payload.user.id[:40],
        team[:40],
        action.action_id[:40],
        ident[:64],
        "",
        digest[:64],
        f"{payload.user.id} {action.action_ts} {action.value}"[:200],
        payload.response_url[:500],
        payload.trigger_id[:200],
    )


def _filled(user: str, team: str, view: _View) -> Asked:
    fields = (field for block in (view.state or _State()).values.values() for field in block.values())
    reason = next((field.value for field in fields if field.value), "")
    ident, _, digest = view.private_metadata.partition(":")
    return Asked(
        user, team, "reject", ident[:64], reason[:500], digest[:64], f"{user} {view.id}"[:200], dialog=True
    )
