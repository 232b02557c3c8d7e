"""Sign-in by a provider: the round trip, and everything that must not get anybody in."""

import asyncio
import json
import re
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from app.domain.grants import Grant
from app.domain.people import Role
from app.settings import AuthSettings, Mode, OidcSettings, Secret
from app.store import people
from app.web.auth import idtoken
from tests.web.auth import idp
from tests.web.auth.door import cookie_of, door

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
AT = NOW.timestamp()
ISSUER, NONCE = "https://id.example", "n0nce-of-this-sign-in"
GRANTS = (Grant(Role.VIEWER, groups=("dev",)), Grant(Role.ADMIN, people=("oidc:1001",)))


def settings(issuer: str, client: str = "ship", **more) -> AuthSettings:
    oidc = OidcSettings(issuer, client, Secret("canary-client-secret"), **more)
    return AuthSettings(modes=(Mode.OIDC,), grants=GRANTS, oidc=oidc)


def good(**changed):
    return idp.claims(ISSUER, NONCE, AT, **changed)


def check(token: str, keys=None) -> idtoken.Claims:
    found = {"keys": [idp.public(idp.KEY)] if keys is None else keys}
    return idtoken.checked(token, found, ISSUER, "ship", NONCE, "groups", NOW)


@pytest.mark.parametrize(
    ("header", "key", "keys"),
    [
        ({"alg": "RS256", "kid": "one"}, idp.KEY, None),
        ({"alg": "RS256"}, idp.KEY, None),
        ({"alg": "PS256", "kid": "one"}, idp.KEY, None),
        ({"alg": "ES256", "kid": "curve"}, idp.CURVE, [idp.public(idp.KEY), idp.public_curve()]),
    ],
)
def test_a_good_token_tells_who_it_is(header, key, keys):
    """SR-04: the corpus below is refused for what is wrong with it, and for nothing else."""
    found = check(idp.signed(good(email="v@x.example", email_verified=True), header, key), keys)
    assert (found.subject, found.name, found.email) == ("1001", "Vera", "v@x.example")
    assert found.groups == {"dev"}
    assert found.signed_in_at.timestamp() == AT - 5


def bad_tokens():
    """Name and token (and the provider's keys), none of which may be taken."""
    changes: dict[str, dict[str, Any]] = {
        "another issuer": {"iss": "https://evil.example"},
        "issuer with a slash": {"iss": ISSUER + "/"},
        "issuer in capitals": {"iss": ISSUER.upper()},
        "issuer by http": {"iss": "http://id.example"},
        "no issuer": {"iss": None},
        "issuer a list": {"iss": [ISSUER]},
        "another audience": {"aud": "other"},
        "audience in capitals": {"aud": "SHIP"},
        "audience and others": {"aud": ["ship", "other"]},
        "audience and others with us as party": {"aud": ["ship", "other"], "azp": "ship"},
        "audience twice": {"aud": ["ship", "ship"]},
        "no audience": {"aud": None},
        "empty audience": {"aud": []},
        "audience an object": {"aud": {"ship": 1}},
        "another party": {"azp": "other"},
        "party a list": {"azp": ["ship"]},
        "party empty": {"azp": ""},
        "expired": {"exp": AT - 61},
        "no end": {"exp": None},
        "end a text": {"exp": "4102444800"},
        "end true": {"exp": True},
        "end infinite": {"exp": 1e300},
        "end negative": {"exp": -1},
        "end a list": {"exp": [AT + 300]},
        "made in the future": {"iat": AT + 61},
        "made long ago": {"iat": AT - 601},
        "never made": {"iat": None},
        "made a text": {"iat": "now"},
        "made false": {"iat": False},
        "not valid yet": {"nbf": AT + 61},
        "valid from a text": {"nbf": "0"},
        "valid from zero": {"nbf": 0},
        "another nonce": {"nonce": "another"},
        "no nonce": {"nonce": None},
        "empty nonce": {"nonce": ""},
        "nonce a list": {"nonce": [NONCE]},
        "nonce in capitals": {"nonce": NONCE.upper()},
        "nonce not supported": {"nonce": None, "nonce_supported": False},
        "nobody": {"sub": None},
        "empty subject": {"sub": ""},
        "subject a number": {"sub": 1001},
        "subject a list": {"sub": ["1001"]},
        "subject too long": {"sub": "x" * 256},
        "subject not ASCII": {"sub": "１００１"},
        "subject with a line end": {"sub": "1001\n"},
        "sign-in time a text": {"auth_time": "yesterday"},
    }
    for name, changed in changes.items():
        yield name, idp.signed(good(**changed)), None
    for name, header, key in (
        ("no algorithm", {"alg": "none"}, None),
        ("no algorithm, in capitals", {"alg": "NONE", "kid": "one"}, None),
        ("no algorithm, mixed", {"alg": "nOnE", "kid": "one"}, None),
        ("no algorithm, signed", {"alg": "none", "kid": "one"}, idp.KEY),
        ("algorithm left out", {"kid": "one"}, idp.KEY),
        ("algorithm empty", {"alg": "", "kid": "one"}, idp.KEY),
        ("algorithm a list", {"alg": ["RS256"], "kid": "one"}, idp.KEY),
        ("public key as a secret, PEM", {"alg": "HS256", "kid": "one"}, idp.pem(idp.KEY)),
        ("public key as a secret, stripped", {"alg": "HS256", "kid": "one"}, idp.pem(idp.KEY).strip()),
        ("client secret", {"alg": "HS256"}, b"canary-client-secret"),
        ("empty secret", {"alg": "HS256", "kid": "one"}, b""),
        ("another key under the name", {"alg": "RS256", "kid": "one"}, idp.OTHER),
        ("unknown key", {"alg": "RS256", "kid": "two"}, idp.OTHER),
        ("key name a path", {"alg": "RS256", "kid": "../../../../dev/null"}, idp.OTHER),
        ("key name SQL", {"alg": "RS256", "kid": "x' UNION SELECT 'k"}, idp.OTHER),
        ("key name empty", {"alg": "RS256", "kid": ""}, idp.KEY),
        ("key name a number", {"alg": "RS256", "kid": 1}, idp.KEY),
        ("curve's algorithm, RSA key", {"alg": "ES256", "kid": "one"}, idp.CURVE),
        ("key in the header", {"alg": "RS256", "jwk": idp.public(idp.OTHER)}, idp.OTHER),
        (
            "good, with a key in the header",
            {"alg": "RS256", "kid": "one", "jwk": idp.public(idp.KEY)},
            idp.KEY,
        ),
        ("keys at an address", {"alg": "RS256", "kid": "one", "jku": "https://evil.example/keys"}, idp.KEY),
        ("certificate at an address", {"alg": "RS256", "kid": "one", "x5u": "https://evil.example"}, idp.KEY),
        ("certificates", {"alg": "RS256", "kid": "one", "x5c": ["MIIB"]}, idp.KEY),
        ("critical extension", {"alg": "RS256", "kid": "one", "crit": ["exp"]}, idp.KEY),
        ("not encoded", {"alg": "RS256", "kid": "one", "b64": False, "crit": ["b64"]}, idp.KEY),
        ("packed", {"alg": "RS256", "kid": "one", "zip": "DEF"}, idp.KEY),
        ("an access token", {"alg": "RS256", "kid": "one", "typ": "at+jwt"}, idp.KEY),
        ("a logout token", {"alg": "RS256", "kid": "one", "typ": "logout+jwt"}, idp.KEY),
    ):
        yield name, idp.signed(good(), header, key), None
    token = idp.signed(good())
    head, body, tail = token.split(".")
    other = idp.b64(json.dumps(good(sub="1")).encode())
    yield "another body", f"{head}.{other}.{tail}", None
    yield "no signature", f"{head}.{body}.", None
    yield "signature cut", token[:-4], None
    yield "two parts", f"{head}.{body}", None
    yield "five parts", f"{token}.x.x", None
    yield "empty", "", None
    yield "too long", idp.signed(good(name="x" * 30_000)), None
    yield "not encoded at all", "a.b.c", None
    yield "body no JSON", idp.signed("{", raw=True), None
    yield "body a list", idp.signed("[]", raw=True), None
    yield "body deep", idp.signed("[" * 5_000, raw=True), None
    yield "subject twice", idp.signed(json.dumps(good())[:-1] + ', "sub": "admin"}', raw=True), None
    yield "no keys", token, []
    yield "key for packing", token, [idp.public(idp.KEY, use="enc")]
    yield "key of another algorithm", token, [idp.public(idp.KEY, alg="RS512")]
    yield "key that may not verify", token, [idp.public(idp.KEY, key_ops=["encrypt"])]
    yield "two keys of the name", token, [idp.public(idp.KEY), idp.public(idp.OTHER)]
    yield (
        "no name, two keys",
        idp.signed(good(), {"alg": "RS256"}),
        [idp.public(idp.KEY), idp.public(idp.OTHER, "two")],
    )
    yield (
        "short key",
        idp.signed(good(), {"alg": "RS256", "kid": "s"}, idp.SHORT),
        [idp.public(idp.SHORT, "s")],
    )
    yield "broken key", token, [{"kty": "RSA", "kid": "one", "n": "AQAB"}]
    yield "key a text", token, ["one"]
    yield (
        "secret among keys",
        idp.signed(good(), {"alg": "HS256", "kid": "h"}, b"k" * 32),
        [{"kty": "oct", "kid": "h", "k": idp.b64(b"k" * 32)}],
    )


CORPUS = {name: (token, keys) for name, token, keys in bad_tokens()}


def test_the_corpus_of_tokens_is_large_enough():
    """SR-04: at least 60."""
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_a_bad_token_is_taken_for_nobody(name):
    """SR-04: 0 accepted."""
    token, keys = CORPUS[name]
    with pytest.raises(idtoken.Untrusted):
        check(token, keys)


@pytest.mark.parametrize(
    ("changed", "groups", "email"),
    [
        ({"groups": None}, set(), ""),
        ({"groups": "admins"}, set(), ""),
        ({"groups": {"admins": True}}, set(), ""),
        ({"groups": ["dev", 7, None, ["admins"], "", "x" * 201]}, {"dev"}, ""),
        ({"email": "vera@x.example"}, {"dev"}, ""),
        ({"email": "vera@x.example", "email_verified": False}, {"dev"}, ""),
        ({"email": "vera@x.example", "email_verified": "true"}, {"dev"}, ""),
        ({"email": "a@evil.example@x.example", "email_verified": True}, {"dev"}, ""),
        ({"email": "vera@x.example", "email_verified": True}, {"dev"}, "vera@x.example"),
    ],
)
def test_groups_and_addresses_are_what_is_certain(changed, groups, email):
    """SR-05: missing groups are none; an address that is not verified, or is two, is none, and never a key."""
    found = check(idp.signed(good(**changed)))
    assert (set(found.groups), found.email) == (groups, email)


@pytest.mark.parametrize(
    "name", ["\u202eareV", "V\u0435ra", "Ve\nra", "<script>", "x" * 500, "\x1b[31mVera", 7, None, ""]
)
def test_names_are_for_display_and_harmless(name):
    """SR-05: whatever somebody is called, they are who they are."""
    found = check(idp.signed(good(name=name)))
    assert found.subject == "1001"
    assert found.name.isprintable()
    assert 0 < len(found.name) <= 100


async def round_trip(here, path: str = "/oidc/login"):
    """Go to the provider and come back; answers the last response and the cookies set on the way."""
    start = await here.ask("GET", path)
    assert start.status_code == 303, start.text
    sign_in = cookie_of(start)
    at_provider = await here.http.get(start.headers["location"])
    back = at_provider.headers["location"].removeprefix(here.url)
    return await here.ask("GET", back, sign_in), sign_in, back


async def test_round_trip_signs_in_with_pkce_and_roles(tmp_path):
    """SR-04: code flow, S256, state and nonce; the person is issuer and subject; roles by groups and by name."""
    async with idp.provider() as provider, door(tmp_path, settings(provider.issuer)) as here:
        end, sign_in, back = await round_trip(here, "/oidc/login?next=/sources")
        assert (end.status_code, end.headers["location"]) == (303, "/sources")
        me = (await here.ask("GET", "/api/v1/me", cookie_of(end))).json()
        assert me["identity"] == f"{provider.issuer}|1001"
        assert me["roles"] == {"*": ["admin", "viewer"]}
        asked, (exchange,) = provider.asked, provider.exchanged
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == f"{here.url}/oidc/callback"
        assert len(asked["state"]) >= 43 <= len(asked["nonce"])
        assert idp.b64(sha256(exchange["code_verifier"].encode()).digest()) == asked["code_challenge"]
        again = await here.ask("GET", back, sign_in)  # each is good for one answer
        assert again.status_code == 401
        assert len(provider.exchanged) == 1


@pytest.fixture(scope="module")
async def shared(tmp_path_factory, anyio_backend):
    """A provider and a board, for those whose answers never get as far as the provider."""
    where = tmp_path_factory.mktemp("oidc")
    async with idp.provider() as provider, door(where, settings(provider.issuer)) as here:
        yield provider, here


@pytest.mark.parametrize(
    "change",
    [
        "state",
        "no state",
        "empty state",
        "no cookie",
        "other cookie",
        "error",
        "no code",
        "twice",
        "late",
        "issuer",
    ],
)
async def test_an_answer_that_is_not_to_this_sign_in_is_refused(shared, change):
    """SR-04: state single-use and bound to the browser; nothing is exchanged for a forged answer."""
    provider, here = shared
    await here.anew()
    start = await here.ask("GET", "/oidc/login")
    cookie = cookie_of(start)
    state = parse_qs(urlsplit(start.headers["location"]).query)["state"][0]
    query = {
        "state": "code=c&state=wrong",
        "no state": "code=c",
        "empty state": "code=c&state=",
        "error": f"error=access_denied&error_description=<b>x</b>&state={state}",
        "no code": f"state={state}",
        "twice": f"code=c&state=wrong&state={state}",
        "issuer": f"code=c&state={state}&iss=https://evil.example",
    }.get(change, f"code=c&state={state}")
    if change == "other cookie":
        cookie = cookie_of(await here.ask("GET", "/oidc/login"))
    if change == "late":
        here.later(minutes=11)
    answer = await here.ask("GET", f"/oidc/callback?{query}", "" if change == "no cookie" else cookie)
    assert answer.status_code == 401
    assert "shipboard-session" not in answer.headers.get("set-cookie", "")
    assert "<b>x" not in answer.text
    assert provider.exchanged == []
    assert await here.rows(people.SESSION) == []


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("change", {"aud": "other"}),
        ("change", {"nonce": "other"}),
        ("token", idp.signed({}, {"alg": "none"}, None)),
        ("keys", []),
        ("keys", [idp.public(idp.OTHER)]),
        ("described", {"issuer": "https://evil.example"}),
        ("described", {"jwks_uri": "file:///etc/passwd"}),
        ("described", {"token_endpoint": ""}),
    ],
)
async def test_a_provider_that_errs_signs_nobody_in(tmp_path, what, value):
    """SR-04: end to end, in words and not with a 500."""
    async with idp.provider() as provider, door(tmp_path, settings(provider.issuer)) as here:
        setattr(provider, what, value)
        start = await here.ask("GET", "/oidc/login")
        if start.status_code == 303:
            at_provider = await here.http.get(start.headers["location"])
            start = await here.ask(
                "GET", at_provider.headers["location"].removeprefix(here.url), cookie_of(start)
            )
        assert start.status_code in (401, 502)
        assert 'role="alert"' in start.text
        assert await here.rows(people.SESSION) == []


async def test_a_provider_that_is_gone_is_told_of(tmp_path):
    async with door(tmp_path, settings("http://127.0.0.1:9")) as here:
        answer = await here.ask("GET", "/oidc/login")
        assert answer.status_code == 502
        assert "cannot be reached" in answer.text
        assert "canary" not in answer.text


async def test_new_keys_of_the_provider_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("app.web.auth.oidc.AGAIN", 0.0)
    async with idp.provider() as provider, door(tmp_path, settings(provider.issuer)) as here:
        assert (await round_trip(here))[0].status_code == 303
        provider.keys = [idp.public(idp.KEY, "new"), idp.public(idp.OTHER, "one")]
        start = await here.ask("GET", "/oidc/login")
        at = await here.http.get(start.headers["location"])
        fresh = idp.claims(provider.issuer, provider.asked["nonce"])
        provider.token = idp.signed(fresh, {"alg": "RS256", "kid": "new"})
        end = await here.ask("GET", at.headers["location"].removeprefix(here.url), cookie_of(start))
        assert end.status_code == 303


async def test_the_same_address_elsewhere_is_somebody_else(tmp_path):
    """SR-05: a reassigned or look-alike e-mail gains nothing; without groups there is no role."""
    async with idp.provider() as provider, door(tmp_path, settings(provider.issuer)) as here:
        provider.change = {
            "sub": "2002",
            "email": "1001",
            "email_verified": True,
            "groups": None,
            "name": "Vera",
        }
        end, _, _ = await round_trip(here)
        assert end.status_code == 303
        refused = await here.ask("GET", "/", cookie_of(end))
        assert refused.status_code == 403
        assert "no role" in refused.text
        assert "Sign out" in refused.text


@contextmanager
def mock_provider():
    """The package made for such tests, in a thread: an implementation that is not ours."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock

        app = oidc_provider_mock.app(require_client_registration=False, user_claims=[])

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args) -> None: ...

    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.filterwarnings("ignore")
async def test_round_trip_with_a_provider_that_is_not_ours(tmp_path):
    """SR-04: against oidc-provider-mock."""
    with mock_provider() as issuer:
        auth = AuthSettings(
            modes=(Mode.OIDC,),
            grants=(Grant(Role.VIEWER, people=("*",)),),
            oidc=OidcSettings(issuer, "ship", Secret("s3cret"), scopes=("openid", "profile", "email")),
        )
        async with door(tmp_path, auth) as here:
            start = await here.ask("GET", "/oidc/login?next=/sources")
            assert start.status_code == 303, start.text
            at = await here.http.post(start.headers["location"], data={"sub": "vera@example.org"})
            assert at.status_code in (302, 303), at.text
            back = at.headers["location"].removeprefix(here.url)
            end = await here.ask("GET", back, cookie_of(start))
            assert (end.status_code, end.headers["location"]) == (303, "/sources"), re.sub(
                "<[^>]+>", "", end.text
            )
            me = (await here.ask("GET", "/api/v1/me", cookie_of(end))).json()
            assert me["identity"] == f"{issuer}|vera@example.org"


async def test_sign_ins_at_once_do_not_mix(tmp_path):
    """SR-04: two browsers, each its own state."""
    async with idp.provider() as provider, door(tmp_path, settings(provider.issuer)) as here:
        first, second = await asyncio.gather(here.ask("GET", "/oidc/login"), here.ask("GET", "/oidc/login"))
        at = await here.http.get(first.headers["location"])
        back = at.headers["location"].removeprefix(here.url)
        assert (await here.ask("GET", back, cookie_of(second))).status_code == 401
        assert (await here.ask("GET", back, cookie_of(first))).status_code == 303
        assert time.time() > 0
