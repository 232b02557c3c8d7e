"""What a route needs, declared where the route is: `dependencies=[needs(Permission.VIEW)]`.

The declaration is both the check and the mark that `bare` looks for, so that a route that forgot it stops the start.
Where an environment matters, the route asks `permits` again once it knows the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount
from starlette.types import Scope

from app.domain.audit import Act
from app.domain.people import EVERYWHERE, NOBODY, Principal, PrincipalKind, Role
from app.domain.policy import LOOKS, Permission, Verdict, permits
from app.web.errors import Refusal, wants_html

FILES = "/static"
"""The one mount that everybody may read."""


class Bare(Exception):
    """Routes declare no permission; the message names them."""


class Needs:
    """A dependency that refuses whoever may not. Raises Refusal (401, 403) or, to a person's browser, a redirect
    to the sign-in page."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        """Let through or raise."""
        await refuse_unless(permits(of(request.scope), self.permission), request.scope)


def needs(permission: Permission) -> Dependency:
    """The declaration for a route's `dependencies`."""
    found: Dependency = Depends(Needs(permission))
    return found


async def principal(request: Request) -> Principal:
    """Who asks; resolved once by `Guard`. A FastAPI dependency."""
    return of(request.scope)


def of(scope: Scope) -> Principal:
    """Who asks, of an ASGI scope; nobody where no guard stands before the application."""
    found: Principal = scope.get("principal", NOBODY)
    return found


def told_where(scope: Scope) -> bool:
    """Whether who asks is told from which addresses people came."""
    return permits(of(scope), Permission.ADDRESSES).allowed


def rights(principal: Principal) -> frozenset[str]:
    """What `principal` may do, without who it is: "environment:role" of each role held, and nothing personal.

    It is part of the key of a view: equal rights, equal bytes. `holder` makes a principal of it again.
    """
    if principal.kind is PrincipalKind.PERSON:
        return frozenset(f"{where}:{role}" for where, roles in principal.roles.items() for role in roles)
    return frozenset()


def holder(held: frozenset[str]) -> Principal:
    """Somebody with exactly these `rights`, for asking `permits` which buttons a shared page shows."""
    roles: dict[str, frozenset[Role]] = {}
    for each in held:
        where, _, role = each.rpartition(":")
        roles[where] = roles.get(where, frozenset()) | {Role(role)}
    kind = PrincipalKind.PERSON if held else PrincipalKind.NOBODY
    return Principal(kind, roles=roles or {EVERYWHERE: frozenset({Role.VIEWER})})


async def remember(scope: Scope, said: str, verb: str = Act.ENTER) -> None:
    """Have a denial written down; nowhere, where no guard stands before the application."""
    if denied := scope.get("denied"):
        await denied(scope, said, verb)


async def refuse_unless(verdict: Verdict, scope: Scope) -> None:
    """Raise what a denial is answered with, and have it written down: 401 where signing in would help, else 403 with
    every blocker."""
    if verdict.allowed:
        return
    blocked = [
        {"rule": b.rule, "message": b.message, "clears": b.clears, "until": b.until}
        for b in verdict.blocked_by
    ]
    said = " ".join(f"{b.message} {b.clears}".strip() for b in verdict.blocked_by)
    unknown = any(b.rule == "sign-in" for b in verdict.blocked_by)
    await remember(scope, f"{401 if unknown else 403} {said}")
    if unknown:
        raise Refusal(401, "Not signed in", said, headers=sign_in_headers(scope), blocked_by=blocked)
    raise Refusal(403, "Not permitted", said, blocked_by=blocked)


def sign_in_headers(scope: Scope) -> dict[str, str]:
    """What goes with a 401: the way to sign in for machines, for pages in a browser, and for parts of a page."""
    headers = {"www-authenticate": 'Bearer realm="shipboard"'}
    if any(name == b"hx-request" for name, _ in scope["headers"]):
        headers["hx-redirect"] = "/login"
    elif wants_html(scope):
        headers["location"] = sign_in(scope)
    return headers


def sign_in(scope: Scope) -> str:
    """The sign-in page that leads back here."""
    if scope["method"] not in ("GET", "HEAD"):
        return "/login"
    query = scope["query_string"].decode("latin-1")
    here = quote(scope["path"], safe="/:@") + (f"?{query}" if query else "")
    return "/login" if here == "/" else f"/login?next={quote(here, safe='/')}"


def declared(app: FastAPI) -> Iterator[tuple[str, frozenset[str], Permission | None]]:
    """Every route of `app`: path, methods, and the permission it declares (None: none)."""
    for route in iter_route_contexts(app.routes):
        original = route.original_route
        if isinstance(original, Mount):
            yield original.path, frozenset({"GET"}), Permission.OPEN if original.path == FILES else None
            continue
        path, methods = getattr(route, "path", "") or "?", getattr(route, "methods", None) or frozenset()
        marks = [d.dependency for d in getattr(route, "dependencies", None) or ()]
        found = [m.permission for m in marks if isinstance(m, Needs)]
        yield path, frozenset(methods), found[-1] if found else None


def refuse_bare(app: FastAPI) -> None:
    """Raise Bare if a route declares no permission, or one that changes something only that it may look."""
    wrong = [
        path
        for path, methods, permission in declared(app)
        if permission is None or (permission in LOOKS and methods - {"GET", "HEAD", "OPTIONS"})
    ]
    if wrong:
        raise Bare(f"These routes declare no permission, or too little: {', '.join(sorted(wrong))}.")
