"""Stands before every route: who asks, do they come from a page of ours, may they come in at all, not too often.

What is open to everybody is a literal list; whatever else is asked for without a right to look is turned away here,
before routing, so that not even the addresses can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

import structlog
from limits import RateLimitItem
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.audit import Act
from app.domain.errors import StoreUnavailable
from app.domain.people import EVERYWHERE, NOBODY, Principal, PrincipalKind, Role
from app.domain.policy import Permission, permits
from app.settings import AuthSettings, Mode
from app.web import errors
from app.web.logs import without_secret as logged

from . import access, csrf, limits

OPEN = frozenset(
    {
        "/healthz",
        "/ready",
        "/robots.txt",
        "/favicon.ico",
        "/login",
        "/logout",
        "/oidc/login",
        "/oidc/callback",
    }
)
"""Addresses that need no principal; their routes declare Permission.OPEN."""
OPEN_UNDER = ("/static/", "/kiosk/", "/hooks/")
SIGNED = "/api/v1/pipelines"
"""Like those under /hooks/: its bodies are signed, so it is nobody's session that lets them in."""
PROBES = ("/healthz", "/ready", "/static/")
"""What is answered without a look at who asks."""
MAX_HEADERS, MAX_HEADER_BYTES, MAX_URL = 100, 32_768, 8_192

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

    @property
    def limits(self) -> limits.Limits:
        """Where requests are counted."""

    @property
    def settings(self) -> AuthSettings:
        """Ways to sign in."""

    async def caller(self, scope: Scope) -> Caller:
        """The caller of a request. Raises StoreUnavailable."""

    def watch(
        self, principal: Principal, end: Callable[[], None], again: Callable[[], None]
    ) -> Callable[[], None]:
        """Call `end` once `principal` may no longer read, until the function answered is called."""

    async def denied(self, scope: Scope, said: str, verb: str = Act.ENTER) -> None:
        """Remember that a request was refused."""


class Everybody:
    """Asks nobody: whoever comes is LOCAL. `secret` is this process's own."""

    def __init__(self, secret: bytes) -> None:
        self.limits, self.settings = limits.Limits(), AuthSettings()
        self._secret = secret

    async def caller(self, scope: Scope) -> Caller:
        """LOCAL."""
        return Caller(LOCAL, self._secret)

    def watch(
        self, principal: Principal, end: Callable[[], None], again: Callable[[], None]
    ) -> Callable[[], None]:
        """Nobody is ever turned away."""
        return lambda: None

    async def denied(self, scope: Scope, said: str, verb: str = Act.ENTER) -> None:
        """It is remembered nowhere."""


class Guard:
    """ASGI. Puts `principal`, `csrf` (the token for forms), `watch` and `denied` into the scope. `public_url` is how
    people reach the board; empty: as they name it, within the known hosts."""

    def __init__(self, app: ASGIApp, resolver: Resolver, public_url: str = "") -> None:
        self._app, self._resolver, self._public_url = app, resolver, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["auth"], scope["denied"] = self._resolver.settings, self._resolver.denied
        if too_large := _too_large(scope):
            await _answer(
                scope, receive, send, too_large, "Request too large", "Its address or headers are too long."
            )
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # PostgreSQL has no such text
            await _answer(
                scope, receive, send, 422, "Invalid request", "Its address holds the character NUL."
            )
            return
        if _signed(scope) or (scope["path"].startswith(PROBES) and scope["method"] in csrf.SAFE):
            scope["principal"] = NOBODY
            await self._app(scope, receive, send)
            return
        unsafe = scope["method"] not in csrf.SAFE
        bearer = any(name == b"authorization" for name, _ in scope["headers"])
        # Before the session is looked at, so that a forged request has no effect on it either.
        if unsafe and not bearer and (why := csrf.foreign(scope, self._public_url)):
            await _refuse(scope, receive, send, why)
            return
        if bearer and not await self._may_ask(limits.WRONG, limits.window(scope), only_look=True):
            await _too_often(scope, receive, send)
            return
        try:
            caller = await self._resolver.caller(scope)
        except StoreUnavailable as error:
            await _answer(
                scope, receive, send, 503, "Database unavailable", f"{error.what} {error.why} {error.todo}".strip(),
                headers={"retry-after": "5"},
            )  # fmt: skip
            return
        await self._admit(caller, unsafe, scope, receive, send)

    async def _admit(self, caller: Caller, unsafe: bool, scope: Scope, receive: Receive, send: Send) -> None:
        who, path = caller.principal, scope["path"]
        scope["principal"] = who
        scope["watch"] = self._resolver.watch
        if caller.secret is not None:
            scope["csrf"] = csrf.token(caller.secret)
        if caller.wrong:
            await self._may_ask(limits.WRONG, limits.window(scope))
            if not _open(path):
                await _turn_away(scope, receive, send, caller.wrong)
                return
        limit = _limit(scope, unsafe)
        if limit and who is not LOCAL and not await self._may_ask(limit, limits.window(scope, who)):
            await _too_often(scope, receive, send)
            return
        if unsafe and caller.secret is not None:
            given, receive = await csrf.given(scope, receive)
            if not csrf.matches(caller.secret, given):
                await _refuse(scope, receive, send, "It does not carry this session's token.")
                return
        if not _open(path):
            if who.kind is PrincipalKind.KIOSK and not _is_view(scope, who.view):
                await _forbid(scope, receive, send, "Not permitted", "This screen may show one view only.")
                return
            if not permits(who, Permission.VIEW).allowed:
                if who.kind is PrincipalKind.NOBODY:
                    await _turn_away(scope, receive, send, "")
                    return
                said = "You are signed in, but have no role here. An admin can grant you one."
                await _forbid(scope, receive, send, "Not permitted", said)
                return
        keeps_nothing = (
            who.kind is not PrincipalKind.NOBODY and who is not LOCAL and not path.startswith("/static/")
        )
        await self._app(scope, receive, _unstored(send) if keeps_nothing else send)

    async def _may_ask(self, limit: RateLimitItem, who: str, *, only_look: bool = False) -> bool:
        counted = self._resolver.limits
        return await (counted.open(limit, who) if only_look else counted.allows(limit, who))


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_UNDER)


def _signed(scope: Scope) -> bool:
    """Whether the body of a request proves itself, whoever sends it."""
    path: str = scope["path"]
    return path.startswith("/hooks/") or (path == SIGNED and scope["method"] == "POST")


def _limit(scope: Scope, unsafe: bool) -> RateLimitItem | None:
    if scope["path"] == "/login":
        secrets = Mode.LOCAL in scope["auth"].modes
        return (limits.LOGIN if secrets else limits.SIGN_IN) if unsafe else None
    if scope["path"].startswith(("/oidc/", "/kiosk/")):
        return limits.SIGN_IN
    if unsafe:
        return limits.INGEST if scope["path"].startswith("/api/v1/ingest/") else limits.ACT
    return (
        limits.SEARCH if scope["query_string"].startswith(b"q=") or b"&q=" in scope["query_string"] else None
    )


def _is_view(scope: Scope, view: str) -> bool:
    """Whether a request is for exactly the path and the parameters of `view`."""
    path, _, query = view.partition("?")
    asked = sorted(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return (
        scope["method"] in ("GET", "HEAD")
        and scope["path"] == path
        and asked == sorted(parse_qsl(query, keep_blank_values=True))
    )


def _too_large(scope: Scope) -> int:
    """The status for a request whose head is larger than any of ours; 0 when it is not."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL:
        return 414
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    return 431 if len(scope["headers"]) > MAX_HEADERS or size > MAX_HEADER_BYTES else 0


def _unstored(send: Send) -> Send:
    """`send`, telling every cache on the way to keep nothing: the answer is somebody's own."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower() != b"cache-control"]
            stream = any(n.lower() == b"content-type" and v.startswith(b"text/event-stream") for n, v in kept)
            value = b"no-store, no-transform" if stream else b"no-store"
            message = {**message, "headers": [*kept, (b"cache-control", value)]}
        await send(message)

    return sending


async def _answer(
    scope: Scope, receive: Receive, send: Send, status: int, title: str, detail: str,
    headers: dict[str, str] | None = None,
) -> None:  # fmt: skip
    await errors.answer(scope, status, title, detail, headers=headers)(scope, receive, send)


async def _forbid(scope: Scope, receive: Receive, send: Send, title: str, said: str) -> None:
    await access.remember(scope, f"403 {title}. {said}")
    await _answer(scope, receive, send, 403, title, said)


async def _turn_away(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if why:
        log.warning("credentials refused", path=logged(scope["path"]), source=limits.source(scope))
    await access.remember(scope, f"401 {why or 'Not signed in.'}")
    said = f"{why} Sign in at /login, or send a token: Authorization: Bearer …".strip()
    await _answer(scope, receive, send, 401, "Not signed in", said, access.sign_in_headers(scope))


async def _too_often(scope: Scope, receive: Receive, send: Send) -> None:
    log.warning("asked too often", path=logged(scope["path"]), source=limits.source(scope))
    said = f"This was asked for more often than anybody needs. Try again in {limits.RETRY} s."
    await _answer(scope, receive, send, 429, "Too many requests", said, {"retry-after": str(limits.RETRY)})


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    log.warning(
        "request refused",
        method=scope["method"],
        path=logged(scope["path"]),
        why=why,
        source=limits.source(scope),
    )
    detail = f"{why} Reload the page and try again; a program sends a token (Authorization: Bearer …)."
    await access.remember(scope, f"403 {why}")
    await _answer(scope, receive, send, 403, "Forged or stale request", detail)
