"""The recent changes of one resource: what a watch reads, from where it wants, as long as it is held."""

from __future__ import annotations

import asyncio
import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.demo.store import Change

LOG_WINDOW = 10_000
EVENT_BYTES = 8 << 10  # what a window may hold on average


class Log:
    """The recent changes of one resource, bounded in number and bytes.

    `floor` is the newest version no longer held: watching from below it is 410.
    """

    def __init__(self, floor: int, window: int) -> None:
        self.changes: list[Change] = []
        self.size = 0
        self.base = 0
        self.floor = floor
        self.window = window
        self.epoch = 0
        self.readers: dict[object, int] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def end(self) -> int:
        return self.base + len(self.changes)

    def append(self, change: Change) -> None:
        self.changes.append(change)
        self.size += len(change.entry.tail)
        if len(self.changes) > 2 * self.window or self.size > EVENT_BYTES * self.window:
            self._drop(len(self.changes) // 2)
        self.wake()

    def wake(self) -> None:
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Returns at the next change (or wake-up) or after so many real seconds."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, seconds)
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)

    def slowest(self) -> int:
        """The position of the slowest open watch; the end when there is none."""
        return min(self.readers.values(), default=self.end)

    def position(self, version: int) -> int:
        """Where the first change after `version` is (absolute position)."""
        return self.base + bisect.bisect_right(self.changes, version, key=lambda change: change.entry.version)

    def compact(self, version: int) -> None:
        self._drop(self.position(version) - self.base)
        self.floor = max(self.floor, version)

    def reset(self, floor: int) -> None:
        """Forget everything and end the streams that read here (a restart)."""
        self.base += len(self.changes)
        self.changes = []
        self.size = 0
        self.floor = floor
        self.epoch += 1
        self.wake()

    def _drop(self, count: int) -> None:
        if count > 0:
            self.floor = max(self.floor, self.changes[count - 1].entry.version)
            self.size -= sum(len(change.entry.tail) for change in self.changes[:count])
            del self.changes[:count]
            self.base += count
