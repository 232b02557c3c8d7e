"""A trusted proxy is believed from its own addresses, with its secret, in its own words; nobody else is."""

import asyncio
import itertools
from dataclasses import replace
from ipaddress import ip_network

import pytest

from app.domain.grants import Grant
from app.domain.people import Role
from app.settings import AuthSettings, Mode, ProxySettings, Secret
from app.web.auth import limits, proxy
from tests.web.auth.door import door

pytestmark = pytest.mark.anyio
SECRET = "a secret of the proxy's"
PROXY = ProxySettings((ip_network("10.0.0.7"), ip_network("fd00::/64")), Secret(SECRET))
USER, GROUPS, HIDDEN = b"x-forwarded-user", b"x-forwarded-groups", b"x-shipboard-proxy-secret"
GOOD = [(USER, b"vera"), (HIDDEN, SECRET.encode())]


def told(headers, peer="10.0.0.7"):
    """The user whom the proxy tells, or None when nobody is or somebody tries."""
    try:
        found = proxy.asked_by({"headers": headers, "client": (peer, 1)}, PROXY)
    except proxy.Distrusted:
        return None
    return found and found[0]


def test_the_proxy_is_believed():
    assert told(GOOD) == "vera"
    assert told(GOOD, "::ffff:10.0.0.7") == "vera"
    assert told(GOOD, "fd00::99") == "vera"
    scope = {"headers": [*GOOD, (GROUPS, b"dev, ops ,")], "client": ("10.0.0.7", 1)}
    assert proxy.asked_by(scope, PROXY) == ("vera", frozenset({"dev", "ops"}))


_NAMES = [
    "X_Forwarded_User", "x_forwarded_user", "X.Forwarded.User", "x-forwarded_user", "x--forwarded-user",
    "xforwardeduser",
    "X-Forwarded-User ", " x-forwarded-user", "x-forwarded-user:", "x-forwarded-us\u0435r", "x-forwarded-\u017fuser",
    "x-forwarded-user\x00", "x-forwarded-user-", "-x-forwarded-user", "x-forwarded-username", "x-forwarded-email",
    "remote-user", "x-remote-user", "x-user", "x_user", "x-auth-request-user", "x-webauth-user",
    "ssl-client-s-dn", "tailscale-user-login", "cf-access-authenticated-user-email", "x-goog-authenticated-user-email",
]  # fmt: skip
_VALUES = [b"admin", b"vera", b"root", b"local|admin"]
_ODD = [
    b"", b" vera", b"vera ", b"vera\x00", b"ve\xc3\xa9ra", b"\xff", b"vera,admin", b"vera;admin", b"a|b", b"x" * 201,
    b"vera\radmin", b"vera\nadmin", b"\x1b[31m", "\u202evera".encode(), b"vera\x7f",
]  # fmt: skip
_PEERS = [
    "10.0.0.8", "10.0.0.70", "127.0.0.1", "::1", "0.0.0.0", "", "unix", "fd01::1", "::ffff:10.0.0.8", "10.0.0.7, 1.2",
    "010.0.0.7", "167772167", "10.0.7",
]  # fmt: skip
_SECRETS = [
    b"",
    b"wrong",
    SECRET.encode()[:-1],
    SECRET.encode() + b" ",
    SECRET.upper().encode(),
    b"***",
    b"\xff",
]


def corpus():
    """At least 200 requests that are not the proxy's."""
    raw = [(name.encode("utf-8"), value) for name, value in itertools.product(_NAMES, _VALUES)]
    yield from ([(name, value), (HIDDEN, SECRET.encode())] for name, value in raw)
    yield from ([(USER, value), (HIDDEN, SECRET.encode())] for value in _ODD)
    yield from ([(USER, b"vera"), (HIDDEN, secret)] for secret in _SECRETS)
    yield from ([(USER, b"vera")], [(HIDDEN, SECRET.encode())], [])
    yield from ([*GOOD, (name, value)] for name, value in itertools.product((USER, HIDDEN), _VALUES))
    yield from ([*GOOD, (name.encode("utf-8"), b"admin")] for name in _NAMES[:6])
    yield from ([*GOOD, (GROUPS, b"a"), (GROUPS, b"b")], [*GOOD, (b"x_forwarded_groups", b"admins")])
    yield from ([*GOOD, (b"x_shipboard_proxy_secret", b"x")], [*GOOD, (GROUPS, b"\xff")])
    for name in ("x-forwarded-for", "x-real-ip", "forwarded", "x-client-ip", "true-client-ip", "x-forwarded-host",
                 "x-forwarded-proto", "x-forwarded-uri", "x-original-url"):  # fmt: skip
        yield [(name.encode(), b"10.0.0.7"), (USER, b"vera")]


def test_whatever_is_not_the_proxys_gains_nobody():
    """SR-07: at least 200 variants; 0 identities."""
    requests = list(corpus())
    tried = len(requests) + len(_PEERS) * 5
    assert tried >= 200
    assert [headers for headers in requests if told(headers)] == []


@pytest.mark.parametrize("peer", _PEERS)
def test_only_the_sockets_peer_counts(peer):
    """SR-07: exact peers; what is forwarded never says where a request comes from."""
    assert told(GOOD, peer) is None
    for name in (b"x-forwarded-for", b"x-real-ip", b"forwarded", b"x-client-ip"):
        assert told([*GOOD, (name, b"10.0.0.7")], peer) is None


def through(peer: str) -> AuthSettings:
    return AuthSettings(
        modes=(Mode.PROXY,),
        grants=(Grant(Role.VIEWER, people=("*",)), Grant(Role.ADMIN, groups=("admins",))),
        proxy=replace(PROXY, peers=(ip_network(peer),)),
    )


async def test_proxy_signs_people_in_request_by_request(tmp_path):
    """SR-07: over a real socket, with roles by group, and a token for forms."""
    async with door(tmp_path, through("127.0.0.1")) as here:
        sent = {
            "x-forwarded-user": "vera",
            "x-forwarded-groups": "dev,admins",
            "x-shipboard-proxy-secret": SECRET,
        }
        me = (await here.ask("GET", "/api/v1/me", headers=sent)).json()
        assert (me["identity"], me["roles"]) == ("proxy|vera", {"*": ["admin", "viewer"]})
        page = await here.ask("GET", "/", headers=sent)
        assert "vera" in page.text
        assert SECRET not in page.text
        assert (
            await here.ask("POST", "/account/screens", headers=sent)
        ).status_code == 403  # no token for forms
        assert (await here.ask("GET", "/")).status_code == 303
        wrong = {**sent, "x-shipboard-proxy-secret": "x" * 20}
        assert (await here.ask("GET", "/", headers={**wrong, "accept": "*/*"})).status_code == 401


async def test_streams_of_whom_a_proxy_told_end_when_it_tells_otherwise_or_in_time(tmp_path):
    """SR-07, SR-12: nobody tells of those who lost a role, so a stream comes by the proxy again every minute."""
    sent = {"x-forwarded-user": "vera", "x-shipboard-proxy-secret": SECRET, "accept": "text/event-stream"}
    admins = {"x-forwarded-groups": "admins"}
    async with door(tmp_path, through("127.0.0.1")) as here:
        async with here.http.stream("GET", "/", headers={**sent, **admins}) as stream:
            assert stream.status_code == 200
            assert (await here.ask("GET", "/api/v1/me", headers={**sent, "accept": "*/*"})).json()[
                "roles"
            ] == {"*": ["viewer"]}
            async with asyncio.timeout(30):
                said = (await stream.aread()).decode()
        assert "You are no longer signed in." in said
        here.keeper.watchers.proxy_stream = 0.2
        async with here.http.stream("GET", "/", headers=sent) as stream, asyncio.timeout(30):
            said = (await stream.aread()).decode()
        assert "no longer" not in said
        assert "retry: " in said


@pytest.mark.parametrize(
    ("peer", "told", "source"),
    [
        ("10.0.0.7", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.7", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.7", ["6.6.6.6, 1.2.3.4, 10.0.0.8"], "1.2.3.4"),
        ("10.0.0.7", ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        ("10.0.0.7", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        ("10.0.0.7", ["::ffff:1.2.3.4"], "1.2.3.4"),
        ("10.0.0.7", ["unknown"], "10.0.0.7"),
        ("10.0.0.7", [""], "10.0.0.7"),
        ("10.0.0.7", [], "10.0.0.7"),
        ("10.0.0.9", ["1.2.3.4"], "10.0.0.9"),
        ("1.2.3.4", ["127.0.0.1"], "1.2.3.4"),
        ("unix", ["1.2.3.4"], "unknown"),
    ],
)
def test_source_of_a_request_is_what_its_load_balancer_saw(peer, told, source):
    """SR-49, SR-07: nobody chooses whose window they count in, and behind a load balancer not all count as one."""
    settings = AuthSettings(forwarded_by=(ip_network("10.0.0.7"), ip_network("10.0.0.8")))
    headers = [(b"x-forwarded-for", value.encode()) for value in told]
    assert limits.source({"client": (peer, 1), "headers": headers, "auth": settings}) == source
    assert limits.source({"client": (peer, 1), "headers": headers, "auth": AuthSettings()}) == (
        peer if peer != "unix" else "unknown"
    )


async def test_proxys_headers_from_elsewhere_and_when_off_are_nothing(tmp_path, board):
    """SR-07: off by default."""
    sent = {"x-forwarded-user": "vera", "x-shipboard-proxy-secret": SECRET, "accept": "*/*"}
    async with door(tmp_path / "..", through("10.0.0.7"), database=f"sqlite:///{tmp_path}/p.db") as here:
        assert (await here.ask("GET", "/", headers=sent)).status_code == 401
    assert (await board.ask("GET", "/", headers=sent)).status_code == 401
