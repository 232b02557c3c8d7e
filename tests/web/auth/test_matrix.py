"""Every route by every sort of caller: generated from the routes there are, so that a new one is in it by itself."""

import json
import re

import pytest
from fastapi import APIRouter, FastAPI

from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.domain.policy import Permission, permits
from app.web.auth import declared, needs, refuse_bare
from app.web.auth.access import Bare
from app.web.auth.guard import OPEN, OPEN_UNDER, SIGNED
from app.web.auth.limits import Limits
from tests.web.auth.door import DEMO, PRODUCTION, STAGING, door, with_

pytestmark = pytest.mark.anyio

MAY = {
    "stranger": set(),
    "garbage cookie": set(),
    "garbage token": set(),
    "expired token": set(),
    "no role": set(),
    "viewer": {"view", "self", "audit", "deeds"},
    "operator": {"view", "self", "audit", "deeds", "act", "report"},
    "approver": {"view", "self", "audit", "deeds", "decide"},
    "admin": {"view", "self", "audit", "deeds", "act", "report", "decide", "admin", "addresses"},
    "token viewer": {"view", "audit", "deeds"},
    "token operator": {"view", "audit", "deeds", "act", "report"},
    "screen": set(),  # of another view than any that is asked for
}
"""What each may at all, somewhere; the test's own word, not the code's."""
OPEN_BY_NAME = {
    "/healthz",
    "/ready",
    "/robots.txt",
    "/favicon.ico",
    "/static",
    "/login",
    "/logout",
    "/oidc/login",
    "/oidc/callback",
    "/kiosk/{secret}",
    "/hooks/{provider}/{hook_id}",
    "/hooks/{provider}/{hook_id}/{secret}",
    SIGNED,
}
_PARAMETERS = {"cluster": "east", "namespace": "shop", "kind": "Deployment", "name": "cart", "path": "x"}


async def callers(here) -> dict[str, dict[str, str]]:
    """Headers of each sort of caller."""
    found = {
        "stranger": {},
        "garbage cookie": {"cookie": f"shipboard-session={'x' * 43}"},
        "garbage token": {"authorization": "Bearer shipboard_" + "x" * 43},
        "token viewer": {"authorization": f"Bearer {await here.token()}"},
        "token operator": {"authorization": f"Bearer {await here.token(role='operator')}"},
        "screen": {"cookie": await here.screen("/?q=only-this")},
    }
    for who in ("viewer", "operator", "approver", "admin"):
        found[who] = {"cookie": await here.be(who)}
    found["no role"] = {"cookie": await here.be("nobody")}
    expired = await here.token(days=1)
    from app.store import people
    from app.web.auth.cookies import digest

    async with here.keeper.database.writing() as session:
        await people.change(session, people.TOKEN, {"expires_at": here.keeper.clock()}, key=digest(expired))
    found["expired token"] = {"authorization": f"Bearer {expired}"}
    return found


async def test_every_route_lets_in_whom_it_may_and_nobody_else(board):
    """SR-01, SR-10: no credentials, expired or garbage ones get 401 or a redirect; too few rights get 403."""
    routes = sorted(
        (path, method, permission)
        for path, methods, permission in declared(board.app)
        for method in methods
        if path != "/static"
    )
    assert len(routes) > 30
    wrong: list[tuple[object, ...]] = []
    for who, headers in (await callers(board)).items():
        csrf = await board.csrf(headers["cookie"]) if "cookie" in headers and MAY[who] else ""
        for path, method, permission in routes:
            board.keeper.limits = Limits()  # whoever shows wrong credentials this often is stopped
            url = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: _PARAMETERS.get(m[1], "none"), path)
            if path == "/logout":
                continue  # would end the session under test; test_session has it
            sent = {
                **headers,
                "accept": "application/json",
                "x-csrf-token": csrf,
                "sec-fetch-site": "same-origin",
            }
            answer = await board.ask(method, url, headers=sent)
            refused = answer.status_code in (401, 403, 303) and path not in OPEN_BY_NAME
            assert permission is not None
            allowed = permission is Permission.OPEN or permission.value in MAY[who]
            if path in OPEN_BY_NAME:
                continue
            if refused is allowed and not (allowed and path.endswith(("/end", "/revoke"))):
                wrong.append((who, method, path, answer.status_code))
            if not allowed:
                assert len(answer.content) < 1024, (who, path)
                assert "workload" not in answer.text
                wanted = 401 if not who.startswith(("token", "no role", "screen")) and not MAY[who] else 403
                if answer.status_code != wanted:
                    wrong.append((who, method, path, answer.status_code, wanted))
    assert wrong == []


async def test_streams_are_refused_like_pages(board):
    """SR-01: a stream is not on the list of what is open."""
    for path in ("/", "/sources", "/api/v1/board", "/api/v1/workloads"):
        for headers in ({}, {"cookie": f"shipboard-session={'x' * 43}"}):
            answer = await board.ask("GET", path, headers={**headers, "accept": "text/event-stream"})
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_open_is_a_literal_list(board):
    """SR-01: whoever opens a route has to say so here too."""
    found = {path for path, _, permission in declared(board.app) if permission is Permission.OPEN}
    assert found == OPEN_BY_NAME
    assert {p for p in found if p in OPEN or f"{p}/".startswith(OPEN_UNDER)} == found - {SIGNED}


async def test_metrics_and_the_description_are_not_open(board):
    """SR-01."""
    for path in (
        "/metrics",
        "/api/v1/openapi.json",
        "/api/v1",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/nothing",
    ):
        assert (await board.ask("GET", path, headers={"accept": "*/*"})).status_code == 401


async def test_a_person_is_sent_to_sign_in_and_back(board):
    answer = await board.ask("GET", "/sources?x=1&y=%2F")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/sources%3Fx%3D1%26y%3D%252F"
    part = await board.ask("GET", "/sources", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")
    assert 'Bearer realm="shipboard"' in part.headers["www-authenticate"]


def test_a_route_without_a_permission_stops_the_start():
    """SR-10: deny by default; a bare route fails the build."""
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter(prefix="/x")

    async def route() -> None: ...

    router.add_api_route("/declared", route, dependencies=[needs(Permission.VIEW)])
    app.include_router(router)
    refuse_bare(app)
    router.add_api_route("/bare", route)
    with pytest.raises(Bare, match="/x/bare"):
        refuse_bare(app)


def test_a_route_that_changes_something_needs_more_than_to_look():
    """SR-10."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    async def route() -> None: ...

    app.add_api_route("/change", route, methods=["POST"], dependencies=[needs(Permission.VIEW)])
    with pytest.raises(Bare, match="/change"):
        refuse_bare(app)


@pytest.mark.parametrize("kind", PrincipalKind)
@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("environment", [STAGING, PRODUCTION, ""])
@pytest.mark.parametrize("permission", Permission)
def test_policy_says_the_same_everywhere(kind, role, environment, permission):
    """SR-10: the one function, for every sort of caller, role held in staging alone, place and permission."""
    who = Principal(kind, "i", "s", roles={STAGING: frozenset({role})} if role else {})
    least = {
        "act": Role.OPERATOR,
        "report": Role.OPERATOR,
        "decide": Role.APPROVER,
        "admin": Role.ADMIN,
        "addresses": Role.ADMIN,
    }
    held = role is not None and environment != PRODUCTION
    enough = held and (role is Role.ADMIN or least.get(permission.value, role) is role)
    refused = {
        PrincipalKind.NOBODY: set(Permission) - {Permission.VIEW},
        PrincipalKind.KIOSK: set(Permission) - {Permission.VIEW},
        PrincipalKind.TOKEN: {Permission.DECIDE, Permission.SELF, Permission.ADMIN},
    }.get(kind, set())
    wanted = permission is Permission.OPEN or (enough and permission not in refused)
    verdict = permits(who, permission, environment)
    assert verdict.allowed is wanted
    assert verdict.allowed or all(b.rule and b.message and b.clears for b in verdict.blocked_by)


async def test_strangers_may_look_and_not_act_where_settings_say_so(tmp_path):
    async with door(tmp_path, with_(DEMO, anonymous=True)) as here:
        assert (await here.ask("GET", "/")).status_code == 200
        assert (await here.ask("GET", "/api/v1/board")).status_code == 200
        assert (await here.ask("GET", "/account")).headers["location"] == "/login?next=/account"
        for told in (
            "/api/v1/commands",
            "/api/v1/commands/abc",
            "/api/v1/inbox",
            "/api/v1/audit",
            "/audit.csv",
        ):
            hidden = await here.ask("GET", told, headers={"accept": "application/json"})
            assert hidden.status_code == 401, (
                f"{told}: what people did and why is for those who say who they are"
            )
        assert (await here.ask("GET", "/commands/abc")).headers["location"] == "/login?next=/commands/abc"
        refused = await here.ask("POST", "/account/tokens", headers={"accept": "*/*"})
        assert refused.status_code == 401
        assert refused.json()["blocked_by"][0]["rule"] == "sign-in"


def test_a_token_for_some_commands_may_see_what_became_of_them():
    who = Principal(
        PrincipalKind.TOKEN, roles={EVERYWHERE: frozenset({Role.OPERATOR})}, verbs=frozenset({"abort"})
    )
    assert permits(who, Permission.DEEDS).allowed
    assert not permits(who, Permission.AUDIT).allowed
    assert not permits(who, Permission.ACT, verb="pause").allowed


async def test_addresses_in_the_audit_are_for_admins(board):
    """Whoever looks at who did what need not learn from where."""
    await board.ask("GET", "/account", headers={"accept": "application/json"})  # a stranger, turned away
    viewer, admin = await board.be("viewer"), await board.be("admin")
    await board.keeper._denials.write(board.keeper.database, at_once=True)

    async def told(path: str, cookie: str) -> str:
        answer = await board.ask("GET", path, cookie, headers={"accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    for path in ("/api/v1/audit", "/audit", "/audit.csv", "/audit.jsonl", "/audit.jsonl?who=nobody"):
        assert "127.0.0.1" in await told(path, admin), path
        seen = await told(path, viewer)
        assert "127.0.0.1" not in seen, path
        assert "nobody" in seen, path
    assert json.loads(await told("/api/v1/audit?who=127.0.0.1", viewer))["items"] == []
    assert json.loads(await told("/api/v1/audit?who=127.0.0.1", admin))["items"]


async def test_a_board_that_asks_nobody_lets_its_own_machine_do_everything(tmp_path):
    async with door(tmp_path, with_(DEMO, modes=(), personas=())) as here:
        me = (await here.ask("GET", "/api/v1/me")).json()
        assert (me["identity"], me["roles"]) == ("shipboard|local", {EVERYWHERE: sorted(Role)})
        assert 'class="who"' not in (await here.ask("GET", "/")).text


async def test_a_board_that_asks_nobody_but_listens_to_others_lets_them_only_look(tmp_path):
    """SR-02."""
    async with door(tmp_path, with_(DEMO, modes=(), personas=()), host="0.0.0.0") as here:
        me = (await here.ask("GET", "/api/v1/me")).json()
        assert (me["kind"], me["roles"]) == ("nobody", {EVERYWHERE: ["viewer"]})
        assert (await here.ask("GET", "/account", headers={"accept": "*/*"})).status_code == 401


async def test_head_answers_wherever_get_does(board):
    cookie = await board.be("viewer")
    for path in (
        "/",
        "/sources",
        "/api/v1",
        "/api/v1/",
        "/api/v1/board",
        "/api/v1/workloads",
        "/api/v1/rollouts",
    ):
        answer = await board.ask("HEAD", path, cookie)
        assert (answer.status_code, answer.content) == (200, b""), path
        assert answer.headers.get("etag") or "content-length" in answer.headers
