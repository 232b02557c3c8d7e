"""Who is told that something changed: a dirty set behind a bell, never a queue.

`publish` marks topics dirty; each `Listener` takes all that became dirty since it last looked, once, however often it
was marked. A slow listener therefore costs a set of names and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from app.domain.names import Topic


class Listener:
    """One subscriber's dirty set."""

    def __init__(self) -> None:
        self._dirty: set[Topic] = set()
        self._bell = asyncio.Event()

    def mark(self, topics: Iterable[Topic]) -> None:
        """Add `topics` and ring the bell."""
        self._dirty.update(topics)
        if self._dirty:
            self._bell.set()

    async def changes(self, within: float) -> frozenset[Topic]:
        """All topics marked since the last call, as soon as there are any; empty after `within` seconds of quiet."""
        try:
            async with asyncio.timeout(within):
                await self._bell.wait()
        except TimeoutError:
            return frozenset()
        self._bell.clear()
        dirty, self._dirty = frozenset(self._dirty), set()
        return dirty


class Live:
    """The bell tower: hands every publication to every listener, and to `relay`, which tells other processes. All on
    one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self.relay: Callable[[Iterable[Topic]], None] | None = None

    def publish(self, topics: Iterable[Topic]) -> None:
        """Tell every listener that `topics` changed. Call after the commit, so that what they read is there."""
        marked = tuple(topics)
        self.hear(marked)
        if self.relay and marked:
            self.relay(marked)

    def hear(self, topics: Iterable[Topic]) -> None:
        """Tell the listeners of this process alone: others know already."""
        marked = tuple(topics)
        for listener in self._listeners:
            listener.mark(marked)

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """A listener for the length of a `with` block. Subscribe first, then read: nothing falls between."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
