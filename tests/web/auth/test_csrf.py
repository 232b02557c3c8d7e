"""No other page acts for who is signed in here."""

import pytest

from tests.web.auth.door import cookie_of, door

pytestmark = pytest.mark.anyio
EVIL = "https://evil.example"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def signed_in(board):
    cookie = await board.be("viewer")
    return board, cookie, await board.csrf(cookie)


async def alive(board, cookie: str):
    return (await board.ask("GET", "/", cookie)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": None},
        {"origin": ""},
        {"origin": "http://127.0.0.1"},  # another port is another origin
        {"origin": "http://localhost:{port}"},
        {"origin": "http://127.0.0.1:{port}.evil.example"},
        {"origin": "http://127.0.0.1:{port}@evil.example"},
        {"origin": "{own}/"},
        {"origin": "https://127.0.0.1:{port}"},
        {"origin": "{own}, " + EVIL},
        {"origin": EVIL, "sec-fetch-site": "same-origin"},
        {"origin": EVIL, "referer": "{own}/"},
        {"origin": None, "referer": "{own}/"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "Same-Origin"},
        {"sec-fetch-site": "cross-site", "origin": None},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": EVIL, "x-http-method-override": "GET"},
        {"origin": EVIL, "x-requested-with": "XMLHttpRequest"},
        {"origin": EVIL, "hx-request": "true"},
        {"origin": EVIL, "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"},
        {"origin": EVIL, "host": "127.0.0.1:{port}"},
    ],
)
async def test_request_of_another_page_is_refused_though_it_knew_the_token(signed_in, headers):
    """SR-20: Origin and Sec-Fetch-Site, checked before the session; the token alone does not do."""
    board, cookie, csrf = signed_in
    known = {"own": board.url, "port": str(board.port)}
    sent = {name: value and value.format(**known) for name, value in headers.items()}
    answer = await board.ask("POST", "/logout", cookie, data={"csrf": csrf}, headers=sent)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert await alive(board, cookie)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin", "origin": None},
        {"sec-fetch-site": "none", "origin": None},
        {"sec-fetch-site": "same-origin", "origin": "null"},
    ],
)
@pytest.mark.parametrize("where", ["field", "header"])
async def test_request_of_our_own_page_is_taken(signed_in, headers, where):
    """SR-20: by a form's field and by hx-headers; on plain http there is Origin alone."""
    board, cookie, csrf = signed_in
    more = {"data": {"csrf": csrf}} if where == "field" else {"data": {}}
    sent = headers | ({"x-csrf-token": csrf} if where == "header" else {})
    answer = await board.ask("POST", "/logout", cookie, headers=sent, **more)
    assert answer.status_code == 303
    assert not await alive(board, cookie)


async def test_token_belongs_to_its_session(signed_in):
    """SR-20: per session; nothing else will do, and it is not the session's secret."""
    board, cookie, csrf = signed_in
    other = await board.csrf(await board.be("admin"))
    assert csrf not in cookie
    assert other != csrf
    bad = ["", "x", other, csrf[:-1], csrf + "0", csrf.upper() + "x", "0" * 64, cookie.partition("=")[2]]
    for wrong in bad:
        assert (await board.ask("POST", "/logout", cookie, data={"csrf": wrong})).status_code == 403
        sent = {"x-csrf-token": wrong}
        assert (await board.ask("POST", "/logout", cookie, headers=sent)).status_code == 403
    twice = f"csrf={csrf}&csrf={csrf}".encode()
    plain, json = f"csrf={csrf}".encode(), f'{{"csrf":"{csrf}"}}'.encode()
    for body, kind in (
        (twice, FORM),
        (plain, "text/plain"),
        (json, "text/plain"),
        (json, "application/json"),
    ):
        answer = await board.ask("POST", "/logout", cookie, content=body, headers={"content-type": kind})
        assert answer.status_code == 403
    huge = b"x=" + b"y" * 70_000 + f"&csrf={csrf}".encode()
    assert (
        await board.ask("POST", "/logout", cookie, content=huge, headers={"content-type": FORM})
    ).status_code == 403
    assert await alive(board, cookie)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
async def test_every_unsafe_method_is_held_to_it(signed_in, method):
    """SR-20: methods nobody thought of, too."""
    board, cookie, _ = signed_in
    for path in ("/", "/api/v1/board", "/account/tokens"):
        answer = await board.ask(method, path, cookie, headers={"origin": EVIL})
        assert answer.status_code == 403, path


async def test_signing_somebody_in_from_elsewhere_is_refused(board):
    """SR-20: login CSRF."""
    for origin in (EVIL, "null", None):
        answer = await board.ask("POST", "/login", data={"be": "admin"}, headers={"origin": origin})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_token_of_a_program_needs_no_origin(board):
    """No browser adds an Authorization header by itself."""
    token = await board.token(role="operator")
    headers = {"authorization": f"Bearer {token}", "origin": None, "accept": "*/*"}
    answer = await board.ask("POST", "/account/tokens", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["blocked_by"][0]["rule"] == "token"


async def test_behind_https_the_public_origin_counts_and_no_other(tmp_path):
    """SR-20, SR-28: the configured address, not what a proxy says."""
    async with door(tmp_path, public_url="https://ship.example.org") as here:
        host = {"host": "ship.example.org"}
        for origin, status in (
            ("https://ship.example.org", 303),
            ("http://ship.example.org", 403),
            ("https://ship.example.org:8443", 403),
            ("https://evil.example", 403),
        ):
            answer = await here.ask(
                "POST", "/login", data={"be": "viewer"}, headers={**host, "origin": origin}
            )
            assert answer.status_code == status
            assert bool(cookie_of(answer)) is (status == 303)


async def test_a_form_is_read_again_by_its_route(signed_in):
    """The guard looks for the token in the body, and leaves the body as it was, in whatever pieces it came."""
    board, cookie, csrf = signed_in

    async def pieces():
        body = f"csrf={csrf}&name=deploy&role=viewer&days=30".encode()
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    headers = {"content-type": FORM}
    answer = await board.ask("POST", "/account/tokens", cookie, content=pieces(), headers=headers)
    assert answer.status_code == 200
    assert "shipboard_" in answer.text
