"""Gates over HTTP: a pipeline asks and waits, a person decides on a page, and everybody else is told why not."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import gating
from app.domain.delivery import Approvals, Delivery, Rules
from app.domain.freezes import Freeze
from app.domain.people import Principal, PrincipalKind, Role
from app.web.pages import PAGES
from tests.web.auth.door import DEMO, Door, door, persona

pytestmark = pytest.mark.anyio
ASKED = {
    "service": "pricing",
    "environment": "production",
    "version": "2.8.0",
    "before": "2.7.9",
    "key": "run-1",
}
RULES = Rules("production", approvals=(Approvals(1),), four_eyes=False)
AUTH = replace(DEMO, personas=(*DEMO.personas, persona("second", (Role.APPROVER, "production"))))


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(
        tmp_path, AUTH, delivery=Delivery(rules={"production": RULES}), audit_key="k" * 32
    ) as board:
        yield board


class Pipeline:
    """A pipeline with a token."""

    def __init__(self, board: Door, token: str) -> None:
        self._board, self._headers = board, {"authorization": f"Bearer {token}"}

    async def ask(self, **more: Any) -> Any:
        return await self._board.http.post("/api/v1/gates", json=ASKED | more, headers=self._headers)

    async def wait(self, ident: str, within: float) -> Any:
        found = f"/api/v1/gates/{ident}/wait"
        return await self._board.http.get(found, params={"within": within}, headers=self._headers)

    async def decide(self, ident: str, **body: Any) -> Any:
        headers = self._headers | {"idempotency-key": "k"}
        return await self._board.http.post(f"/api/v1/gates/{ident}/decisions", json=body, headers=headers)


async def shown(board: Door, ident: str, cookie: str) -> str:
    """The gate's page, once the board's projection has it."""
    async with asyncio.timeout(5):
        while (answer := await board.ask("GET", f"/gates/{ident}", cookie)).status_code != 200:
            await asyncio.sleep(0.02)
    return answer.text


def fields(page: str) -> dict[str, str]:
    """What the page's form would send."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)"(?: form="decide")? value="(\w*)">', page))


async def test_pipeline_asks_once_waits_and_gets_the_answer_of_a_person(here):
    pipeline = Pipeline(here, await here.token(role="operator"))
    first, again = await pipeline.ask(), await pipeline.ask()
    assert (first.status_code, again.json()["line"]["id"]) == (201, first.json()["line"]["id"])
    ident = first.json()["line"]["id"]
    assert (await pipeline.wait(ident, 0)).json()["line"]["phase"] == "open"
    waiting = asyncio.create_task(pipeline.wait(ident, 10))
    cookie = await here.be("approver")
    page = await shown(here, ident, cookie)
    assert "May 2.8.0 go to production?" in page
    sent = fields(page) | {"answer": "approve", "reason": "looks good"}
    assert sent.keys() == {"csrf", "key", "evidence", "answer", "reason"}
    done = await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)
    assert (done.status_code, done.headers["location"]) == (303, f"/gates/{ident}")
    line = (await waiting).json()["line"]
    assert (line["phase"], line["by"], line["reason"]) == ("executed", "Approver", "looks good")
    assert (await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)).status_code == 303
    late = sent | {"answer": "reject", "reason": "no", "key": "other"}
    assert (await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=late)).status_code == 409


async def test_who_may_not_decide_sees_why_and_cannot(here):
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    cookie = await here.be("operator")
    page = await shown(here, ident, cookie)
    assert 'value="approve"' not in page
    assert "This takes the role approver in production" in page
    sent = fields(page) | {"answer": "approve", "csrf": await here.csrf(cookie)}
    assert (await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)).status_code == 403
    assert 'value="approve"' in await shown(here, ident, await here.be("approver"))
    assert "waits for you" in (await here.ask("GET", "/gates", await here.be("approver"))).text
    assert "waits for others" in (await here.ask("GET", "/gates", cookie)).text


async def test_machine_decides_nothing(here):
    pipeline = Pipeline(here, await here.token(role="operator"))
    ident = (await pipeline.ask()).json()["line"]["id"]
    refused = await pipeline.decide(ident, answer="approve", evidence="x")
    assert (refused.status_code, refused.json()["blocked_by"][0]["rule"]) == (403, "token")


async def test_old_page_decides_nothing_and_says_what_changed(here):
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    cookie = await here.be("approver")
    sent = fields(await shown(here, ident, cookie)) | {"answer": "approve"}
    other = await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent | {"evidence": "0" * 64})
    assert other.status_code == 409
    assert "has changed since you looked" in other.text
    forged = await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent | {"csrf": "0" * 64})
    assert forged.status_code == 403
    assert (await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)).status_code == 303


async def test_stream_tells_of_the_decision(here):
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    cookie = await here.be("approver")
    page = await shown(here, ident, cookie)
    headers = {"cookie": cookie, "accept": "text/event-stream"}
    async with asyncio.timeout(10), here.http.stream("GET", f"/gates/{ident}", headers=headers) as stream:
        lines = stream.aiter_lines()
        sent = fields(page) | {"answer": "reject", "reason": "not <b>today</b>"}
        await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)
        async for text in lines:
            if "was rejected by Approver" in text:
                break


async def test_glass_broken_is_told_on_every_screen(here):
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    cookie = await here.be("admin")
    sent = fields(await shown(here, ident, cookie)) | {"answer": "break-glass", "reason": "it burns"}
    assert (await here.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)).status_code == 303
    viewer = await here.be("viewer")
    for path in (
        f"/gates/{ident}",
        *(page.path for page in PAGES if "{" not in page.path and page.path != "/wall"),
    ):
        async with asyncio.timeout(8):
            while "it burns" not in (await here.ask("GET", path, viewer)).text.partition('class="alarm"')[2]:
                await asyncio.sleep(0.1)


async def test_freeze_is_made_told_and_lifted(here):
    cookie = await here.be("admin")
    token = {"x-csrf-token": await here.csrf(cookie)}
    body = {"environment": "production", "reason": "incident 4711"}
    operator = await here.be("operator")
    refused = await here.ask(
        "POST", "/api/v1/freezes", operator, json=body, headers={"x-csrf-token": await here.csrf(operator)}
    )
    assert refused.status_code == 403
    made = await here.ask("POST", "/api/v1/freezes", cookie, json=body, headers=token)
    assert made.status_code == 201, made.text
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    async with asyncio.timeout(5):
        while "incident 4711" not in (page := await shown(here, ident, cookie)):
            await asyncio.sleep(0.05)
    assert 'name="override"' in page
    gone = await here.ask(
        "DELETE", f"/api/v1/freezes/{made.json()['id']}", cookie, params={"reason": "over"}, headers=token
    )
    assert gone.status_code == 204
    kinds = [row["kind"] for row in (await here.ask("GET", "/api/v1/audit", cookie)).json()["items"]]
    assert {"frozen", "lifted", "opened"} <= set(kinds)
    assert Freeze("x", "y").ends(datetime.now(UTC)) is None


async def test_two_people_are_two_votes(tmp_path):
    rules = replace(RULES, approvals=(Approvals(2),))
    async with door(
        tmp_path, AUTH, delivery=Delivery(rules={"production": rules}), audit_key="k" * 32
    ) as board:
        ident = (await Pipeline(board, await board.token(role="operator")).ask()).json()["line"]["id"]
        for who, after in (("approver", "open"), ("approver", "open"), ("second", "approved")):
            cookie = await board.be(who)
            sent = fields(await shown(board, ident, cookie)) | {"answer": "approve"}
            assert (
                await board.ask("POST", f"/gates/{ident}/decisions", cookie, data=sent)
            ).status_code == 303
            found = (await board.ask("GET", f"/api/v1/gates/{ident}", cookie)).json()
            assert found["line"]["phase"] == after


async def test_wait_survives_a_restart(tmp_path):
    settings: dict[str, Any] = {"delivery": Delivery(rules={"production": RULES}), "audit_key": "k" * 32}
    async with door(tmp_path, AUTH, **settings) as board:
        token = await board.token(role="operator")
        ident = (await Pipeline(board, token).ask()).json()["line"]["id"]
    async with door(tmp_path, AUTH, **settings) as board:
        assert (await Pipeline(board, token).ask()).json()["line"]["id"] == ident
        assert (await Pipeline(board, token).wait(ident, 0)).json()["line"]["phase"] == "open"


async def test_pipeline_asks_only_where_its_token_holds_and_once_a_key(here):
    dev = Pipeline(here, await here.token(role="operator", environments=("dev",)))
    refused = await dev.ask()
    assert (refused.status_code, refused.json()["blocked_by"][0]["rule"]) == (403, "role")
    pipeline = Pipeline(here, await here.token(role="operator"))
    assert (await pipeline.ask()).status_code == 201
    reused = await pipeline.ask(version="2.9.0")
    assert (reused.status_code, "May 2.8.0" in reused.json()["detail"]) == (422, True)
    assert (await pipeline.ask(key="k\0")).status_code == 422


async def test_token_of_ones_own_decides_from_a_terminal_as_its_person_and_only_after_a_sign_in(here, capsys):
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    owner = Principal(PrincipalKind.PERSON, "demo", "approver", "Approver")
    own, service = await here.token(owner, role="approver"), await here.token(role="operator")

    async def approve(token: str) -> str:
        said = partial(gating.approve, ident, "from afar", override=False, yes=True, name="", url=here.url)
        with suppress(typer.Exit):
            await asyncio.to_thread(said, token=token)
        told = capsys.readouterr()
        return f"{told.out}{told.err}"

    assert "A token of a program decides nothing" in await approve(service)
    assert "takes a sign-in of the last" in await approve(own)
    cookie = await here.be("approver")
    here.keeper.forget()
    assert "executed" in await approve(own) or (await shown(here, ident, cookie)).count(
        "approved by Approver"
    )
    (vote,) = (await here.ask("GET", f"/api/v1/gates/{ident}", cookie)).json()["votes"]
    assert (vote["person"], vote["name"], vote["reason"]) == ("demo|approver", "Approver", "from afar")


async def test_token_that_decides_is_a_persons_own_and_does_nothing_else_that_takes_one(here):
    with pytest.raises(ValueError, match="a person's own"):
        await here.token(role="approver")
    await here.be("admin")
    chief = Principal(PrincipalKind.PERSON, "demo", "admin", "Admin")
    headers = {"authorization": f"Bearer {await here.token(chief, role='approver')}"}
    ident = (await Pipeline(here, await here.token(role="operator")).ask()).json()["line"]["id"]
    asked = {"answer": "break-glass", "evidence": "x", "reason": "it burns"}
    for path, body in ((f"gates/{ident}/decisions", asked), ("freezes", {"environment": "*", "reason": "x"})):
        sent = headers | {"idempotency-key": "k"}
        refused = await here.http.post(f"/api/v1/{path}", json=body, headers=sent)
        assert refused.status_code in (403, 409), refused.text
    digest = (await here.http.get(f"/api/v1/gates/{ident}", headers=headers)).json()["digest"]
    sent = headers | {"idempotency-key": "k2"}
    refused = await here.http.post(
        f"/api/v1/gates/{ident}/decisions", json=asked | {"evidence": digest}, headers=sent
    )
    assert (refused.status_code, refused.json()["blocked_by"][0]["rule"]) == (403, "token")
