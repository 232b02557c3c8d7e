"""Each target is spoken to over HTTP as it wants it, and says in plain words why it was not told."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from app.domain.notices import Notice, NoticeKind
from app.domain.refusals import ClusterError, Failed, Misconfigured, Throttled
from app.settings import TargetSettings
from app.sources.hooks import PROVIDERS
from app.sources.hooks.verify import Signed, proven
from app.sources.targets import Message, opened
from app.sources.targets.slack import drawn

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BASE, SECRET = "https://ship.example.org", "whsec_c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2g="
OPENED = Notice(
    NoticeKind.GATE_OPENED, "gate/6a/gate-opened", "gate/6a", NOW, "pricing waits for a decision. May 2.8.0 go?",
    "Only a decision is missing.", "/gates/6a", "production", "pricing", "money", "6a", "d" * 64, "2.8.0",
)  # fmt: skip
DECIDED = replace(
    OPENED, kind=NoticeKind.GATE_DECIDED, title="Ada approved it.", decision="approved", by="Ada"
)
ONE = Message("msg_1", (OPENED,), NOW, BASE)
STORM = Message("msg_2", (OPENED, DECIDED), NOW, BASE)


@dataclass
class Post:
    """A server that keeps what it got, and answers as told."""

    url: str = ""
    got: list[tuple[web.Request, bytes]] = field(default_factory=list)
    answer: Any = None
    answers: dict[str, Any] = field(default_factory=dict)
    status: int = 200

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request, await request.read()))
        return web.json_response(self.answers.get(request.path, self.answer), status=self.status)

    @property
    def said(self) -> Any:
        return json.loads(self.got[-1][1])


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    found, app = Post(), web.Application()
    app.router.add_post("/{path:.*}", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()


async def sent(settings: TargetSettings, message: Message) -> str:
    target = opened(replace(settings, private=settings.private or settings.sort != "apprise"))
    try:
        return await target.send(message)
    finally:
        await target.close()


async def test_webhook_is_signed_so_that_we_would_take_it_ourselves(post):
    where = TargetSettings("ledger", "webhook", post.url + "/in", secret=SECRET)
    await sent(where, ONE)
    request, content = post.got[0]
    headers = {name.lower(): [value] for name, value in request.headers.items()}
    schemes = PROVIDERS["generic"].schemes
    assert proven(schemes, Signed(headers, content, content), [SECRET], NOW)
    assert not proven(schemes, Signed(headers, content + b" ", content), [SECRET], NOW)
    assert request.headers["webhook-id"] == "msg_1"
    assert (post.said["type"], post.said["timestamp"]) == ("gate.opened", "2026-11-25T12:00:00Z")
    assert post.said["data"]["url"] == f"{BASE}/gates/6a"
    await sent(where, STORM)
    assert (post.said["type"], len(post.said["data"]["items"])) == ("digest", 2)
    with pytest.raises(Misconfigured, match="whsec_"):
        await sent(replace(where, secret="not base64!"), ONE)


async def test_webhook_goes_to_no_address_that_is_not_public_unless_it_is_ours(post):
    target = opened(TargetSettings("ledger", "webhook", post.url, secret=SECRET))
    with pytest.raises(Misconfigured, match="not public"):
        await target.send(ONE)
    assert post.got == []


async def test_cdevents_tell_of_decisions_alone(post):
    where = TargetSettings("events", "cdevents", post.url + "/events", secret="t0ken")
    await sent(where, ONE)
    assert post.got == []
    await sent(where, STORM)
    (request, _), = post.got  # fmt: skip
    assert request.headers["authorization"] == "Bearer t0ken"
    assert post.said["data"]["subject"]["content"]["by"] == "Ada"


async def test_incoming_webhook_of_slack_gets_text_buttons_and_a_link_to_the_gate(post):
    await sent(TargetSettings("releases", "slack", secret=post.url + "/services/T0/B0/x"), ONE)
    text, actions = post.said["blocks"]
    assert text["text"]["text"].startswith(f"<{BASE}/gates/6a|pricing waits for a decision. May 2.8.0 go?>\n")
    approve, reject, look = actions["elements"]
    assert (approve["value"], approve["text"]["text"]) == (f"6a:{'d' * 64}", "Approve 2.8.0")
    assert (reject["action_id"], look["url"]) == ("reject", f"{BASE}/gates/6a")


async def test_bot_keeps_a_thread_a_gate(post):
    where = TargetSettings("gates", "slack", post.url, "C1", secret="xoxb-1")
    post.answer = {"ok": True, "ts": "171.5"}
    assert await sent(where, ONE) == "171.5"
    assert (post.said["channel"], "thread_ts" in post.said) == ("C1", False)
    await sent(where, Message("msg_3", (DECIDED,), NOW, BASE, "171.5"))
    assert (post.said["thread_ts"], post.said["reply_broadcast"]) == ("171.5", False)
    assert post.got[0][0].path == "/chat.postMessage"


async def test_an_answer_takes_the_place_of_the_buttons_wherever_it_was_given(post):
    where = TargetSettings("gates", "slack", post.url, "C1", secret="xoxb-1")
    post.answer = {"ok": True, "ts": "171.5"}
    asked = await sent(where, ONE)
    assert "actions" in {block["type"] for block in post.said["blocks"]}
    await sent(where, Message("msg_3", (DECIDED,), NOW, BASE, asked))
    assert [request.path for request, _ in post.got] == [
        "/chat.postMessage",
        "/chat.update",
        "/chat.postMessage",
    ]
    changed = json.loads(post.got[1][1])
    assert (changed["channel"], changed["ts"]) == ("C1", "171.5")
    assert {block["type"] for block in changed["blocks"]} == {"section"}
    assert "Ada approved it." in changed["blocks"][0]["text"]["text"]


async def test_a_message_that_cannot_be_changed_does_not_keep_the_answer_back(post):
    where = TargetSettings("gates", "slack", post.url, "C1", secret="xoxb-1")
    post.answers = {"/chat.update": {"ok": False, "error": "message_not_found"}}
    post.answer = {"ok": True, "ts": "171.6"}
    assert await sent(where, Message("msg_3", (DECIDED,), NOW, BASE, "171.5")) == "171.6"
    post.answers = {"/chat.update": {"ok": False, "error": "ratelimited"}}
    with pytest.raises(Throttled):
        await sent(where, Message("msg_3", (DECIDED,), NOW, BASE, "171.5"))
    assert [request.path for request, _ in post.got][-1] == "/chat.update", "and nothing is posted twice"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"ok": False, "error": "invalid_auth"}, Misconfigured),
        ({"ok": False, "error": "channel_not_found"}, Misconfigured),
        ({"ok": False, "error": "ratelimited"}, Throttled),
        ({"ok": False, "error": "<odd>" * 100}, Failed),
        ([1], ClusterError),
    ],
)
async def test_bot_says_why_slack_refused(post, answer, error):
    post.answer = answer
    with pytest.raises(error) as refused:
        await sent(TargetSettings("gates", "slack", post.url, "C1", secret="xoxb-1"), ONE)
    assert "xoxb" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_hostile_text_is_no_markup_of_slack():
    made = drawn(replace(ONE, notices=(replace(OPENED, title="<!channel> & <http://evil|here>|x"),)))
    text = made["blocks"][0]["text"]["text"]
    assert "<!channel>" not in text
    assert f"<{BASE}/gates/6a|&lt;!channel&gt; &amp; &lt;http://evil¦here&gt;¦x>" in text
    assert made["text"].startswith("&lt;!channel&gt;")


# Apprise imports modules that the next Python no longer has, where they are still there.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_apprise_is_told_where_it_is_permitted_and_its_address_is_never_quoted(post, caplog):
    secret = post.url.replace("http://", "json://user:pa55word@") + "/in"
    where = TargetSettings("any", "apprise", private=True, secret=secret)
    await sent(where, ONE)
    assert post.said["title"] == OPENED.title
    assert post.said["message"] == f"{OPENED.text}\n{BASE}/gates/6a"
    post.status = 500
    with pytest.raises(Failed, match="Json did not take it") as refused:
        await sent(where, STORM)
    for address in ("syslog://", "nonsense", secret):
        with pytest.raises(Misconfigured) as other:
            await sent(replace(where, private=False, secret=address), ONE)
        assert "pa55word" not in f"{other.value}{refused.value}{caplog.text}{opened(where)!r}{where!r}"
