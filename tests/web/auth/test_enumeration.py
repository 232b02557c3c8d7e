"""SR-11: what is not yours and what is not there answer alike, so that nobody learns by asking what there is."""

import re

import pytest

from app.domain.names import Place
from app.ingest import Ingest
from app.live import Live
from app.store import people
from tests.store.looks import workload
from tests.web.auth.test_matrix import callers

pytestmark = pytest.mark.anyio
SSE = {"accept": "text/event-stream"}
THERE, ABSENT = "service-1", "service-9"
PATHS = [
    "/workloads/east/team-1/Deployment/{}",
    "/api/v1/workloads/east/team-1/Deployment/{}",
    "/?q={}",
    "/api/v1/board?q={}",
    "/api/v1/workloads?q={}",
    "/timeline?service={}",
]


CLOCK = re.compile(r"<time class=.clock.*?</time>")


async def said(board, method: str, path: str, sent: dict[str, str], name: str, **more) -> tuple[int, str]:
    """Status and body of an answer, without the name that was asked for, the request's own id and the clock."""
    answer = await board.ask(method, path.format(name), headers=sent, **more)
    ident = answer.headers.get("x-request-id", "-")
    return answer.status_code, CLOCK.sub("CLOCK", answer.text.replace(name, "NAME").replace(ident, "ID"))


async def test_who_may_not_look_cannot_tell_what_there_is(board):
    """Names, streams and searches: by strangers, by who has no role, and by a screen of another view."""
    database, seen = board.keeper.database, workload(1)
    assert seen.ref.name == THERE
    assert seen.place == Place("service-0", "production")
    await Ingest(database, Live())([seen])
    await board.app.state.hub.fleet.load()
    several = await callers(board)
    for sent in ({}, SSE):
        for path in PATHS:
            for who in ("stranger", "garbage cookie", "garbage token", "expired token", "no role", "screen"):
                headers = {**several[who], **sent}
                there = await said(board, "GET", path, headers, THERE)
                assert there == await said(board, "GET", path, headers, ABSENT), (who, path)
                assert there[0] in (303, 401, 403), (who, path, there[0])
    known = [await said(board, "GET", PATHS[1], several["viewer"], name) for name in (THERE, ABSENT)]
    assert [status for status, _ in known] == [200, 404], "or there would be nothing to tell apart"


async def test_what_belongs_to_others_is_not_there(board):
    """Sessions and tokens by their ids."""
    admin, viewer = await board.be("admin"), await board.be("viewer")
    csrf = await board.csrf(viewer)
    await board.token()
    sessions = {row["subject"]: row["ident"] for row in await board.rows(people.SESSION)}
    (token,) = (row["ident"] for row in await board.rows(people.TOKEN))
    for path, ident in (
        ("/account/sessions/{}/end", sessions["admin"]),
        ("/account/tokens/{}/revoke", token),
    ):
        theirs, none = [
            await said(board, "POST", path, {"cookie": viewer}, asked, data={"csrf": csrf})
            for asked in (ident, "0" * len(ident))
        ]
        assert theirs == none
        assert theirs[0] == 404
    assert (await board.ask("GET", "/api/v1/me", admin)).status_code == 200
