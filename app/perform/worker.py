"""The worker of a process: claims what was asked, carries it out, waits for effects, takes over from the dead.

One command of a workload at a time, workloads side by side. Every move is guarded in the database, and every write by
the cluster's own comparison of versions; so two workers may err about who is alive, and still nothing is done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from secrets import token_hex

import structlog

from app.domain.commands import CommandPhase
from app.domain.errors import StoreUnavailable
from app.live import Live
from app.store import commands
from app.store.commands import Kept
from app.store.db import Database

from .book import Book, End
from .carry import Carrier
from .failpoints import reached
from .look import ClusterLike
from .observe import Observer
from .terms import RightsNow, Rules, as_asked

POLL = 2.0
"""Seconds between two looks at the database, for what other processes recorded."""
BEAT = 5.0
"""Seconds between two signs of life."""
DEAD = 20.0
"""Seconds without a sign of life after which another process counts as dead, on a database that may have several."""
MOST_TRIES = 3
"""Processes that may set about a command; one that ends them all is left alone."""
STOP_SECONDS = 1.5
"""How long a write that has begun may take to end when the worker is stopped."""

log = structlog.get_logger("shipboard.perform")


class Worker:
    """Runs commands for ever; `wake` it when there is a new one. `place` is where only one process can be at a time,
    so that whoever was there before is dead."""

    def __init__(
        self,
        database: Database,
        live: Live,
        clusters: Mapping[str, ClusterLike],
        rules: Rules,
        clock: Callable[[], datetime],
        *,
        rights_now: RightsNow = as_asked,
        dead_after: float | None = None,
        place: str = "",
    ) -> None:
        self._before = f"{place}/" if place else ""
        self.owner = f"{self._before}{token_hex(8)}"
        self._database, self._live, self._clock = database, live, clock
        self._book = Book(database, live, clock, self.owner)
        self._carrier = Carrier(clusters, rules, clock, rights_now)
        self._observer = Observer(self._book, clusters)
        # A file has one process, so whoever had it before is dead.
        several = database.dialect != "sqlite"
        self._dead_after = dead_after if dead_after is not None else DEAD if several else 0.0
        self._bell = asyncio.Event()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._beats: dict[str, tuple[tuple[str, int], float]] = {}
        self._beaten = 0.0

    def wake(self) -> None:
        """There is something to do."""
        self._bell.set()

    async def run(self) -> None:
        """Work for ever; when cancelled, let writes that have begun come to their end."""
        with self._live.listening() as listener:
            watching = asyncio.create_task(self._observer.run(listener), name="perform: effects")
            try:
                while not watching.done():
                    await self._round()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await self._bell.wait()
                watching.result()
            finally:
                watching.cancel()
                await self._stop()

    async def _round(self) -> None:
        self._bell.clear()
        try:
            async with self._database.reading() as connection:
                found = await commands.unfinished(connection)
            await self._beat(found)
        except StoreUnavailable as error:
            log.warning("commands cannot be read", reason=str(error))
            return
        waiting: dict[str, list[Kept]] = {}
        for kept in found:
            if kept.command.id not in self._observer and self._due(kept):
                waiting.setdefault(kept.command.workload, []).append(kept)
        for workload, several in waiting.items():
            if workload not in self._lanes:
                task = asyncio.create_task(self._lane(several), name=f"perform: {workload}")
                self._lanes[workload] = task
                task.add_done_callback(partial(self._lane_ended, workload))
        self._beats = {k.command.id: self._beats[k.command.id] for k in found if k.command.id in self._beats}

    def _lane_ended(self, workload: str, _: asyncio.Task[None]) -> None:
        self._lanes.pop(workload, None)
        self._bell.set()

    def _due(self, kept: Kept) -> bool:
        """Whether it is ours to take in hand: nobody's, ours, or that of a process that is dead."""
        if kept.phase is CommandPhase.PENDING or kept.owner == self.owner or not self._dead_after:
            return True
        if self._before and kept.owner.startswith(self._before):
            return True
        now, mark = time.monotonic(), (kept.owner, kept.beat)
        before, since = self._beats.get(kept.command.id, (mark, now))
        if before != mark:
            before, since = mark, now
        self._beats[kept.command.id] = before, since
        return now - since >= self._dead_after

    async def _beat(self, found: list[Kept]) -> None:
        if not self._dead_after or time.monotonic() - self._beaten < min(BEAT, self._dead_after / 4):
            return
        if any(kept.owner == self.owner for kept in found):
            await self._book.live()
        self._beaten = time.monotonic()

    async def _lane(self, several: list[Kept]) -> None:
        """The commands of one workload, in the order they were asked."""
        for kept in several:
            try:
                await self._one(kept)
            except StoreUnavailable as error:
                log.warning("a command has to wait", command=kept.command.id, reason=str(error))
                await asyncio.sleep(0.5)
                return
            except Exception:
                log.exception("a command failed", command=kept.command.id)
                await self._abandon(kept)

    async def _one(self, kept: Kept) -> None:
        doubt = kept.phase is CommandPhase.RUNNING
        if kept.phase is CommandPhase.PENDING:
            if kept.command.deadline <= self._clock():
                late = End(CommandPhase.REFUSED, "It was not begun in time; nothing was changed.")
                await self._book.move(kept, late)
                return
            mine = await self._book.claim(kept)
            reached("after_claim")
        elif kept.owner == self.owner:
            mine = kept
        else:
            mine = await self._book.adopt(kept)
        if mine is None:
            return
        if mine.phase is CommandPhase.SENT:
            self._observer.take(mine, at_once=True)
            return
        if mine.tries > MOST_TRIES:
            await self._abandon(mine)
            return
        # A write that has begun is not torn: whoever stops the worker waits for it, within bounds.
        end = await self._carrier.carry(mine, doubt=doubt)
        moved = await self._book.move(mine, end)
        log.info(
            "command", id=mine.command.id, verb=mine.command.verb.value, to=end.phase.value, why=end.message
        )
        if moved and moved.phase is CommandPhase.SENT:
            reached("after_sent")
            self._observer.take(moved)

    async def _abandon(self, kept: Kept) -> None:
        """Leave a command alone that cannot be carried out without harm to the others."""
        with suppress(StoreUnavailable):
            async with self._database.reading() as connection:
                now = await commands.one(connection, kept.command.id)
            if now and not now.final and now.owner in ("", self.owner):
                said = "It could not be carried out, by a fault of Shipboard's own; look whether it was done."
                await self._book.move(now, End(CommandPhase.UNKNOWN, said))

    async def _stop(self) -> None:
        lanes = list(self._lanes.values())
        if lanes:
            _, late = await asyncio.wait(lanes, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
