"""How often somebody may ask: moving windows in memory, and for passwords a count in the database besides.

Whoever is unknown shares one of a fixed number of windows with few others, so that nobody can fill the memory, nor push
out a count by filling it. Nothing here is near what a person does: an abort always gets through.
"""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.types import Scope

from app.domain.people import Principal, PrincipalKind
from app.settings import AuthSettings

WINDOWS = 4096
LOGIN = RateLimitItemPerMinute(20, namespace="login")
SIGN_IN = RateLimitItemPerMinute(240, namespace="sign-in")
"""By a provider, by a screen's link, or as one of the demo's people: there is nothing to guess, and a whole office may
come at nine."""
ACT = RateLimitItemPerMinute(240, namespace="act")
INGEST = RateLimitItemPerMinute(3_000, namespace="ingest")
"""Reports: one token may be that of a whole organisation, whose jobs end in bursts; five reports of each of 15,000
builds a day are 50 a minute on average."""
SEARCH = RateLimitItemPerMinute(240, namespace="search")
WRONG = RateLimitItemPerMinute(60, namespace="wrong")
"""Credentials that do not hold."""
RETRY = 15
"""Seconds after which to try again, as we say."""


class Limits:
    """Counts requests."""

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    async def allows(self, limit: RateLimitItem, who: str) -> bool:
        """Count one; whether that is within the limit."""
        return await self._windows.hit(limit, who)

    async def open(self, limit: RateLimitItem, who: str) -> bool:
        """Whether one more would be within the limit; counts nothing."""
        return await self._windows.test(limit, who)


def client(scope: Scope) -> str:
    """The address a request comes from: the socket's peer or, where that is a load balancer the settings name, the
    last address it was told that is none of those."""
    peer = str((scope.get("client") or ("", 0))[0])
    settings: AuthSettings | None = scope.get("auth")
    if settings is None or not settings.forwarded_by or not _within(peer, settings):
        return peer
    told = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode(
        "latin-1"
    )
    for each in reversed(told.split(",")[-20:]):
        if not _within(address := each.strip(), settings):
            return address if _is_address(address) else peer
    return peer


def source(scope: Scope) -> str:
    """The network a request comes from: an IPv4 address, or the /64 of an IPv6 one."""
    host = client(scope)
    if not _is_address(host):
        return "unknown"
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> 64 << 64))
    return host


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _within(text: str, settings: AuthSettings) -> bool:
    return _is_address(text) and any(ip_address(text) in network for network in settings.forwarded_by)


def window(scope: Scope, principal: Principal | None = None) -> str:
    """Whose window a request counts in: its person's or token's, else that of where it comes from."""
    if principal and principal.kind in (PrincipalKind.PERSON, PrincipalKind.TOKEN, PrincipalKind.KIOSK):
        one = principal.session if principal.kind is PrincipalKind.TOKEN else ""
        return f"{principal.kind}|{principal.identity}|{one}"
    return str(int.from_bytes(blake2b(source(scope).encode(), digest_size=4).digest(), "big") % WINDOWS)
