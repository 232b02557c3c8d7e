"""Where one is sent after signing in, and to whom the board answers at all."""

import itertools
import re
from urllib.parse import quote

import pytest

from app.web.auth import limits
from app.web.auth.paths import safe_next
from tests.web.auth.door import door

pytestmark = pytest.mark.anyio

_HEADS = (
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\\\evil.example", "/\\/evil.example",
    "\\/evil.example", "http://evil.example", "https://evil.example", "HTTPS://evil.example", "https:evil.example",
    "https:/evil.example", "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "data:text/html,x",
    "vbscript:x", "ftp://evil.example", "evil.example", "@evil.example", ".evil.example", "?next=//x", "#//x",
    "", " ", " /", "/ /evil", "/\t/evil.example", "/\n/evil.example", "/\r\nlocation: //evil.example", "/\x00/evil",
    "/\x0b/evil.example", "/\x85/evil.example", "/\u2028/evil", "/\u3000/evil", "\u2215\u2215evil", "／／evil.example",
    "/.//evil.example", "/..//evil.example", "/x//evil.example", "/x/..//evil.example", "/x/../../evil", "/..", "/../",
    "/login", "/login?next=//evil.example", "/logout", "/oidc/login", "/oidc/callback?x", "/kiosk/x", "/api/v1/board",
    "/static/x", "/hooks/x", "/login/", "/" + "x" * 2001, "//", "/\\", "\\", "/%5cevil.example\\",
)  # fmt: skip
_AFTER = ("", "/", "%2f", "\\", "%5c", "%0d%0a")
_ENCODED = tuple(
    f"/{a}{b}evil.example"
    for a, b in itertools.product(
        ("%2f", "%2F", "%5c", "%5C", "%252f", "%25252f"), ("", "/", "%2f", "\\", "%5c", "%0d%0a")
    )
)
_SPLIT = tuple(f"/%0d%0aset-cookie:{name}" for name in "abcdefgh") + tuple(
    f"/{c}/evil.example" for c in ("%09", "%0a", "%0d", "%00", "%0b", "%7f", "%1b", "%20", "%c2%85")
)
BAD = (*_HEADS, *_ENCODED, *_SPLIT)


def test_the_corpus_of_places_is_large_enough():
    """SR-27: at least 100."""
    assert len(set(BAD)) >= 100


@pytest.mark.parametrize("path", BAD)
def test_other_places_lead_to_the_board(path):
    """SR-27: same-origin paths of our own pages, only."""
    assert safe_next(path) == "/"


@pytest.mark.parametrize(
    "path",
    ["/", "/sources", "/?q=a%20b&environment=production", "/workloads/east/shop/Deployment/cart", "/account",
     "/workloads/e%3Aast/a/b/c", "/gates/1#decision", "/loginsight"],
)  # fmt: skip
def test_our_own_pages_are_gone_back_to(path):
    assert safe_next(path) == path


@pytest.mark.parametrize("path", BAD[::7])
async def test_signing_in_leads_nowhere_else(board, path):
    """SR-27: through the form, as a browser sends it."""
    page = await board.ask("GET", f"/login?next={quote(path, safe='')}")
    assert page.status_code == 200
    assert re.findall(r'name="next" value="([^"]*)"', page.text) == ["/"]
    answer = await board.ask("POST", "/login", data={"be": "viewer", "next": path})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


HOSTS = (
    "evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost.evil.example", "evil.example@127.0.0.1",
    "127.0.0.1@evil.example", "127.0.0.1:80@evil.example", "127.0.0.2", "0.0.0.0", "[::]", "[::2]", "127.1",
    "0x7f000001", "localhost\\evil.example", "localhost/evil", "localhost#", "localhost?x", "localhost,evil.example",
    "ship.example.org.evil.example", "*", "null", "localhost:abc", "localhost:80:80", "local host", "",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_that_is_not_ours_gets_nothing(board, host):
    """SR-28: whatever Host says, in form and in fact; nothing of it comes back."""
    headers = {
        "host": host.encode("utf-8"),
        "x-forwarded-host": "evil.example",
        "forwarded": "host=evil.example",
    }
    answer = await board.ask("GET", "/login", headers=headers)
    assert answer.status_code in (400, 421)
    assert "evil" not in answer.text
    assert "evil" not in repr(answer.headers)


@pytest.mark.parametrize(
    "header",
    [
        "x-forwarded-host",
        "x-host",
        "x-original-url",
        "x-rewrite-url",
        "forwarded",
        "x-forwarded-server",
        "x-forwarded-prefix",
        "x-http-host-override",
    ],
)
async def test_addresses_never_come_from_the_request(board, header):
    """SR-28: links that are made absolute come from the settings."""
    cookie = await board.be("admin")
    sent = {header: "evil.example"}
    data = {"csrf": await board.csrf(cookie), "name": "x", "view": "/", "days": "1"}
    for answer in (
        await board.ask("GET", "/", headers=sent),
        await board.ask("GET", "/login", headers=sent),
        await board.ask("POST", "/account/screens", cookie, data=data, headers=sent),
    ):
        assert "evil" not in answer.text + repr(answer.headers)


async def test_the_link_of_a_screen_has_the_public_address(tmp_path):
    """SR-28."""
    async with door(tmp_path, public_url="https://ship.example.org") as here:
        ours = {"host": "ship.example.org", "origin": "https://ship.example.org"}
        cookie = (
            (await here.ask("POST", "/login", data={"be": "admin"}, headers=ours))
            .headers["set-cookie"]
            .partition(";")[0]
        )
        page = await here.ask("GET", "/login", cookie, headers=ours)
        csrf = re.findall(r'data-csrf="(\w+)"', page.text)[0]
        data = {"csrf": csrf, "name": "x", "view": "/", "days": "1"}
        answer = await here.ask("POST", "/account/screens", cookie, data=data, headers=ours)
        assert ">https://ship.example.org/kiosk/kiosk_" in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({f"x-{i}": "x" for i in range(120)}, 431),
        ({"x-long": "x" * 40_000}, 431),
        ({"cookie": "a=b; " * 8_000 + "a=b"}, 431),
        ({"range": "bytes=" + ",".join(f"{i}-{i}" for i in range(1000))}, 200),
    ],
)
async def test_large_heads_of_requests_are_refused_or_harmless(board, headers, status):
    """SR-48: bounds on headers; a thousand ranges are none."""
    path = "/static/css/base.css" if "range" in headers else "/login"
    answer = await board.ask("GET", path, headers=headers)
    assert answer.status_code in ({status, 400, 416} if "range" in headers else {status})
    assert len(answer.content) < 100_000


async def test_a_long_address_is_refused(board):
    """SR-48."""
    assert (await board.ask("GET", "/login?x=" + "y" * 9_000)).status_code == 414


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_bodies_are_never_unpacked(board, coding):
    """SR-47: a packed form is no form."""
    import gzip

    cookie = await board.be("viewer")
    body = gzip.compress(f"csrf={await board.csrf(cookie)}".encode() + b"&x=" + b"0" * 10_000_000)
    headers = {"content-encoding": coding, "content-type": "application/x-www-form-urlencoded"}
    assert (await board.ask("POST", "/logout", cookie, content=body, headers=headers)).status_code == 403


async def test_searching_is_bounded_for_each_and_no_person_reaches_it(board):
    """SR-49: a flood of searches is held back, and stops nobody else."""
    flooding, other = await board.be("viewer"), await board.be("admin")
    found = [(await board.ask("GET", f"/api/v1/workloads?q=x{i}", flooding)).status_code for i in range(245)]
    assert (found[0], found[100], found[-1]) == (200, 200, 429)
    assert (await board.ask("GET", "/api/v1/workloads?q=x", other)).status_code == 200
    assert (await board.ask("GET", "/", flooding)).status_code == 200


async def test_acting_goes_on_while_others_flood(board):
    """SR-49: whoever acts has a window of their own, wider than anybody's hand."""
    admin = await board.be("admin")
    csrf = await board.csrf(admin)
    for _ in range(limits.SIGN_IN.amount):
        await board.ask("POST", "/login", data={"be": "nobody-there"})
    assert (await board.ask("POST", "/login", data={"be": "viewer"})).status_code == 429
    for _ in range(30):
        answer = await board.ask("POST", "/account/sessions/none/end", admin, data={"csrf": csrf})
        assert answer.status_code == 404
