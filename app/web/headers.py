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
    # Not no-referrer: with it, a browser sends "Origin: null" with a form to ourselves (Fetch, 3.1), and on plain http
    # nothing else tells where the form was.
    (b"referrer-policy", b"same-origin"),
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

    A page of another site can make a browser resolve its own name to our address and then read the board as
    if it were its own; the Host header gives it away. `nearby` also lets through addresses and names without
    a dot, which nobody outside can point anywhere: what probes and a local network use.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        refuse: Callable[[Scope, Receive, Send], Awaitable[None]],
        nearby: bool = False,
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._nearby = nearby
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._known(_host(scope)):
            await self._app(scope, receive, send)
        else:
            await self._refuse(scope, receive, send)

    def _known(self, host: str) -> bool:
        return host in self._hosts or (self._nearby and _is_nearby(host))


def _is_nearby(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return bool(host) and "." not in host
    return True


def _host(scope: Scope) -> str:
    """The one Host of a request, lower case, without its port; empty when there is none, or more than one."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    if len(given) != 1:
        return ""
    whole = str(given[0], "latin-1").lower()
    host, _, port = whole.rpartition(":")
    return (host if host and port.isdigit() else whole).removesuffix(".")
