"""Tokens of programs and screens: shown once, scoped, ended at once, and good for nothing else."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from app.domain.people import Principal, PrincipalKind, Role
from app.domain.policy import Permission, permits
from app.settings import AuthSettings
from app.store import people
from app.web.auth import tokens
from tests.web.auth.door import LOCAL, PASSWORD, PRODUCTION, STAGING, cookie_of, door

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 7, 1, tzinfo=UTC)


async def status(board, token: str, path: str = "/api/v1/board", **headers):
    sent = {"authorization": f"Bearer {token}", "accept": "*/*", **headers}
    return (await board.ask("GET", path, headers=sent)).status_code


async def test_token_is_shown_once_and_stored_as_a_hash(board):
    """SR-37: 256 bits, prefixed; a dump of the database holds no usable token."""
    cookie = await board.be("admin")
    data = {"csrf": await board.csrf(cookie), "name": "deploy", "role": "operator", "days": "30"}
    data["environments"] = "staging"
    answer = await board.ask("POST", "/account/tokens", cookie, data=data)
    (secret,) = re.findall(r">(shipboard_[\w-]{43})<", answer.text)
    assert await status(board, secret) == 200
    assert secret not in (await board.ask("GET", "/account", cookie)).text
    dump = repr([await board.rows(table) for table in (people.TOKEN, people.SESSION)])
    assert secret.removeprefix("shipboard_") not in dump
    me = (await board.ask("GET", "/api/v1/me", headers={"authorization": f"Bearer {secret}"})).json()
    assert me["kind"] == "token"
    assert me["roles"] == {"staging": ["operator", "viewer"]}
    assert me["identity"] == "demo|admin"  # whose it is, for who may approve what


async def test_token_is_taken_from_its_header_alone(board):
    """SR-37: never from an address, a cookie, or another scheme."""
    token = await board.token()
    assert await status(board, token) == 200
    for path in (f"/api/v1/board?token={token}", f"/api/v1/board?access_token={token}"):
        assert (await board.ask("GET", path, headers={"accept": "*/*"})).status_code == 401
    for headers in (
        {"cookie": f"shipboard-session={token}"},
        {"cookie": f"shipboard-session={token.partition('_')[2]}"},
        {"authorization": token},
        {"authorization": f"Basic {token}"},
        {"authorization": f"Bearer {token}, Bearer {token}"},
        {"authorization": f"Bearer {token.upper()}"},
        {"authorization": f"Bearer {token.partition('_')[2]}"},
        {"authorization": "Bearer x"},
        {"x-api-key": token},
    ):
        assert (
            await board.ask("GET", "/api/v1/board", headers={"accept": "*/*", **headers})
        ).status_code == 401
    assert (
        await status(board, token, authorization=f"bearer {token}") == 200
    )  # RFC 9110: the scheme has no case


async def test_wrong_token_is_not_helped_by_a_session(board):
    """Credentials that do not hold are refused, whatever else is there."""
    cookie = await board.be("admin")
    headers = {"authorization": "Bearer shipboard_" + "x" * 43, "cookie": cookie, "accept": "*/*"}
    assert (await board.ask("GET", "/api/v1/board", headers=headers)).status_code == 401


async def test_session_and_screen_secrets_are_no_tokens(board):
    cookie, screen = await board.be("admin"), await board.screen()
    for secret in (cookie.partition("=")[2], screen.partition("=")[2]):
        for form in (secret, f"shipboard_{secret}", f"kiosk_{secret}"):
            assert await status(board, form) == 401


async def test_token_may_not_make_tokens_nor_see_accounts(board):
    """SR-37: cannot mint tokens or change people, however much its owner may."""
    admin = Principal(PrincipalKind.PERSON, "demo", "admin", "Admin")
    token = await board.token(admin, role="operator")
    headers = {"authorization": f"Bearer {token}", "accept": "*/*"}
    assert (await board.ask("GET", "/account", headers=headers)).status_code == 403
    assert (await board.ask("POST", "/account/tokens", headers=headers)).status_code == 403
    assert (await board.ask("POST", "/account/screens", headers=headers)).status_code == 403


@pytest.mark.parametrize("permission", [Permission.DECIDE, Permission.ADMIN, Permission.SELF])
def test_token_may_not_do_what_takes_a_person(permission):
    """SR-37: no approving, whatever roles it might be given."""
    everything = Principal(PrincipalKind.TOKEN, roles={"*": frozenset(Role)})
    assert not permits(everything, permission).allowed


@pytest.mark.parametrize("verb", ["pause", "rollback"])
@pytest.mark.parametrize("environment", [STAGING, PRODUCTION])
@pytest.mark.parametrize("verbs", [None, {"pause"}, {"report"}])
def test_token_is_scoped_to_verbs_and_environments(verb, environment, verbs):
    """SR-37: verbs × environments."""
    scope = None if verbs is None else frozenset(verbs)
    token = Principal(PrincipalKind.TOKEN, roles={STAGING: frozenset({Role.OPERATOR})}, verbs=scope)
    allowed = environment == STAGING and (scope is None or verb in scope)
    assert permits(token, Permission.ACT, environment, verb=verb).allowed is allowed


@pytest.mark.parametrize(
    "wanted",
    [
        {"role": "approver"},
        {"role": "admin"},
        {"role": ""},
        {"days": 0},
        {"days": 366},
        {"environments": ()},
        {"environments": ("a b",)},
        {"verbs": ("approve",)},
        {"verbs": ("everything",)},
        {"source": "nowhere"},
        {"name": ""},
        {"name": "\x00\n"},
        {"name": "x" * 61},
    ],
)
def test_token_that_may_not_be_is_refused_in_words(wanted):
    """SR-37: expiry is mandatory, at most a year."""
    with pytest.raises(ValueError, match=r"\.$"):
        tokens.api_token(tokens.Wanted(**{"name": "x", **wanted}), None, NOW)


def test_command_line_is_not_told_of_a_role_that_it_may_not_give():
    with pytest.raises(ValueError, match=r"^A token is viewer or operator;"):
        tokens.api_token(tokens.Wanted("x", "admin"), None, NOW)


async def test_token_ends_with_its_time_its_network_and_its_owner(tmp_path):
    """SR-37, SR-12."""
    async with door(tmp_path, LOCAL) as here:
        await here.account("vera", "operator@staging")
        vera = Principal(PrincipalKind.PERSON, "local", "vera", "Vera")
        token = await here.token(vera, role="operator", days=2)
        assert await status(here, await here.token(source="10.0.0.0/8")) == 401
        assert await status(here, await here.token(source="127.0.0.0/8")) == 200
        me = (await here.ask("GET", "/api/v1/me", headers={"authorization": f"Bearer {token}"})).json()
        assert me["roles"] == {"staging": ["operator", "viewer"], "*": ["viewer"]}
        here.later(days=2, minutes=1)
        assert await status(here, token) == 401
        here.later()
        assert await status(here, token) == 200
        async with here.keeper.database.writing() as session:
            await people.change(session, people.ACCOUNT, {"disabled_at": here.keeper.clock()}, name="vera")
        async with asyncio.timeout(5):
            while await status(here, token) == 200:
                await asyncio.sleep(0.1)


async def test_revoked_token_ends_its_streams_too(board):
    """SR-12, SR-37: within 5 s, though another process revoked it."""
    token = await board.token()
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with board.http.stream("GET", "/api/v1/board", headers=headers) as stream:
        assert stream.status_code == 200
        async with board.keeper.database.writing() as session:
            await people.change(session, people.TOKEN, {"revoked_at": board.keeper.clock()}, kind="api")
        async with asyncio.timeout(5):
            async for _ in stream.aiter_bytes():
                pass
    assert await status(board, token) == 401


async def test_owner_revokes_on_the_account_page(board):
    cookie = await board.be("viewer")
    viewer = Principal(PrincipalKind.PERSON, "demo", "viewer", "Viewer")
    token = await board.token(viewer)
    assert await status(board, token) == 200
    (row,) = await board.rows(people.TOKEN)
    assert row["ident"] in (await board.ask("GET", "/account", cookie)).text
    data = {"csrf": await board.csrf(cookie)}
    assert (
        await board.ask("POST", f"/account/tokens/{row['ident']}/revoke", cookie, data=data)
    ).status_code == 303
    assert await status(board, token) == 401


async def test_guessing_tokens_is_slowed_down_and_harms_nobody_else(board):
    """SR-49: wrong tokens from a place stop tokens from there for a while; who is signed in goes on."""
    cookie = await board.be("viewer")
    found = [await status(board, f"shipboard_{'x' * 40}{i:03}") for i in range(70)]
    assert (found[0], found[-1]) == (401, 429)
    assert (await board.ask("GET", "/", cookie)).status_code == 200


async def test_screen_link_works_once_and_leaves_no_trace(board):
    """SR-38: exchanged once for a cookie, so that the secret leaves the address."""
    admin = await board.be("admin")
    data = {"csrf": await board.csrf(admin), "name": "lift", "view": "/?environment=production", "days": "30"}
    answer = await board.ask("POST", "/account/screens", admin, data=data)
    (link,) = re.findall(rf">{board.url}(/kiosk/kiosk_[\w-]{{43}})<", answer.text)
    assert (await board.ask("HEAD", link)).status_code == 405  # looking at a link does not use it up
    first = await board.ask("GET", link)
    assert (first.status_code, first.headers["location"]) == (303, "/?environment=production")
    assert re.fullmatch(
        r"shipboard-kiosk=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Max-Age=\d+", first.headers["set-cookie"]
    )
    assert (await board.ask("GET", link)).status_code == 404
    assert link.rpartition("/")[2] not in repr(await board.rows(people.TOKEN)) + cookie_of(first)


async def test_screen_shows_its_view_and_nothing_else(board):
    """SR-38: one view, page and stream; no API, no other page or parameters, no way to act."""
    cookie = await board.screen("/?environment=production")
    page = await board.ask("GET", "/?environment=production", cookie)
    assert page.status_code == 200
    assert 'method="post"' not in page.text
    assert "data-csrf" not in page.text
    sse = {"accept": "text/event-stream", "cookie": cookie}
    async with board.http.stream("GET", "/?environment=production", headers=sse) as stream:
        assert stream.status_code == 200
    for path in ("/", "/?environment=staging", "/?environment=production&q=x", "/sources", "/api/v1/board",
                 "/api/v1/board?environment=production", "/account", "/metrics"):  # fmt: skip
        assert (await board.ask("GET", path, cookie)).status_code == 403, path
    assert (await board.ask("POST", "/?environment=production", cookie)).status_code == 403
    assert (await board.ask("GET", "/static/css/base.css", cookie)).status_code == 200


async def test_revoked_screen_is_blanked(board):
    """SR-38: within 10 s."""
    cookie = await board.screen()
    async with board.http.stream(
        "GET", "/", headers={"accept": "text/event-stream", "cookie": cookie}
    ) as stream:
        async with board.keeper.database.writing() as session:
            await people.change(session, people.TOKEN, {"revoked_at": board.keeper.clock()}, kind="kiosk")
        said = ""
        async with asyncio.timeout(5):
            async for piece in stream.aiter_text():
                said += piece
    assert "You are no longer signed in." in said
    assert (await board.ask("GET", "/", cookie)).status_code == 303


@pytest.mark.parametrize(
    "view",
    [
        "",
        "board",
        "//evil.example",
        "https://evil.example",
        "/api/v1/board",
        "/account",
        "/a b",
        "/\\evil",
        "/x#y",
    ],
)
def test_screen_of_no_page_is_refused(view):
    """SR-38, SR-27: the link leads to a page of ours."""
    with pytest.raises(ValueError, match="one page"):
        tokens.kiosk(tokens.Wanted("x"), view, None, NOW)


async def test_password_of_an_owner_is_not_needed_for_reading(tmp_path):
    """A token without an owner is the command line's: its scope is all it has."""
    async with door(tmp_path, LOCAL) as here:
        token = await here.token(role="operator", environments=(STAGING,))
        me = (await here.ask("GET", "/api/v1/me", headers={"authorization": f"Bearer {token}"})).json()
        assert me["roles"] == {"staging": ["operator", "viewer"]}
        assert PASSWORD not in str(me)


async def test_a_board_that_asks_nobody_makes_tokens_that_hold(tmp_path):
    async with door(tmp_path, AuthSettings()) as here:
        page = await here.ask("GET", "/account")
        csrf = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
        data = {"csrf": csrf, "name": "script", "role": "operator", "days": "1"}
        answer = await here.ask("POST", "/account/tokens", data=data)
        (secret,) = re.findall(r">(shipboard_[\w-]{43})<", answer.text)
        me = (await here.ask("GET", "/api/v1/me", headers={"authorization": f"Bearer {secret}"})).json()
        assert (me["kind"], me["roles"]) == ("token", {"*": ["operator", "viewer"]})
