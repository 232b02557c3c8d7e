"""A view: one page or resource under one query, rendered once per change and shared by everyone who watches
it.

State, not events: a view knows its regions' latest bytes and the version each last changed at. Whoever
follows closely gets the one shared message; whoever fell behind gets the latest of what changed since, or the
whole; nothing queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Protocol

from app.domain.names import Topic

from . import packing, sse

BLANK = b"\x00who\x00"
"""Where a shared page leaves room for what is said to one viewer alone."""
_PACKED = 8
"""Packed bodies kept of one state: most who look are the same few."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Ids of the regions whose bytes changed, that are new, and that are gone (no id is in two of them);
    or `reset`: so much is different that only the whole will do."""

    changed: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    reset: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed or self.reset)


class Content(Protocol):
    """What a view shows. All of it is rendered when it is made; later calls render only what is dirty."""

    def apply(self, topics: Iterable[Topic], now: datetime) -> Patch:
        """Take in what `topics` changed."""

    def beat(self, now: datetime) -> Patch:
        """Take in what time alone changed; called with every heartbeat."""

    def body(self) -> bytes:
        """The whole answer to a plain GET."""

    def whole(self) -> Sequence[bytes]:
        """Event data that bring a watcher from nothing to now."""

    def some(self, patch: Patch) -> Sequence[bytes]:
        """Event data that bring a watcher over `patch`, which is neither empty nor a reset."""


@dataclass(frozen=True, slots=True)
class ViewKey:
    """Who sees the same bytes: path, canonical query string, media type and what the viewer may do."""

    path: str
    query: str
    media_type: str
    rights: frozenset[str] = frozenset()


class Watcher:
    """One stream's place in a view: the version it has, the bell it sleeps on, and how it is to end.

    `gone`: nobody reads any more. `ended`: the stream is to say farewell; `revoked`: because its reader may no longer
    read.
    """

    __slots__ = ("_waiter", "ended", "gone", "revoked", "task", "version", "writing_since")

    def __init__(self) -> None:
        self.version = -1
        self.gone = False
        self.ended = False
        self.revoked = False
        self.writing_since = 0.0
        self.task: asyncio.Task[object] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def over(self) -> bool:
        """Whether the stream is to end, in whatever way."""
        return self.gone or self.ended

    async def sleep(self) -> None:
        """Until rung."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def ring(self) -> None:
        """Wake the stream if it sleeps."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self) -> None:
        """Let the stream say farewell."""
        self.ended = True
        self.ring()

    def revoke(self) -> None:
        """Let the stream say that its reader may no longer read, and farewell."""
        self.revoked = True
        self.end()

    def leave(self) -> None:
        """The client is gone: the stream ends by itself."""
        self.gone = True
        self.ring()

    def drop(self) -> None:
        """End the stream although it is in the middle of a write."""
        self.gone = True
        if self.task is not None:
            self.task.cancel()


class View:
    """A content with its versions and its watchers."""

    def __init__(
        self, content: Content, epoch: str, used_at: float, make: Callable[[], Content] | None = None
    ) -> None:
        self.content = content
        self._make = make
        self.used_at = used_at
        self.watchers: set[Watcher] = set()
        self.version = 0
        self.redrawn = 0
        self._epoch = epoch
        self._patch = Patch()
        self._state = self._moved_at = 0
        self._changed_at: dict[str, int] = {}
        self._messages: dict[int, bytes] = {}
        self._blocks: dict[int, bytes] = {}
        self._body: tuple[int, bytes, str] = (-1, b"", "")
        self._packed: dict[str, bytes] = {}

    def apply(self, topics: Iterable[Topic], now: datetime) -> None:
        """Render what `topics` made dirty; ring if any bytes changed."""
        if patch := self.content.apply(topics, now):
            self._bump(patch)

    def renew(self) -> None:
        """Make the content anew; everybody gets the whole of it."""
        if self._make:
            self.content = self._make()
        self._bump(Patch(reset=True))

    def beat(self, now: datetime) -> None:
        """Heartbeat: render what time changed and ring in any case."""
        self._bump(self.content.beat(now))

    def after(self, version: int) -> bytes:
        """Bytes that bring a stream from `version` (-1: from nothing) to the present one; empty when it is
        there."""
        if version == self.version:
            return b""
        message = self._messages.get(version)
        if message is None:
            message = self._messages[version] = self._catch_up(version)
        return message

    def block(self, version: int) -> bytes:
        """The same, packed, for a packed stream."""
        block = self._blocks.get(version)
        if block is None:
            block = self._blocks[version] = packing.block(self.after(version))
        return block

    def answer(self) -> tuple[bytes, str]:
        """Body of a plain GET and its strong entity tag."""
        if self._body[0] != self._state:
            body = self.content.body()
            self._body = (self._state, body, etag(body))
        return self._body[1], self._body[2]

    def filled(self, fill: Sequence[bytes] = ()) -> tuple[bytes, str]:
        """The same with `fill` in its blanks, in order, and the tag of all of it."""
        body, tag = self.answer()
        if not fill:
            return body, tag
        for part in fill:
            body = body.replace(BLANK, part, 1)
        return body, f'{tag[:-1]}.{etag(b"".join(fill))[1:9]}"'

    def packed(self, fill: Sequence[bytes] = ()) -> tuple[bytes, str]:
        """The same, gzipped, with a tag of its own."""
        body, tag = self.filled(fill)
        packed = self._packed.get(tag)
        if packed is None:
            if len(self._packed) >= _PACKED:
                self._packed.clear()
            packed = self._packed[tag] = packing.packed(body)
        return packed, f'{tag[:-1]}-gzip"'

    def ring(self) -> None:
        """Wake every watcher."""
        for watcher in self.watchers:
            watcher.ring()

    def _catch_up(self, version: int) -> bytes:
        patch = self._patch
        if version != self.version - 1:
            missed = frozenset(r for r, at in self._changed_at.items() if at > version)
            patch = Patch(missed, reset=version < self._moved_at)
        if version < 0 or patch.reset:
            return self._events(self.content.whole())
        return self._events(self.content.some(patch)) if patch else sse.HEARTBEAT

    def _bump(self, patch: Patch) -> None:
        self.version += 1
        self._patch = patch
        self.redrawn += len(patch.changed) + len(patch.added)
        self._messages.clear()
        self._blocks.clear()
        if patch:
            self._state = self.version
            self._changed_at.update(dict.fromkeys(patch.changed, self.version))
            if patch.added or patch.removed or patch.reset:
                self._moved_at = self.version
        self.ring()

    def _events(self, data: Sequence[bytes]) -> bytes:
        ident = f"{self._epoch}.{self.version}"
        return b"".join([sse.event(d, ident) for d in data])


def etag(body: bytes) -> str:
    """Strong entity tag of a body: equal bytes, equal tag (RFC 9110, section 8.8.3)."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'
