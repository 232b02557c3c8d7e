"""Sessions: opaque, kept by the server, over when they are ended, idle or old, and with them every open stream."""

import asyncio
import re
import time
from dataclasses import replace

import pytest

from app.domain.people import Principal, PrincipalKind, Role
from app.store import people
from app.web.auth.cookies import digest
from tests.web.auth.door import DEMO, LOCAL, PASSWORD, STAGING, cookie_of, door, with_

pytestmark = pytest.mark.anyio
SSE = {"accept": "text/event-stream"}


async def status(board, cookie: str, path: str = "/"):
    return (await board.ask("GET", path, cookie)).status_code


async def until_closed(response) -> str:
    """What a stream still says until the server ends it."""
    said = ""
    async for piece in response.aiter_text():
        said += piece
    return said


async def test_cookie_is_opaque_and_out_of_reach_of_scripts(board):
    """SR-08: at least 128 random bits; HttpOnly, Lax; the database holds no usable value."""
    answer = await board.ask("POST", "/login", data={"be": "viewer"})
    line = answer.headers["set-cookie"]
    assert re.fullmatch(r"shipboard-session=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax", line)
    secret = line.partition("=")[2].partition(";")[0]
    assert secret not in repr(await board.rows(people.SESSION))


async def test_cookie_over_https_is_bound_to_the_host(tmp_path):
    """SR-08: __Host-, Secure."""
    async with door(tmp_path, public_url="https://ship.example.org") as here:
        headers = {"host": "ship.example.org", "origin": "https://ship.example.org"}
        answer = await here.ask("POST", "/login", data={"be": "viewer"}, headers=headers)
        line = answer.headers["set-cookie"]
        assert re.fullmatch(
            r"__Host-shipboard-session=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure", line
        )
        assert answer.headers["strict-transport-security"]


async def test_signing_in_gives_a_new_session_and_ends_the_old_one(board):
    """SR-08: fixation; a value somebody else chose is never taken over."""
    planted = f"shipboard-session={'A' * 43}"
    answer = await board.ask("POST", "/login", planted, data={"be": "viewer"})
    first = cookie_of(answer)
    assert first != planted
    assert await status(board, planted) == 303
    data = {"be": "admin", "csrf": await board.csrf(first)}
    second = cookie_of(await board.ask("POST", "/login", first, data=data))
    assert second != first
    assert (await status(board, first), await status(board, second)) == (303, 200)


async def test_a_cookie_that_is_there_twice_is_nobodys(board):
    """SR-08: somebody put one of them there."""
    cookie = await board.be("viewer")
    assert await status(board, f"{cookie}; {cookie}") == 303


async def test_session_ends_when_idle_and_when_old(board):
    """SR-08: 30 minutes without a request, 12 hours in any case; whatever clock says so."""
    cookie = await board.be("viewer")
    board.later(minutes=29)
    assert await status(board, cookie) == 200
    await board.settled(lambda: not board.keeper._touching)
    board.later(minutes=58)
    assert await status(board, cookie) == 200
    await board.settled(lambda: not board.keeper._touching)
    board.later(minutes=89)
    assert await status(board, cookie) == 303
    other = await board.be("viewer")
    for minutes in range(89, 89 + 12 * 60, 25):
        board.later(minutes=minutes)
        assert await status(board, other) == 200
        await board.settled(lambda: not board.keeper._touching)
    board.later(minutes=89 + 12 * 60 + 1)
    assert await status(board, other) == 303


async def test_signing_out_ends_it_on_the_server(board):
    """SR-08: reuse after logout."""
    cookie = await board.be("viewer")
    answer = await board.ask("POST", "/logout", cookie, data={"csrf": await board.csrf(cookie)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert await status(board, cookie) == 303
    assert (await board.ask("GET", "/api/v1/board", cookie)).status_code == 401


async def test_no_state_changes_by_a_get(board):
    """SR-20: signing out, ending and making take a form."""
    cookie = await board.be("admin")
    for path in ("/logout", "/account/tokens", "/account/screens", "/account/sessions/x/end"):
        assert (await board.ask("GET", path, cookie)).status_code == 405
    assert await status(board, cookie) == 200


@pytest.mark.parametrize("how", ["signing out", "another session's page", "the command line"])
async def test_open_streams_end_with_their_session(board, how):
    """SR-08, SR-12: pages and streams are gone within 5 s, and the page is told to take away what it shows."""
    cookie = await board.be("viewer")
    board.http.headers["cookie"] = cookie
    async with (
        board.http.stream("GET", "/", headers=SSE) as page,
        board.http.stream("GET", "/api/v1/board", headers=SSE) as api,
    ):
        assert (page.status_code, api.status_code) == (200, 200)
        del board.http.headers["cookie"]
        began = time.monotonic()
        if how == "signing out":
            await board.ask("POST", "/logout", cookie, data={"csrf": await board.csrf(cookie)})
        elif how == "another session's page":
            other = await board.be("admin")
            ident = next(r["ident"] for r in await board.rows(people.SESSION) if r["subject"] == "viewer")
            data = {"csrf": await board.csrf(other)}
            assert (
                await board.ask("POST", f"/account/sessions/{ident}/end", other, data=data)
            ).status_code == 303
        else:
            async with board.keeper.database.writing() as session:
                await people.end_sessions(session, board.keeper.clock(), issuer="demo", subject="viewer")
        async with asyncio.timeout(8):
            said = await until_closed(page), await until_closed(api)
        assert time.monotonic() - began < 5
    assert "You are no longer signed in." in said[0]
    assert 'hx-target="[data-stream]" hx-swap="delete"' in said[0]
    assert "signed in" not in said[1]
    assert await status(board, cookie) == 303


async def test_what_a_local_user_may_do_changes_at_once(tmp_path):
    """SR-08, SR-12: disabling somebody and another role end streams; requests follow within 5 s."""
    async with door(tmp_path, LOCAL) as here:
        await here.account("vera", "operator")
        cookie = cookie_of(await here.ask("POST", "/login", data={"user": "vera", "password": PASSWORD}))
        assert (await here.ask("GET", "/api/v1/me", cookie)).json()["roles"] == {"*": ["operator", "viewer"]}
        for changed in ({"grants": "[]"}, {"disabled_at": here.keeper.clock()}):
            async with here.http.stream("GET", "/", headers={**SSE, "cookie": cookie}) as stream:
                assert stream.status_code == 200
                async with here.keeper.database.writing() as session:
                    await people.change(session, people.ACCOUNT, changed, name="vera")
                async with asyncio.timeout(5):
                    await until_closed(stream)
        async with asyncio.timeout(5):
            while await status(here, cookie) == 200:
                await asyncio.sleep(0.1)


async def test_who_asked_is_looked_up_again_by_session_and_by_token(board):
    """What is carried out later is carried out with the rights of then."""
    await board.token(role="operator")
    cookie = await board.be("operator")
    (session,), (token,) = await board.rows(people.SESSION), await board.rows(people.TOKEN)
    person = Principal(PrincipalKind.PERSON, session=session["ident"])
    program = Principal(PrincipalKind.TOKEN, session=token["ident"])
    assert Role.OPERATOR in (await board.keeper.rights_now(person)).roles_in(STAGING)
    assert Role.OPERATOR in (await board.keeper.rights_now(program)).roles_in(STAGING)
    assert await board.keeper.rights_now(replace(person, session="another")) is None
    await board.ask("POST", "/logout", cookie, data={"csrf": await board.csrf(cookie)})
    assert await board.keeper.rights_now(person) is None
    board.later(days=4000)
    assert await board.keeper.rights_now(program) is None


async def test_nobody_ends_what_is_not_theirs(board):
    """SR-11: not yours and not there answer alike."""
    viewer, admin = await board.be("viewer"), await board.be("admin")
    ident = next(r["ident"] for r in await board.rows(people.SESSION) if r["subject"] == "admin")
    data = {"csrf": await board.csrf(viewer)}
    theirs = await board.ask("POST", f"/account/sessions/{ident}/end", viewer, data=data)
    nothing = await board.ask("POST", "/account/sessions/0000000000000000/end", viewer, data=data)
    assert (theirs.status_code, nothing.status_code) == (404, 404)
    assert len(theirs.content) == len(nothing.content)
    assert await status(board, admin) == 200


async def test_sessions_last_over_a_restart(tmp_path):
    async with door(tmp_path) as here:
        cookie = await here.be("viewer")
    async with door(tmp_path) as here:
        assert await status(here, cookie) == 200


async def test_those_who_were_known_go_on_while_the_database_does_not_answer(board):
    cookie = await board.be("viewer")
    assert await status(board, cookie) == 200
    database = board.keeper.database
    board.keeper._database = None
    try:
        await asyncio.sleep(2.1)  # what was read is no longer believed without asking
        assert await status(board, cookie) == 200
        unknown = await board.ask("GET", "/", f"shipboard-session={'x' * 43}")
        assert unknown.status_code == 503
    finally:
        board.keeper.database = database


async def test_shared_pages_carry_nothing_personal(board):
    """The bytes of a stream are everybody's; the page says who looks, and each its own."""
    first, second = await board.be("viewer"), await board.be("admin")
    pages = [(await board.ask("GET", "/", cookie)) for cookie in (first, second)]
    assert "Viewer" in pages[0].text
    assert "Admin" in pages[1].text
    assert "\x00" not in pages[0].text
    assert pages[0].headers["etag"] != pages[1].headers["etag"]
    token = await board.csrf(first)
    async with board.http.stream("GET", "/", headers={**SSE, "cookie": first}) as stream:
        async for piece in stream.aiter_text():
            assert "Viewer" not in piece
            assert token not in piece
            break


async def test_pages_of_different_rights_are_different_views(tmp_path):
    """Buttons follow from rights, so rights are part of what a view is."""
    async with door(tmp_path) as here:
        for who in ("viewer", "admin", "viewer"):
            await here.ask("GET", "/", await here.be(who))
        rights = {key.rights for key in here.app.state.hub._views if key.media_type == "text/html"}
    assert rights == {frozenset({"*:viewer"}), frozenset({"*:admin"})}


async def test_one_caller_has_not_every_stream(board, monkeypatch):
    """SR-48: streams for each are bounded."""
    monkeypatch.setattr("app.web.auth.watchers.MAX_STREAMS", 2)
    cookie = await board.be("viewer")
    headers = {**SSE, "cookie": cookie}
    async with board.http.stream("GET", "/", headers=headers), board.http.stream("GET", "/", headers=headers):
        refused = await board.ask("GET", "/", headers=headers)
        assert (refused.status_code, refused.json()["title"]) == (429, "Too many streams")
    await board.settled(lambda: not board.keeper.watchers)
    async with board.http.stream("GET", "/", headers=headers) as stream:
        assert stream.status_code == 200


async def test_answers_to_somebody_are_stored_nowhere(board):
    """SR-26: no-store for whoever is known."""
    cookie = await board.be("viewer")
    for path in ("/", "/api/v1/board", "/account", "/metrics", "/nothing"):
        assert (await board.ask("GET", path, cookie)).headers["cache-control"] == "no-store"
    async with board.http.stream("GET", "/", headers={**SSE, "cookie": cookie}) as stream:
        assert stream.headers["cache-control"] == "no-store, no-transform"
    token = await board.token()
    answer = await board.ask("GET", "/api/v1/board", headers={"authorization": f"Bearer {token}"})
    assert answer.headers["cache-control"] == "no-store"
    again = {"authorization": f"Bearer {token}", "if-none-match": answer.headers["etag"]}
    assert (await board.ask("GET", "/api/v1/board", headers=again)).status_code == 304


async def test_expired_rows_are_swept(board):
    await board.be("viewer")
    now = board.keeper.clock()
    from datetime import timedelta

    async with board.keeper.database.writing() as session:
        await people.sweep(session, now, now + timedelta(days=1), now)
    assert await board.rows(people.SESSION) == []
    assert digest("x") != digest("y")


async def test_demo_has_ready_made_people_only_in_the_demo(tmp_path):
    """SR-02: no default account anywhere else."""
    async with door(tmp_path, with_(LOCAL)) as here:
        assert await here.rows(people.ACCOUNT) == []
        assert (await here.ask("POST", "/login", data={"be": "admin"})).status_code == 401
    assert DEMO.as_file()["modes"] == []
