"""Stands before every route: who asks, do they come from a page of ours, and may they come in at all.

What is open to everybody is a literal list; whatever else is asked for without a right to look is turned away here,
before routing, so that not even the addresses can be told apart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.domain.policy import Permission, permits
from app.web import errors

from . import access, csrf

OPEN = frozenset(
    {
        "/healthz",
        "/ready",
        "/robots.txt",
        "/favicon.ico",
        "/login",
        "/oidc/login",
        "/oidc/callback",
        "/logout",
    }
)
"""Addresses that need no principal; their routes declare Permission.OPEN."""
OPEN_UNDER = ("/static/", "/kiosk/", "/hooks/")

LOCAL = Principal(PrincipalKind.PERSON, "shipboard", "local", "local", roles={EVERYWHERE: frozenset(Role)})
"""Everybody, on a board that asks nobody who they are and that only its own machine reaches."""

log = structlog.get_logger("shipboard.auth")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from. `secret` is what its CSRF token is made of; None: it brought no ambient authority, so
    no other page can have made it. `wrong`: it showed credentials that do not hold."""

    principal: Principal
    secret: bytes | None = None
    wrong: str = ""


class Resolver(Protocol):
    """Finds out who asks."""

    async def caller(self, scope: Scope) -> Caller:
        """The caller of a request. Raises StoreUnavailable."""

    def watch(self, principal: Principal, end: Callable[[], None]) -> Callable[[], None]:
        """Call `end` once `principal` may no longer read, until the function answered is called."""


class Everybody:
    """Asks nobody: whoever comes is LOCAL. `secret` is this process's own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    async def caller(self, scope: Scope) -> Caller:
        """LOCAL."""
        return Caller(LOCAL, self._secret)

    def watch(self, principal: Principal, end: Callable[[], None]) -> Callable[[], None]:
        """Nobody is ever turned away."""
        return lambda: None


class Guard:
    """ASGI. Puts `principal`, `csrf` (the token for forms) and `watch` into the scope. `public_url` is how people
    reach the board; empty: as they name it, within the known hosts."""

    def __init__(self, app: ASGIApp, resolver: Resolver, public_url: str = "") -> None:
        self._app, self._resolver, self._public_url = app, resolver, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        unsafe = scope["method"] not in csrf.SAFE
        bearer = any(name == b"authorization" for name, _ in scope["headers"])
        path = scope["path"]
        hook = path.startswith("/hooks/")
        # Before the session is looked at, so that a forged request has no effect on it either.
        if unsafe and not bearer and not hook and (why := csrf.foreign(scope, self._public_url)):
            await _refuse(scope, receive, send, why)
            return
        caller = await self._resolver.caller(scope)
        scope["principal"] = caller.principal
        scope["watch"] = self._resolver.watch
        if caller.secret is not None:
            scope["csrf"] = csrf.token(caller.secret)
        if caller.wrong and not _open(path):
            await _turn_away(caller.wrong)(scope, receive, send)
            return
        if unsafe and caller.secret is not None and not hook:
            given, receive = await csrf.given(scope, receive)
            if not csrf.matches(caller.secret, given):
                await _refuse(scope, receive, send, "It does not carry this session's token.")
                return
        if not _open(path) and not permits(caller.principal, Permission.VIEW).allowed:
            await _turn_away("")(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_UNDER)


def _turn_away(why: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        said = f"{why} Sign in at /login, or send a token: Authorization: Bearer …".strip()
        headers = access.sign_in_headers(scope)
        await errors.answer(scope, 401, "Not signed in", said, headers=headers)(scope, receive, send)

    return answer


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    log.warning("request refused", method=scope["method"], path=scope["path"], why=why)
    detail = f"{why} Reload the page and try again; a program sends a token (Authorization: Bearer …)."
    await errors.answer(scope, 403, "Forged or stale request", detail)(scope, receive, send)
