"""What every answer carries: the content security policy and its companions; and who is asked: known hosts.

Both are plain ASGI and stand outside everything that can answer, so that errors, streams and files have them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
)
_NAMES = frozenset(name for name, _ in HEADERS)
_HSTS = (b"strict-transport-security", b"max-age=31536000")

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Host names by which this machine reaches itself."""


class SecurityHeaders:
    """ASGI: puts `HEADERS` on every response, whatever the application said; HSTS where people come by
    https."""

    def __init__(self, app: ASGIApp, https: bool = False) -> None:
        self._app = app
        self._headers = [*HEADERS, _HSTS] if https else list(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in _NAMES]
                message = {**message, "headers": kept + self._headers}
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class KnownHosts:
    """ASGI: lets through only requests whose Host is one of `hosts` (lower case, no port); `refuse` answers
    others.

    A page of another site can make a browser resolve its own name to 127.0.0.1 and then read a board that
    only listens there; the Host header gives it away. `addresses` lets IP addresses through, which no name
    can be rebound to (probes use them). `hosts` None lets everything through.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str] | None,
        refuse: Callable[[Scope, Receive, Send], Awaitable[None]],
        addresses: bool = False,
    ) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(hosts)
        self._addresses = addresses
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._known(_host(scope)):
            await self._app(scope, receive, send)
        else:
            await self._refuse(scope, receive, send)

    def _known(self, host: str | None) -> bool:
        if self._hosts is None or host in self._hosts:
            return True
        return self._addresses and host is not None and _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _host(scope: Scope) -> str | None:
    """The one Host of a request, lower case, without its port; None when there is none, or more than one."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    if len(given) != 1:
        return None
    whole = str(given[0], "latin-1").lower()
    host, _, port = whole.rpartition(":")
    return (host if host and port.isdigit() else whole).removesuffix(".")
