"""Notices what is worth telling and puts it into the outbox, and sends what is there: one courier a target.

What is told follows from what the board shows, so a crash between a change and its notice loses nothing: the next
look finds it. Which changes were noticed stands in the database, so that each is told once, whoever looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.facts import TELLING, Door, SourceObserved
from app.domain.freshness import Freshness
from app.domain.notices import (
    MINUTE,
    PER_MINUTE,
    TRIES,
    Notice,
    NoticeKind,
    Route,
    again,
    bundled,
    fresh,
    ready,
    routed,
)
from app.domain.refusals import ClusterError, Throttled
from app.read.fleet import Fleet
from app.read.notices import notices
from app.store.outbox import BEGAN, Outbox, Outgoing, TargetStanding, named

from .targets import Message, Target

EVERY_SECONDS = 2.0
REPORT_SECONDS = 15.0
"""A source that has not described itself for 30 s counts as stale."""
SETTLING = timedelta(seconds=60)
"""How long a board that never noticed anything looks around first: what it meets then was there before it."""
TAKEN_FOR = timedelta(seconds=60)
"""How long a message belongs to who took it; longer than any target is waited for."""
log = structlog.get_logger("shipboard.telling")


class Teller:
    """Puts into the outbox what the fleet shows, for the targets that `routes` name, once the fleet is `ready`. Where
    several processes do, each change is still told once."""

    def __init__(
        self,
        fleet: Fleet,
        outbox: Outbox,
        routes: Sequence[Route],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._fleet, self._outbox, self._routes = fleet, outbox, routes
        self._clock, self._ready = clock, ready
        self._up_since = clock()
        self._quiet_until = self._up_since
        self._known: frozenset[str] = frozenset()

    async def run(self) -> None:
        """For ever. Raises StoreUnavailable."""
        while True:
            if self._ready():
                await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> int:
        """Note what is new; how many messages that makes. In the first minute ever, all there is is no news. Raises
        StoreUnavailable."""
        now = self._clock()
        found = notices(self._fleet, now, self._up_since)
        keys = {notice.key for notice in found}
        asked = sorted(keys - self._known)
        known = self._known & keys
        if asked or not self._known:
            known |= await self._outbox.known([*asked, BEGAN])
        if BEGAN not in known | self._known:
            began = Notice(NoticeKind.TEST, BEGAN, "", now, "From here on, changes are noticed.")
            await self._outbox.note([(began, ())], now)
            self._quiet_until = now + SETTLING
        told, noted = fresh(found, known, now)
        made = 0
        if told or noted:
            quiet = now < self._quiet_until
            rows: list[tuple[Notice, Sequence[str]]] = [
                (notice, () if quiet else routed(notice, self._routes)) for notice in told
            ]
            made = await self._outbox.note([*rows, *((notice, ()) for notice in noted)], now)
        self._known = frozenset({*keys, BEGAN})
        return made


class Courier:
    """Sends the messages of one target, `name`, and tells how that goes, as a source."""

    def __init__(
        self,
        name: str,
        target: Target,
        outbox: Outbox,
        ingest: Door,
        base: str,
        *,
        per_minute: int = PER_MINUTE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name, self._target, self._outbox, self._ingest = name, target, outbox, ingest
        self._base, self._per_minute, self._clock = base, per_minute, clock
        self._bell = outbox.bell()

    async def run(self) -> None:
        """For ever. Raises StoreUnavailable."""
        loop = asyncio.get_running_loop()
        reported = float("-inf")
        try:
            while True:
                self._bell.clear()
                sent = await self.round()
                if sent or loop.time() - reported > REPORT_SECONDS:
                    await self.report()
                    reported = loop.time()
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_SECONDS):
                        await self._bell.wait()
        finally:
            await self._target.close()

    async def round(self) -> int:
        """Send what is due, up to the first that the target does not take; how many were tried. Raises
        StoreUnavailable."""
        now = self._clock()
        due = ready(await self._outbox.waiting(self.name), now)
        if not due:
            return 0
        sent = await self._outbox.sent(self.name, now - MINUTE)
        tried = 0
        for group in bundled(due, sent, now, self._per_minute):
            tried += 1
            if not await self._sent(group):
                break
        return tried

    async def report(self) -> None:
        """Tell how it stands. Raises StoreUnavailable."""
        await self._ingest(
            [observed(self.name, self._target.sort, await self._outbox.standing(self.name), self._clock())]
        )

    async def _sent(self, group: tuple[Outgoing, ...]) -> bool:
        now, alone = self._clock(), len(group) == 1
        batch = group[0].batch or ("" if alone else named(" ".join(each.name for each in group)))
        if not await self._outbox.take(group, batch, now + TAKEN_FOR):
            return True
        root = await self._outbox.root(self.name, group[0].thread) if alone else ""
        message = Message(batch or group[0].name, tuple(each.notice for each in group), now, self._base, root)
        try:
            ref = await self._target.send(message)
        except ClusterError as error:
            tries = max(each.tries for each in group) + 1
            wait = max(again(tries), error.retry_after if isinstance(error, Throttled) else 0.0)
            if tries >= TRIES:
                await self._outbox.settle(group, "aside", now, reason=str(error))
            else:
                due = self._clock() + timedelta(seconds=wait)
                await self._outbox.settle(group, "waiting", now, due_at=due, reason=str(error))
            log.warning(
                "a message was not taken", target=self.name, tries=tries, reason=str(error), seconds=wait
            )
            return False
        await self._outbox.settle(group, "sent", self._clock(), ref=ref)
        return True


def observed(name: str, sort: str, standing: TargetStanding, now: datetime) -> SourceObserved:
    """How a target is, as a source: heard is when it last took something, objects are what waits."""
    said = []
    if standing.reason:
        many = "One message waits" if standing.waiting == 1 else f"{standing.waiting} messages wait"
        said.append(f"{many} and will be sent again. {standing.reason}")
    if standing.aside:
        many = "One message is" if standing.aside == 1 else f"{standing.aside} messages are"
        said.append(f"{many} set aside: GET /api/v1/messages?state=aside.")
    if not standing.sent and not said:
        said.append(f"Nothing was told yet. Try it: shipboard notify test {name}")
    failing = bool(standing.reason or standing.aside)
    fresh = Freshness.STALE if failing else Freshness.LIVE if standing.sent else Freshness.UNKNOWN
    return SourceObserved(
        cluster=f"{sort}/{name}",
        kind=TELLING,
        namespace="",
        freshness=fresh,
        contact_at=standing.sent_at,
        seen_at=now,
        message=" ".join(said),
        objects=standing.waiting,
        events=standing.sent,
        errors=standing.aside,
    )
