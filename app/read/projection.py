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

from ..domain.freshness import Freshness
from ..domain.rollout import Attention, Phase
from ..engines import required
from ..live import Topic
from .board import Board, BoardChange, BoardRow, Column, Empty, FrozenLine, Held, Listening, Sentence, Waiting
from .cells import LANDED, Seen, Verdict, board_row, held, waiting
from .columns import columns
from .day import DayStrip
from .empty import why_empty
from .fleet import Fleet
from .frost import frozen, open_gates
from .query import BoardQuery
from .restless import as_of, until
from .rows import SourceRow, WorkloadRow
from .sources import contacts, covering, judged, listening
from .words import Asked, sentence

Scope = tuple[str, str, frozenset[str]]
"""Cluster, namespace and required kinds: all workloads of a scope depend on the same sources."""
K = TypeVar("K")
_BLIND = (Freshness.STALE, Freshness.UNKNOWN)


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
        self._verdicts: dict[Scope, Verdict] = {}
        self._environments: Counter[str] = Counter()
        self._sources: dict[str, SourceRow] = {}
        self._listening: tuple[Listening, ...] = ()
        self._views: dict[str, tuple[object, ...]] = {}
        self._frozen: tuple[FrozenLine, ...] = frozen(fleet.freezes, now)
        self._gates = open_gates(fleet)
        self._grouped: defaultdict[str, list[SourceRow]] = defaultdict(list)
        self._covered: dict[Scope, Verdict] = {}
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
        heard = self._listening
        if by_sort["source"]:
            touched |= self._judge(now)
        change = self._settle(touched)
        change = replace(change, sentence=change.sentence or self._freeze(now))
        day = [self._put_rollout(key) for key in sorted(by_sort["rollout"])]
        return replace(change, day=change.day or any(day), sources=self._listening != heard)

    def tick(self, now: datetime) -> BoardChange:
        """Take in what time alone changes: silent sources, the end of a landing's glow and of a crash's
        shadow, the day strip's minute."""
        minute = int(now.timestamp()) // 60 != int(self._now.timestamp()) // 60
        self._now = now
        heard = self._listening
        touched = self._judge(now)
        while self._passing and self._passing[0][0] <= now:
            touched.add(heappop(self._passing)[1])
        change = self._settle(touched)
        said = change.sentence or self._freeze(now)
        return replace(change, sentence=said, day=minute, sources=self._listening != heard)

    def row(self, service: str) -> BoardRow:
        """The row of a shown service; KeyError when it is not shown."""
        return self._rows[service]

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
        return contacts(self._sources.values())

    @property
    def board(self) -> Board:
        """The whole read model."""
        rows = tuple(self._rows[service] for _, service in self._order)
        waits = sorted((w for ws in self._waiting.values() for w in ws), key=lambda w: (w.since, w.slug))
        day = self._day.day(self._now)
        told = [c.since for r in rows for c in r.cells if c] + [t.at for t in day.ticks]
        said, empty, landed = self._said
        return Board(
            sentence=said,
            environments=self._columns,
            rows=rows,
            waiting=tuple(waits),
            day=day,
            sources=self._listening,
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
                _drop(self._scopes, _scope(old), key)
                touched.add(old.place.service)
            if new:
                self._workloads[key] = new
                self._environments[new.place.environment] += 1
                self._members[new.place.service].add(key)
                self._scopes[_scope(new)].add(key)
                self._verdicts[_scope(new)] = self._verdict(_scope(new))
                touched.add(new.place.service)
        return touched

    def _judge(self, now: datetime) -> set[str]:
        """Look at the sources again; the services that can be seen now, or no longer."""
        self._sources = {key: judged(row, now) for key, row in self._fleet.sources.items()}
        self._listening = listening(self._sources.values())
        views = {key: _view(row) for key, row in self._sources.items()}
        odd = views.keys() ^ self._views.keys() | {k for k, v in views.items() if self._views.get(k, v) != v}
        self._views = views
        if not odd:
            return set()
        self._grouped = defaultdict(list)
        for row in self._sources.values():
            self._grouped[row.cluster].append(row)
        self._covered = {}
        touched: set[str] = set()
        for scope, keys in self._scopes.items():
            verdict = self._verdict(scope)
            if verdict != self._verdicts.get(scope):
                self._verdicts[scope] = verdict
                touched |= {self._workloads[key].place.service for key in keys}
        return touched

    def _verdict(self, scope: Scope) -> Verdict:
        cluster, namespace, kinds = scope
        rows = self._grouped.get(cluster, [])
        if not any(row.namespace == namespace for row in rows):
            scope = cluster, "", kinds
        known = self._covered.get(scope)
        if known is None:
            freshness, source = covering(rows, kinds, scope[1])
            known = Verdict(unseen=False)
            if freshness in _BLIND:
                known = Verdict(True, source.message if source else "", source.contact_at if source else None)
            self._covered[scope] = known
        return known

    def _build(self) -> None:
        """Everything anew, for the columns there are now."""
        found = (name for name, n in self._environments.items() if n > 0)
        self._all_columns: tuple[Column, ...] = columns(found, self._told)
        wanted = self._query.environment
        self._columns = tuple(c for c in self._all_columns if not wanted or c.name in wanted)
        self._rows: dict[str, BoardRow] = {}
        self._order: list[tuple[str, str]] = []
        self._counts: Counter[Attention] = Counter()
        self._rollouts_failed: set[str] = set()
        self._glimpsed: set[str] = set()
        self._waiting: dict[str, tuple[Waiting, ...]] = {}
        self._held: dict[str, tuple[Held, ...]] = {}
        self._passing: list[tuple[datetime, str]] = []
        self._landed: dict[str, datetime] = {}
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
            None if self._order else why_empty(self._sources.values(), self._listening, total),
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
        self._rollouts_failed.discard(service)
        self._glimpsed.discard(service)
        names = {c.name for c in self._columns}
        workloads = [self._workloads[key] for key in self._members.get(service, ())]
        mine = [w for w in workloads if w.place.environment in names and self._query.takes(w)]
        if not mine or not self._query.finds(mine):
            return None
        seen = [Seen(as_of(w, self._now), self._verdicts[_scope(w)]) for w in mine]
        told = self._fleet.builds.by_service.get(service)
        row = board_row(service, seen, self._columns, self._now, self._fleet.origins, told, self._fleet.marks)
        if self._query.attention and row.attention not in self._query.attention:
            return None
        if stopped := held(service, mine):
            self._held[service] = stopped
        if asked := waiting(service, seen, self._columns, self._gates.get(service, ())):
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


def _view(row: SourceRow) -> tuple[object, ...]:
    """What of a source a verdict is made of: while it is well, not when it was heard."""
    return row.freshness, row.message, row.contact_at if row.freshness in _BLIND else None


def _scope(row: WorkloadRow) -> Scope:
    return row.ref.cluster, row.ref.namespace, required(row.engine, row.ref.kind)


def _drop(index: dict[K, set[str]], name: K, key: str) -> None:
    index[name].discard(key)
    if not index[name]:
        del index[name]
