"""From Slack: proven to the byte, by whom the settings name, through the page's own door and on the evidence shown."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from app.domain.delivery import Approvals, Delivery, Rules
from app.domain.grants import Grant
from app.domain.notices import Notice, NoticeKind, Route
from app.domain.people import Role
from app.settings import NotifySettings, SlackPerson, SlackSettings, TargetSettings
from app.store.outbox import BEGAN, Outbox
from app.store.tables import AUDIT
from tests.databases import fresh
from tests.store.looks import opened
from tests.web.auth.door import LOCAL, Door, door

pytestmark = pytest.mark.anyio
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
AUTH = replace(
    LOCAL, grants=(*LOCAL.grants, Grant(Role.APPROVER, "production", people=("local:ada", "local:bo")))
)
RULES = Rules("production", approvals=(Approvals(1, ("release",)), Approvals(1)), four_eyes=False)
PEOPLE = (
    SlackPerson("UADA", "local:ada", ("release",)),
    SlackPerson("UBO", "local:bo"),
    SlackPerson("UCY", "local:cy"),
)


@dataclass
class Channel:
    """Slack itself: what reached its webhook, and its response addresses."""

    url: str = ""
    posted: list[Any] = field(default_factory=list)
    answered: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    opened: list[Any] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        told = await request.json()
        if request.path == "/services/x":
            self.posted.append(told)
        elif request.path == "/api/views.open":
            assert request.headers["authorization"] == "Bearer xoxb-1"
            self.opened.append(told)
            return web.json_response({"ok": True})
        else:
            self.answered.put_nowait(told)
        return web.Response(text="ok")

    async def heard(self) -> Any:
        async with asyncio.timeout(15):
            return await self.answered.get()


class Talk:
    """Slack at one end, the board at the other."""

    def __init__(self, board: Door, channel: Channel) -> None:
        self.board, self.channel = board, channel

    async def raw(
        self, body: bytes, *, secret: str = SECRET, age: int = 0, ident: str = "acme", at: str = ""
    ) -> Any:
        at = at or moment(age)
        made = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"x-slack-signature": f"v0={made}", "x-slack-request-timestamp": at}
        headers["content-type"] = "application/x-www-form-urlencoded"
        return await self.board.http.post(f"/hooks/slack/{ident}", content=body, headers=headers)

    async def says(self, text: str, user: str = "UADA", team: str = "T1") -> Any:
        body = {"user_id": user, "team_id": team, "text": text, "trigger_id": f"13.{next(_serial)}"}
        answer = await self.raw(urlencode(body).encode())
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def clicks(self, action: Any, user: str = "UADA", at: str = "1.0", url: str = "") -> Any:
        """Push a button; what is said to its response address."""
        body = {"type": "block_actions", "user": {"id": user}, "team": {"id": "T1"}}
        body["trigger_id"] = "13.7"
        body |= {
            "response_url": url or f"{self.channel.url}/actions/1",
            "actions": [action | {"action_ts": at}],
        }
        answer = await self.raw(urlencode({"payload": json.dumps(body)}).encode())
        assert (answer.status_code, answer.content) == (200, b"")
        return None if url else await self.channel.heard()

    async def fills(self, view: Any, why: str, user: str = "UADA") -> Any:
        """Answer a dialog."""
        body: dict[str, Any] = {"type": "view_submission", "user": {"id": user}, "team": {"id": "T1"}}
        body["view"] = {
            "id": "V1",
            "private_metadata": view["private_metadata"],
            "state": {"values": {"why": {"why": {"value": why}}}},
        }
        return (await self.raw(urlencode({"payload": json.dumps(body)}).encode())).json()

    async def gate(self, version: str) -> str:
        asked: dict[str, str] = {
            "service": "pricing",
            "environment": "production",
            "version": version,
            "key": version,
        }
        headers = {"authorization": f"Bearer {await self.board.token(role='operator')}"}
        answer = await self.board.http.post("/api/v1/gates", json=asked, headers=headers)
        return str(answer.json()["line"]["id"])

    async def phase(self, ident: str) -> str:
        headers = {"authorization": f"Bearer {await self.board.token()}"}
        answer = await self.board.http.get(f"/api/v1/gates/{ident}", headers=headers)
        return str(answer.json()["line"]["phase"])


def moment(age: int = 0) -> str:
    return str(int(datetime.now(UTC).timestamp()) - age)


def button(said: Any, action: str) -> Any:
    """A button of a message."""
    all_ = [e for block in said["blocks"] for e in block.get("elements", ()) if e["action_id"] == action]
    return {name: all_[0][name] for name in ("action_id", "value")} if all_ else None


def text(said: Any) -> str:
    """All that a message says."""
    blocks = said.get("blocks", ())
    return "\n".join((said["text"], *(block["text"]["text"] for block in blocks if "text" in block)))


_serial = count(1)
"""Slack numbers what it sends: the same command twice in a second is not the same request."""


@pytest.fixture(scope="module")
async def talk(tmp_path_factory, anyio_backend) -> AsyncIterator[Talk]:
    """One board for all; each test asks a question of its own."""
    async with talking(tmp_path_factory.mktemp("slack")) as found:
        yield found


@asynccontextmanager
async def talking(directory: Path, **more: Any) -> AsyncIterator[Talk]:
    channel, app = Channel(), web.Application()
    app.router.add_post("/{path:.*}", channel.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    channel.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    told: dict[str, Any] = {"team": "T1", "people": PEOPLE, "counts_as_sign_in": True, "secrets": (SECRET,)}
    workspace = SlackSettings(
        "acme", hooks=channel.url, api=channel.url + "/api", private=True, **(told | more)
    )
    target = TargetSettings("releases", "slack", private=True, secret=f"{channel.url}/services/x")
    notify = NotifySettings((target,), (Route(("releases",)),), (workspace,))
    delivery = Delivery(rules={"production": RULES})
    async with opened(fresh(directory)) as database:  # as one that has looked around already
        await Outbox(database).note(
            [(Notice(NoticeKind.TEST, BEGAN, "", datetime.now(UTC), ""), ())], datetime.now(UTC)
        )
    settings: dict[str, Any] = {"notify": notify, "delivery": delivery, "audit_key": "k" * 32}
    try:
        async with door(directory, AUTH, **settings) as board:
            for name in ("ada", "bo"):
                await board.account(name)
            yield Talk(board, channel)
    finally:
        await runner.cleanup()


async def test_only_slack_is_heard_and_only_once_and_now(talk):
    body = urlencode({"user_id": "UADA", "team_id": "T1", "text": "gates"}).encode()
    at = moment()
    assert (await talk.raw(body, at=at)).json()["response_type"] == "ephemeral"
    again = await talk.raw(body, at=at)
    assert (again.status_code, again.content) == (200, b""), "the very same request"
    for wrong, status in (
        ({"secret": "other"}, 401),
        ({"age": 400}, 401),
        ({"age": -400}, 401),
        ({"ident": "other"}, 404),
    ):
        assert (await talk.raw(body, **wrong)).status_code == status
    bare = await talk.board.http.post("/hooks/slack/acme", content=body)
    assert bare.status_code == 401
    for odd in (b"", b"payload=%7B", b"\xff=1", b"payload=" + b"[" * 5000, b"text=gates", b"x" * 300_000):
        assert (await talk.raw(odd)).status_code in (400, 413)


async def test_person_is_who_the_settings_say(talk):
    ident = await talk.gate("2.8.0")
    assert 'user: UNEW, identity: "local:NAME"' in text(await talk.says("gates", "UNEW"))
    assert "does not know who you are" in text(await talk.says("gates", "UCY")), "no such account"
    assert "does not answer your workspace" in text(await talk.says("gates", team="T2"))
    listed = text(await talk.says("gates"))
    assert "for a decision.*" in listed
    assert f"/gates/{ident}|pricing: May 2.8.0 go to production?" in listed
    assert "`/deploy gates`" in text(await talk.says(""))


async def test_gate_is_approved_by_those_who_may_on_what_they_saw(talk):
    ident = await talk.gate("2.8.1")
    seen = await talk.says(f"approve {ident[:6]}")
    assert seen["response_type"] == "ephemeral"
    said = await talk.clicks(button(seen, "approve"))
    assert said["replace_original"] is True
    assert "Ada approved." in text(said)
    assert await talk.phase(ident) == "open", "two have to"
    said = await talk.clicks(button(said, "approve"), "UBO", "2.0")
    assert "Approved by Bo." in text(said)
    assert button(said, "approve") is None
    assert await talk.phase(ident) in ("approved", "executed")
    assert "Approved by Bo." in text(await talk.clicks(button(seen, "approve"), at="3.0")), "too late"
    entries = [
        row for row in await talk.board.rows(AUDIT) if row["kind"] == "voted" and ident in row["object"]
    ]
    assert [(row["identity"], row["session"]) for row in entries] == [
        ("local|ada", "slack acme UADA"),
        ("local|bo", "slack acme UBO"),
    ]
    nothing = "http://169.254.169.254/latest"
    await talk.clicks(button(seen, "approve"), at="4.0", url=nothing)
    assert talk.channel.answered.empty()


async def test_moved_evidence_answers_with_what_changed_and_counts_nothing(talk):
    ident = await talk.gate("2.8.2")
    seen = button(await talk.says(f"show {ident}"), "approve")
    said = await talk.clicks(seen | {"value": f"{ident}:{'0' * 64}"})
    assert "What Ada clicked does not count. It has changed since you looked." in text(said)
    assert button(said, "approve") == seen, "the button has the evidence of now"
    assert await talk.phase(ident) == "open"


async def test_no_takes_a_reason(talk):
    ident = await talk.gate("2.8.3")
    seen = await talk.says(f"show {ident}")
    said = await talk.clicks(button(seen, "reject"))
    assert (said["response_type"], said["replace_original"]) == ("ephemeral", False)
    assert f"`/deploy reject {ident[:6]} because …`" in said["text"]
    assert "Rejecting takes a reason" in text(await talk.says(f"reject {ident[:6]}"))
    assert "pricing: Rejected by Ada: it is Friday" in text(
        await talk.says(f"reject {ident[:6]} because it is Friday")
    )
    assert await talk.phase(ident) == "rejected"
    assert "No gate that waits begins so." in text(await talk.says(f"approve {ident}"))


async def test_click_is_no_sign_in_unless_the_settings_say_so(tmp_path):
    async with talking(tmp_path, counts_as_sign_in=False) as talk:
        ident = await talk.gate("2.8.4")
        seen = await talk.says(f"show {ident}")
        assert button(seen, "approve") is None
        assert "takes a sign-in of the last 15 min" in text(seen)
        said = await talk.clicks({"action_id": "approve", "value": f"{ident}:{'0' * 64}"})
        assert (said["replace_original"], await talk.phase(ident)) == (True, "open")


async def test_bot_asks_why_in_a_dialog_that_holds_the_evidence(tmp_path):
    async with talking(tmp_path, token="xoxb-1") as talk:
        ident = await talk.gate("2.8.9")
        seen = await talk.says(f"show {ident}")
        await talk.clicks(button(seen, "reject"), url="none")
        ((opened_),) = talk.channel.opened
        view = opened_["view"]
        moved = {"private_metadata": f"{ident}:{'0' * 64}"}
        assert "It has changed since you looked" in (await talk.fills(moved, "no"))["errors"]["why"]
        assert "takes a reason" in (await talk.fills(view, " "))["errors"]["why"]
        assert "does not know who you are" in (await talk.fills(view, "no", "UNEW"))["errors"]["why"]
        assert await talk.fills(view, "it is Friday") == {"response_action": "clear"}
        assert await talk.phase(ident) == "rejected"


async def test_channel_is_told_of_a_gate_with_buttons_that_work(talk):
    await talk.board.settled(lambda: talk.board.app.state.hub.ready)
    headers = {"authorization": f"Bearer {await talk.board.token()}"}

    async def messages() -> list[Any]:
        items: list[Any] = (await talk.board.http.get("/api/v1/messages", headers=headers)).json()["items"]
        return items

    async with asyncio.timeout(20):
        ident = await talk.gate("2.9.0")
        while not any("2.9.0" in text(each) for each in talk.channel.posted):
            await asyncio.sleep(0.05)
    told = next(each for each in talk.channel.posted if "2.9.0" in text(each))
    assert "pricing waits for a decision. May 2.9.0 go to production?" in text(told)
    said = await talk.clicks(button(told, "approve"))
    assert "Ada approved." in text(said)
    async with asyncio.timeout(20):
        while {"sent"} != {line["state"] for line in await messages() if line["path"] == f"/gates/{ident}"}:
            await asyncio.sleep(0.05)
    sources = (await talk.board.http.get("/api/v1/sources", headers=headers)).json()["rows"]
    assert [row["kind"] for row in sources if row["cluster"] == "slack/releases"] == ["telling"]
