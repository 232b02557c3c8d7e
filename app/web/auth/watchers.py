"""Whose streams are open, as whom they were let in, and how each is ended.

Somebody is known by their session or token; whom a proxy told of, who has neither, by identity.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

import structlog

from app.domain.people import Principal, PrincipalKind
from app.settings import Mode

MAX_STREAMS = 100
"""Streams one person, token or screen may have open."""
PROXY_STREAM = 60.0
"""Seconds after which the stream of somebody whom a proxy told of has to come by the proxy again."""

log = structlog.get_logger("shipboard.auth")


class TooMany(Exception):
    """One caller has as many streams open as anybody may."""


class Watchers:
    """The open streams of this process."""

    def __init__(self) -> None:
        self.proxy_stream = PROXY_STREAM
        self._ends: dict[str, set[Callable[[], None]]] = defaultdict(set)
        self._as: dict[str, Principal] = {}

    def __bool__(self) -> bool:
        return bool(self._ends)

    def watch(
        self, principal: Principal, end: Callable[[], None], again: Callable[[], None]
    ) -> Callable[[], None]:
        """Call `end` once `principal` may no longer read as it could, until the function answered is called; and
        `again` for whom only a new request can tell of. Raises TooMany."""
        proxied = principal.kind is PrincipalKind.PERSON and principal.issuer == Mode.PROXY
        ident = principal.identity if proxied else principal.session
        if not ident:
            return lambda: None
        if len(self._ends[ident]) >= MAX_STREAMS:
            raise TooMany
        self._ends[ident].add(end)
        self._as[ident] = principal
        anew = asyncio.get_running_loop().call_later(self.proxy_stream, again) if proxied else None

        def no_more() -> None:
            if anew:
                anew.cancel()
            self._ends[ident].discard(end)
            if not self._ends[ident]:
                del self._ends[ident]
                self._as.pop(ident, None)

        return no_more

    def all(self) -> tuple[tuple[str, Principal], ...]:
        """Everybody who watches: what they are known by, and as whom they were let in."""
        return tuple(self._as.items())

    def seen_as(self, ident: str) -> Principal | None:
        """As whom `ident` was let in; None when it watches nothing."""
        return self._as.get(ident)

    def end(self, ident: str) -> None:
        """End every stream of `ident`."""
        ends = tuple(self._ends.get(ident, ()))
        log.info("streams ended", session=ident, streams=len(ends))
        for end in ends:
            end()
