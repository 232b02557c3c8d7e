"""The fleet as it was at a past minute, from what was kept of it, and the way from one such minute to the next.

What is not kept is left out (builds) or said (`Unkept`, `Gap`), never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.facts import SourceObserved
from app.domain.freshness import Freshness
from app.domain.instants import minute, minute_from
from app.domain.names import WorkloadRef
from app.domain.rollout import attention
from app.store import mapping, shown, then
from app.store.db import Database
from app.store.watches import SILENCE

from . import past
from .acts import Acts
from .board import Board, Day
from .day import DayStrip
from .fleet import KEPT, Fleet
from .past import Past
from .query import BoardQuery
from .rows import WorkloadRow
from .workload import WorkloadPage

MINUTE = timedelta(minutes=1)
STRIP = timedelta(hours=24)
"""What the scrubber spans."""


class Unkept(LookupError):
    """Nothing is kept of a minute; the message is a sentence. `first` is the first minute that is kept, if any."""

    def __init__(self, first: datetime | None) -> None:
        said = f"What is kept begins at {first:%Y-%m-%d %H:%M} UTC." if first else "Nothing is kept yet."
        super().__init__(f"Nobody kept what was so then. {said}")
        self.first = first


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody was looking at these clusters from `began_at` (None: never before) to `ended_at` (None: until now)."""

    clusters: tuple[str, ...]
    began_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Scrubber:
    """The way from minute to minute. The strip spans `begin` to `end`, with the rollouts of `day` on it; `first` to
    `last` is what can be looked at. `before` and `after` are the minutes at which something moved, None where nothing
    did."""

    at: datetime
    begin: datetime
    end: datetime
    first: datetime
    last: datetime
    day: Day
    before: datetime | None
    after: datetime | None
    gaps: tuple[Gap, ...]

    def moved(self, minutes: int) -> datetime | None:
        """The minute so many later, if it can be looked at."""
        to = self.at + minutes * MINUTE
        return to if self.first <= to <= self.last else None


class PastFleet(Fleet):
    """`now` as it was at the minute `at`, once it is loaded. Nothing keeps it up; nothing needs to."""

    def __init__(self, database: Database, now: Fleet, at: datetime) -> None:
        super().__init__(database, lambda: at, now.delivery)
        self.at_minute = at
        self.environments = now.environments
        self.origins = now.origins
        self.first = at
        self.gaps: tuple[Gap, ...] = ()

    async def load(self) -> None:
        """Read everything. Raises Unkept, StoreUnavailable."""
        at = self.at_minute
        async with self._database.reading() as connection:
            first = _ceiling(await then.first(connection))
            if first is None or at < first:
                raise Unkept(first)
            self.first = first
            workloads = [_workload(row, at) for row in await then.states(connection, at)]
            sources = [_source(row, at) for row in await then.sources(connection, at)]
            watches = {c: await then.watch(connection, c, at) for c in sorted({s.cluster for s in sources})}
            rollouts = [past.rollout_of(row) for row in await then.rollouts(connection, at - KEPT, at)]
            gates = await then.open_gates(connection, at, at - KEPT)
            self.by_hand = await then.freezes(connection, at)
        silent = {c: w for c, w in watches.items() if w[0] is None or at - w[0] > SILENCE}
        self.gaps = _gaps(silent)
        self._put_workloads((), {row.key: row for row in workloads})
        self._sources.update(
            (s.key, _unheard(s, *silent[s.cluster]) if s.cluster in silent else s) for s in sources
        )
        self._rollouts.update((row.id, past.as_of(row, at)) for row in rollouts)
        self._gates.update((gate.id, gate) for gate in gates)

    async def follow(self, ref: WorkloadRef) -> Past:
        """The past of the name `ref`, as it was. Raises StoreUnavailable."""
        async with self._database.reading() as connection:
            found = Past(ref, await past.told(connection, ref, self.at_minute))
        self._pasts[ref] = found
        return found


async def scrubber(
    connection: AsyncConnection, fleet: PastFleet, query: BoardQuery, now: datetime
) -> Scrubber:
    """The way on from the minute of `fleet`, with the rollouts that `query` takes."""
    at, last = fleet.at_minute, minute(now)
    end = last if at > last - STRIP else at.replace(hour=0, minute=0) + STRIP
    begin = end - STRIP
    before, after = await then.moves(connection, at - MINUTE, at)
    names = {row.place.environment for row in fleet.workloads.values()}
    final = next((name for name in reversed(fleet.environments) if name in names), "production")
    strip = DayStrip(final)
    for row in await then.rollouts(connection, begin, end):
        rollout = past.rollout_of(row)
        if rollout.ended_at and query.takes_rollout(rollout):
            strip.put(rollout.id, rollout if rollout.ended_at <= end else None)
    came = _ceiling(after)
    return Scrubber(
        at=at,
        begin=begin,
        end=end,
        first=fleet.first,
        last=last,
        day=strip.day(end),
        before=found if (found := _ceiling(before)) and found >= fleet.first else None,
        after=came if came and came <= last else None,
        gaps=fleet.gaps,
    )


def still_board(board: Board) -> Board:
    """`board` without what can be done: it is over."""
    waiting = tuple(replace(w, verb="", href="") for w in board.waiting)
    return replace(board, waiting=waiting)


def still_workload(page: WorkloadPage) -> WorkloadPage:
    """`page` without what can be done, and without pods of which only the number was kept."""
    rows = tuple(row for row in page.rows if row.name)
    more = page.more + len(page.rows) - len(rows)
    return replace(page, acts=Acts(), hold=None, drill=None, rows=rows, more=more)


def _workload(row: mapping.AnyRow, at: datetime) -> WorkloadRow:
    kept = shown.decode(row.state, mapping.place_of(row), row.at)
    return WorkloadRow(
        key=row.key,
        ref=mapping.ref_of(row),
        place=kept.place,
        engine=row.engine,
        state=kept.state,
        attention=attention(kept.state),
        since=kept.since,
        seen_at=at,
        landed_at=kept.landed_at,
        rollout_started_at=kept.began_at,
    )


def _source(row: mapping.AnyRow, at: datetime) -> SourceObserved:
    try:
        freshness = Freshness(row.freshness)
    except ValueError:
        freshness = Freshness.UNKNOWN
    contact = at if freshness is Freshness.LIVE else row.contact_at
    return SourceObserved(
        row.cluster, row.kind, row.namespace, freshness, contact, at, row.message, installed=row.installed
    )


def _unheard(source: SourceObserved, last: datetime | None, next_: datetime | None) -> SourceObserved:
    told = _spoken(*_span(last, next_))
    return replace(source, freshness=Freshness.STALE, contact_at=last or source.contact_at, message=told)


def _span(last: datetime | None, next_: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The minutes from which and to which nobody looked."""
    return (minute(last) if last else None), _ceiling(next_)


def _spoken(began: datetime | None, ended: datetime | None) -> str:
    """Such a span as a sentence."""
    if began is None:
        return f"Nobody was looking before {ended:%H:%M} UTC." if ended else "Nobody was looking."
    if ended is None:
        return f"Nobody was looking from {began:%H:%M} UTC on."
    return f"Nobody was looking between {began:%H:%M} and {ended:%H:%M} UTC."


def _gaps(silent: dict[str, tuple[datetime | None, datetime | None]]) -> tuple[Gap, ...]:
    """Clusters that were not looked at, those of one silence together."""
    found: dict[tuple[datetime | None, datetime | None], list[str]] = {}
    for cluster, (last, next_) in silent.items():
        found.setdefault(_span(last, next_), []).append(cluster)
    return tuple(Gap(tuple(clusters), *span) for span, clusters in found.items())


def _ceiling(at: datetime | None) -> datetime | None:
    return minute_from(at) if at else None
