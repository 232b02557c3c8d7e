"""One view of the board, kept up: what changes costs by what changed, never by how many services there are.

A view is a query on a fleet. Indexes by service, by source and by rank let one changed workload rebuild one
row; only new or vanished environments (columns) build everything anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush
from typing import TypeVar

from ..domain.names import Topic
from ..domain.rollout import Attention, Phase
from .board import Board, BoardChange, BoardRow, Column, Empty, FrozenLine, Held, Sentence, Waiting
from .cells import LANDED, board_row
from .columns import columns
from .coverage import Coverage, Scope, scope_of
from .day import DayStrip
from .empty import why_empty
from .fleet import Fleet
from .frost import frozen, open_gates
from .query import BoardQuery
from .restless import as_of, until
from .rows import WorkloadRow
from .seen import Seen
from .waits import held, waiting
from .words import Asked, sentence

K = TypeVar("K")


class BoardProjection:
    """A `Board` that follows its fleet. `environments` is the promotion order as told by settings."""

    def __init__(
        self, fleet: Fleet, query: BoardQuery, now: datetime, environments: Sequence[str] = ()
    ) -> None:
        self._fleet, self._query, self._told = fleet, query, tuple(environments)
        self._now = now
        self._workloads: dict[str, WorkloadRow] = {}
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._scopes: defaultdict[Scope, set[str]] = defaultdict(set)
        self._scope: dict[str, Scope] = {}
        self._environments: Counter[str] = Counter()
        self._coverage = Coverage()
        self._frozen: tuple[FrozenLine, ...] = frozen(fleet.freezes, now)
        self._gates = open_gates(fleet)
        self._judge(now)
        self._index(fleet.workloads.keys())
        self._build()

    def apply(self, topics: Iterable[Topic], now: datetime) -> BoardChange:
        """Take in the rows that `topics` name, as the fleet has them now."""
        self._now = now
        by_sort: defaultdict[str, set[str]] = defaultdict(set)
        for topic in topics:
            by_sort[topic.sort].add(topic.key)
        touched = self._index(by_sort["workload"]) | (by_sort["build"] & self._members.keys())
        touched |= self._asked(by_sort["gate"])
        heard = self._coverage.listening
        if by_sort["source"]:
            touched |= self._judge(now)
        change = self._settle(touched)
        change = replace(change, sentence=change.sentence or self._freeze(now))
        day = [self._put_rollout(key) for key in sorted(by_sort["rollout"])]
        return replace(change, day=change.day or any(day), sources=self._coverage.listening != heard)

    def tick(self, now: datetime) -> BoardChange:
        """Take in what time alone changes: silent sources, the end of a landing's glow and of a crash's
        shadow, the day strip's minute."""
        minute = int(now.timestamp()) // 60 != int(self._now.timestamp()) // 60
        self._now = now
        heard = self._coverage.listening
        touched = self._judge(now)
        while self._passing and self._passing[0][0] <= now:
            touched.add(heappop(self._passing)[1])
        change = self._settle(touched)
        said = change.sentence or self._freeze(now)
        return replace(change, sentence=said, day=minute, sources=self._coverage.listening != heard)

    def row(self, service: str) -> BoardRow:
        """The row of a shown service; KeyError when it is not shown."""
        return self._rows[service]

    @property
    def rows(self) -> tuple[BoardRow, ...]:
        """The rows that are shown, worst first."""
        return tuple(self._rows[service] for _, service in self._order)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The environments shown, in promotion order."""
        return self._columns

    def waits(self, service: str) -> tuple[Waiting, ...]:
        """What of a shown service waits for a person."""
        return self._waiting.get(service, ())

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard; beside the board, since it never stands still."""
        return self._coverage.contacts

    @property
    def board(self) -> Board:
        """The whole read model."""
        waits = sorted((w for ws in self._waiting.values() for w in ws), key=lambda w: (w.since, w.slug))
        day = self._day.day(self._now)
        told = [*self._since.values(), *(t.at for t in day.ticks)]
        said, empty, landed = self._said
        return Board(
            sentence=said,
            environments=self._columns,
            rows=self.rows,
            waiting=tuple(waits),
            day=day,
            sources=self._coverage.listening,
            empty=empty,
            query=self._query,
            all_environments=self._all_columns,
            total=len(self._members),
            last_landed_at=landed,
            as_of=max([*told, landed] if landed else told, default=None),
            held=tuple(sorted((h for hs in self._held.values() for h in hs), key=lambda h: (h.until, h.ref))),
            frozen=self._frozen,
        )

    def _asked(self, keys: Iterable[str]) -> set[str]:
        """Services whose open gates are other ones by now."""
        before, self._gates = self._gates, open_gates(self._fleet)
        if not keys and before == self._gates:
            return set()
        return {
            s for s in {*before, *self._gates} if before.get(s) != self._gates.get(s)
        } & self._members.keys()

    def _freeze(self, now: datetime) -> bool:
        """Look at the freezes again; whether others hold by now."""
        before, self._frozen = self._frozen, frozen(self._fleet.freezes, now)
        return before != self._frozen

    def _index(self, keys: Iterable[str]) -> set[str]:
        """Read workloads again into the indexes; the services they belonged or belong to."""
        touched: set[str] = set()
        for key in keys:
            old, new = self._workloads.pop(key, None), self._fleet.workloads.get(key)
            if old:
                self._environments[old.place.environment] -= 1
                _drop(self._members, old.place.service, key)
                _drop(self._scopes, self._scope.pop(key), key)
                touched.add(old.place.service)
            if new:
                self._workloads[key] = new
                self._environments[new.place.environment] += 1
                self._members[new.place.service].add(key)
                self._scope[key] = scope = scope_of(new)
                self._scopes[scope].add(key)
                touched.add(new.place.service)
        return touched

    def _judge(self, now: datetime) -> set[str]:
        """Look at the sources again; the services that can be seen now, or no longer."""
        odd = self._coverage.judge(self._fleet.sources, self._scopes, now)
        return {self._workloads[key].place.service for scope in odd for key in self._scopes[scope]}

    def _build(self) -> None:
        """Everything anew, for the columns there are now."""
        found = (name for name, n in self._environments.items() if n > 0)
        self._all_columns: tuple[Column, ...] = columns(found, self._told)
        wanted = self._query.environment
        self._columns = tuple(c for c in self._all_columns if not wanted or c.name in wanted)
        self._names = frozenset(c.name for c in self._columns)
        self._rows: dict[str, BoardRow] = {}
        self._order: list[tuple[str, str]] = []
        self._counts: Counter[Attention] = Counter()
        self._rollouts_failed: set[str] = set()
        self._glimpsed: set[str] = set()
        self._waiting: dict[str, tuple[Waiting, ...]] = {}
        self._held: dict[str, tuple[Held, ...]] = {}
        self._passing: list[tuple[datetime, str]] = []
        self._landed: dict[str, datetime] = {}
        self._since: dict[str, datetime] = {}
        self._said: tuple[Sentence, Empty | None, datetime | None] = (Sentence((), ""), None, None)
        self._day = DayStrip(self._all_columns[-1].name if self._all_columns else "")
        self._settle_rows(set(self._members))
        for key in self._fleet.rollouts:
            self._put_rollout(key)

    def _settle(self, touched: set[str]) -> BoardChange:
        before = self._all_columns
        if touched and columns((n for n, c in self._environments.items() if c > 0), self._told) != before:
            self._build()
            return BoardChange(
                rows=tuple(s for _, s in self._order),
                sentence=True,
                day=True,
                waiting=True,
                sources=True,
                environments=True,
            )
        return self._settle_rows(touched)

    def _settle_rows(self, touched: set[str]) -> BoardChange:
        waits, said, holds = dict(self._waiting), self._said, dict(self._held)
        rows, removed, added = [], [], []
        for service in sorted(touched):
            old, new = self._rows.pop(service, None), self._make(service)
            if old:
                del self._order[bisect_left(self._order, (old.rank, service))]
                self._counts[old.attention] -= 1
            if new:
                self._rows[service] = new
                insort(self._order, (new.rank, service))
                self._counts[new.attention] += 1
            if old and not new:
                removed.append(service)
            elif new and not old:
                added.append(service)
            elif old != new:
                rows.append(service)
        counts = {a: n for a, n in self._counts.items() if n}
        total = len(self._members)
        self._said = (
            sentence(counts, len(self._rollouts_failed), total, len(self._glimpsed), self._asks()),
            None
            if self._order
            else why_empty(self._coverage.sources.values(), self._coverage.listening, total),
            max(self._landed.values(), default=None),
        )
        return BoardChange(
            rows=tuple(rows),
            removed=tuple(removed),
            added=tuple(added),
            sentence=self._said != said or self._held != holds,
            waiting=self._waiting != waits,
        )

    def _asks(self) -> Asked:
        """What waits, as the list beside the sentence has it."""
        every = [each for several in self._waiting.values() for each in several]
        good = (self._rows[service].attention is Attention.GOOD for service in self._waiting)
        return Asked(len(every), sum(1 for each in every if each.decision), sum(good))

    def _make(self, service: str) -> BoardRow | None:
        """The row of a service in this view, None when the query leaves it out."""
        self._waiting.pop(service, None)
        self._held.pop(service, None)
        self._landed.pop(service, None)
        self._since.pop(service, None)
        self._rollouts_failed.discard(service)
        self._glimpsed.discard(service)
        names, query = self._names, self._query
        workloads = [self._workloads[key] for key in self._members.get(service, ())]
        mine = [w for w in workloads if w.place.environment in names and query.takes(w)]
        if not mine or not query.finds(mine):
            return None
        verdict, scopes = self._coverage.verdict, self._scope
        seen = [Seen.of(as_of(w, self._now), verdict(scopes[w.key])) for w in mine]
        told = self._fleet.builds.by_service.get(service)
        row = board_row(service, seen, self._columns, self._now, self._fleet.origins, told, self._fleet.marks)
        if query.attention and row.attention not in query.attention:
            return None
        self._since[service] = max(c.since for c in row.cells if c)
        if stopped := held(service, mine):
            self._held[service] = stopped
        if asked := waiting(service, seen, names, self._gates.get(service, ())):
            self._waiting[service] = asked
        if any(
            s.attention is Attention.FAILED and s.row.state.phase in (Phase.FAILED, Phase.ABORTED)
            for s in seen
        ):
            self._rollouts_failed.add(service)
        if row.attention is Attention.UNKNOWN and any(s.attention is not Attention.UNKNOWN for s in seen):
            self._glimpsed.add(service)
        if landed := [c.landed_at for c in row.cells if c and c.landed_at]:
            self._landed[service] = max(landed)
        for cell in row.cells:
            if cell and cell.landed and cell.landed_at:
                heappush(self._passing, (cell.landed_at + LANDED, service))
        for calm in (until(w) for w in mine):
            if calm and calm > self._now:
                heappush(self._passing, (calm, service))
        return row

    def _put_rollout(self, key: str) -> bool:
        row = self._fleet.rollouts.get(key)
        return self._day.put(key, row if row and self._query.takes_rollout(row) else None)


def _drop(index: dict[K, set[str]], name: K, key: str) -> None:
    index[name].discard(key)
    if not index[name]:
        del index[name]
