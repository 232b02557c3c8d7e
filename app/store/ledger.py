"""Facts become rows: what changed is written in a few batched statements, what did not is not written at all.

Facts of one batch are taken in their order; those of one workload must come from one collector at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain import course, history, shutdown
from app.domain.dora import IncidentTold
from app.domain.facts import (
    EventObserved,
    Fact,
    LogRead,
    SourceObserved,
    SourcesNamed,
    WorkloadGone,
    WorkloadObserved,
    WorkloadsListed,
)
from app.domain.names import Place, Topic, WorkloadRef
from app.domain.reports import Reported
from app.domain.rollout import Caution, RolloutState
from app.store import mapping, shown
from app.store.artifacts import record_artifacts
from app.store.ci import NO_RULES, CiRules, ci_facts, record_ci
from app.store.incidents import record_incidents
from app.store.mapping import Values
from app.store.past_tables import STATE_CHANGE
from app.store.reports import record_reports
from app.store.tables import EVENT, LOGTAIL, ROLLOUT, SAMPLE, SOURCE, TRANSITION, WORKLOAD
from app.store.watches import Watches

_AT_ONCE = 1000
"""Keys asked for in one query."""
REPORTED = timedelta(seconds=10)
"""A source that says the same is written again after this long: that it still speaks is told by `seen_at`,
which readers hold against it after 30 s."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A workload's row, as far as the next look is compared with it. `state` is encoded; `shown` is empty until a
    state was kept to look back at. `sample` and `cautions` are of the state, None where it has yet to be read."""

    ref: WorkloadRef
    place: Place
    engine: str
    state: str
    snapshot: history.Snapshot
    gone: bool = False
    shown: str = ""
    sample: course.Sample | None = None
    cautions: tuple[Caution, ...] | None = None

    @property
    def face(self) -> tuple[WorkloadRef, Place, str, str, bool]:
        """What makes a look differ from the one before."""
        return self.ref, self.place, self.engine, self.state, self.gone


@dataclass(slots=True)
class _Batch:
    """What one call adds to the database. `known` and `sources` are the rows as they will be, `dropped` the keys of
    sources that are no more."""

    known: dict[str, _Known]
    sources: dict[str, SourceObserved]
    listed: Mapping[WorkloadsListed, Iterable[str]]
    dropped: frozenset[str]
    workloads: dict[str, Values] = field(default_factory=dict)
    ended: dict[str, datetime] = field(default_factory=dict)
    transitions: list[Values] = field(default_factory=list)
    states: list[Values] = field(default_factory=list)
    rollouts: dict[str, Values] = field(default_factory=dict)
    samples: list[Values] = field(default_factory=list)
    events: dict[str, Values] = field(default_factory=dict)
    endings: list[Values] = field(default_factory=list)
    logs: dict[str, Values] = field(default_factory=dict)
    topics: set[Topic] = field(default_factory=set)

    def take(self, fact: Fact) -> None:
        """Fold one fact in."""
        match fact:
            case WorkloadObserved():
                self._observed(fact)
            case WorkloadGone():
                self._gone(fact.key, fact.seen_at)
            case EventObserved() | LogRead():
                if fact.workload in self.known:
                    if isinstance(fact, LogRead):
                        self.logs[fact.key] = mapping.log_values(fact)
                    else:
                        self.events[fact.key] = mapping.event_values(fact)
                    self.topics.add(Topic("workload", fact.workload))
            case WorkloadsListed():
                for key in {
                    *self.listed[fact],
                    *(k for k in self.workloads if _covers(fact, self.known[k].ref)),
                }:
                    if key.partition(":")[2] not in fact.uids:
                        self._gone(key, fact.seen_at)
            case SourceObserved() if fact.key not in self.dropped:
                before = self.sources.get(fact.key)
                if (
                    before is None
                    or fact.seen_at - before.seen_at >= REPORTED
                    or replace(fact, seen_at=before.seen_at) != before
                ):
                    self.sources[fact.key] = fact
                    self.topics.add(Topic("source", fact.key))
            case SourcesNamed():
                self.topics |= {Topic("source", key) for key in self.dropped}

    def _observed(self, fact: WorkloadObserved) -> None:
        key, known = fact.key, self.known.get(fact.key)
        if (proven := _with_proof(known, fact.state)) is not fact.state:
            fact = replace(fact, state=proven)
        state = mapping.encode_state(fact.state)
        if known and known.shown and known.face == (fact.ref, fact.place, fact.engine, state, False):
            return
        change = history.fold(key, known.snapshot if known else None, fact.state, fact.seen_at)
        mark = shown.digest(fact, change.snapshot)
        if known is None or known.shown != mark:
            document = shown.encode(fact, change.snapshot)
            self.states.append({"workload": key, "at": fact.seen_at, "state": document})
        now = course.sample(fact.state, fact.seen_at)
        told = now, fact.state.cautions
        self.known[key] = _Known(
            fact.ref, fact.place, fact.engine, state, change.snapshot, False, mark, *told
        )
        self.workloads[key] = mapping.workload_values(fact, state, change.snapshot, mark)
        self.ended.pop(key, None)
        self.topics.add(Topic("workload", key))
        if change.transition:
            self.transitions.append(mapping.transition_values(key, change.transition))
        for rollout in change.rollouts:
            self._rollout(key, fact.place, rollout)
        self._sample(known, change, now)
        self._endings(key, known.state if known else "", fact)

    def _sample(self, known: _Known | None, change: history.Change, now: course.Sample) -> None:
        """How far the rollout is that runs, or that this look saw end; nothing where only words changed."""
        runs = _open(change.snapshot)
        rollout = runs or (_open(known.snapshot) if known else None)
        if rollout is None:
            return
        if known and runs == _open(known.snapshot):
            before = known.sample or course.sample(mapping.decode_state(known.state), now.at)
            if now.same(before):
                return
        self.samples.append(mapping.sample_values(rollout, now))

    def _endings(self, key: str, before: str, fact: WorkloadObserved) -> None:
        """Old pods that ended badly since the look before: they go on ending after their rollout is over."""
        seen = history.endings(fact.state)
        if seen == (0, 0):
            return
        killed, overran = (
            max(0, now - then) for now, then in zip(seen, mapping.endings_of(before), strict=True)
        )
        if killed or overran:
            self.endings.append(
                {"of": key, "at": fact.seen_at, "more_killed": killed, "more_overran": overran}
            )

    def _gone(self, key: str, at: datetime) -> None:
        known = self.known.get(key)
        if known is None or known.gone:
            return
        rollout = history.end(known.snapshot, at)
        if rollout:
            self._rollout(key, known.place, rollout)
        self.known[key] = replace(known, snapshot=replace(known.snapshot, rollout=None), gone=True, shown="")
        self.states.append({"workload": key, "at": at, "state": ""})
        self.ended[key] = at
        self.topics.add(Topic("workload", key))

    def _rollout(self, key: str, place: Place, rollout: history.Rollout) -> None:
        self.rollouts[rollout.id] = mapping.rollout_values(key, place, rollout)
        self.topics.add(Topic("rollout", rollout.id))


def _open(snapshot: history.Snapshot) -> str | None:
    """The rollout that runs."""
    return snapshot.rollout.id if snapshot.rollout and snapshot.rollout.ended_at is None else None


def _with_proof(known: _Known | None, state: RolloutState) -> RolloutState:
    if known is None or known.snapshot.revision is None:
        return state
    before = mapping.cautions_of(known.state) if known.cautions is None else known.cautions
    return shutdown.kept(before, known.snapshot.revision.key, state)


class Ledger:
    """Records facts. With `remember`, compares looks with what it wrote before, which spares a query.

    Remembering is right only for the one process that writes the database, and only while every unit of work
    commits: call `forget` after one that may not have.
    """

    def __init__(self, *, remember: bool = False, rules: CiRules = NO_RULES) -> None:
        self._remember, self._rules = remember, rules
        self._known: dict[str, _Known] = {}
        self._sources: dict[str, SourceObserved] = {}
        self._watches = Watches()

    def forget(self) -> None:
        """Compare with the database again."""
        self._known.clear()
        self._sources.clear()
        self._watches = Watches()

    async def record(self, session: AsyncSession, facts: Sequence[Fact]) -> frozenset[Topic]:
        """Write what `facts` change, in the session's unit of work; returns the topics of changed rows."""
        told: set[Topic] = set()
        if looks := ci_facts(facts):
            told = await record_ci(await session.connection(), looks, self._rules)
        uploads = [fact for fact in facts if isinstance(fact, Reported)]
        if looks or uploads:
            told |= await record_reports(await session.connection(), uploads)
            await record_artifacts(await session.connection(), facts)
        if incidents := [fact for fact in facts if isinstance(fact, IncidentTold)]:
            told |= await record_incidents(await session.connection(), incidents)
        batch = await self._load(session, facts)
        heard = dict(batch.sources)
        for fact in facts:
            batch.take(fact)
        if batch.topics:
            await _write(await session.connection(), batch)
            await self._watches.record(await session.connection(), heard, batch.sources, batch.dropped)
        if self._remember:
            self._known.update((key, known) for key, known in batch.known.items() if not known.gone)
            for key in batch.ended:
                self._known.pop(key, None)
            self._sources.update(batch.sources)
            for key in batch.dropped:
                self._sources.pop(key, None)
        return frozenset(batch.topics | told)

    async def _load(self, session: AsyncSession, facts: Sequence[Fact]) -> _Batch:
        listed: dict[WorkloadsListed, list[str]] = {}
        keys = {fact.key for fact in facts if isinstance(fact, WorkloadObserved | WorkloadGone)}
        for fact in facts:
            if isinstance(fact, WorkloadsListed):
                listed[fact] = await _alive(await session.connection(), fact)
                keys.update(key for key in listed[fact] if key.partition(":")[2] not in fact.uids)
        keys.update(fact.workload for fact in facts if isinstance(fact, EventObserved | LogRead))
        known = {key: self._known[key] for key in keys if key in self._known}
        if missing := sorted(keys - known.keys()):
            known |= await _workloads(await session.connection(), missing)
        names = {fact.key for fact in facts if isinstance(fact, SourceObserved)}
        sources = {name: self._sources[name] for name in names if name in self._sources}
        if unknown := sorted(names - sources.keys()):
            rows = await (await session.connection()).execute(select(SOURCE).where(SOURCE.c.key.in_(unknown)))
            sources |= {row.key: mapping.source_of(row) for row in rows}
        dropped: set[str] = set()
        for fact in facts:
            if isinstance(fact, SourcesNamed):
                there = select(SOURCE.c.key).where(SOURCE.c.cluster == fact.cluster)
                dropped.update(set(await (await session.connection()).scalars(there)) - fact.sources)
        return _Batch(known, sources, listed, frozenset(dropped))


async def record(session: AsyncSession, facts: Sequence[Fact]) -> frozenset[Topic]:
    """Write what `facts` change, compared with the database alone; returns the topics of the changed rows."""
    return await Ledger().record(session, facts)


def _covers(listing: WorkloadsListed, ref: WorkloadRef) -> bool:
    return (listing.cluster, listing.kind) == (ref.cluster, ref.kind) and listing.namespace in (
        "",
        ref.namespace,
    )


async def _alive(connection: AsyncConnection, listing: WorkloadsListed) -> list[str]:
    table = WORKLOAD.c
    query = select(table.key).where(
        table.cluster == listing.cluster, table.kind == listing.kind, table.gone_at.is_(None)
    )
    if listing.namespace:
        query = query.where(table.namespace == listing.namespace)
    return list(await connection.scalars(query))


async def _workloads(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, _Known]:
    known: dict[str, _Known] = {}
    for start in range(0, len(keys), _AT_ONCE):
        rows = await connection.execute(_PREVIOUS, {"keys": keys[start : start + _AT_ONCE]})
        for row in rows:
            known[row.key] = _Known(
                mapping.ref_of(row),
                mapping.place_of(row),
                row.engine,
                row.state,
                mapping.snapshot_of(row),
                row.gone_at is not None,
                row.shown,
            )
    return known


async def _write(connection: AsyncConnection, batch: _Batch) -> None:
    dialect = connection.dialect.name
    told = [t.key for t in batch.topics if t.sort == "source" and t.key not in batch.dropped]
    sources = [mapping.source_values(batch.sources[key]) for key in told]
    ended = [{"ended_key": key, "at": at} for key, at in batch.ended.items()]
    work: tuple[tuple[Any, list[Values]], ...] = (
        (_upsert(dialect, WORKLOAD), list(batch.workloads.values())),
        (_END, ended),
        (_upsert(dialect, ROLLOUT), list(batch.rollouts.values())),
        (_ENDINGS, batch.endings),
        (TRANSITION.insert(), batch.transitions),
        (SAMPLE.insert(), batch.samples),
        (STATE_CHANGE.insert(), batch.states),
        (_upsert(dialect, EVENT), list(batch.events.values())),
        (_upsert(dialect, LOGTAIL), list(batch.logs.values())),
        (_upsert(dialect, SOURCE), sources),
    )
    for statement, rows in work:
        if rows:
            await connection.execute(statement, rows)
    if batch.dropped:
        await connection.execute(delete(SOURCE).where(SOURCE.c.key.in_(batch.dropped)))


@cache
def _upsert(dialect: str, table: Table) -> Any:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    (key,) = table.primary_key.columns
    others = {c.name: insert.excluded[c.name] for c in table.columns if c is not key and c not in _COUNTED}
    return insert.on_conflict_do_update(index_elements=[key], set_=others)


_END = (
    update(WORKLOAD)
    .where(WORKLOAD.c.key == bindparam("ended_key"))
    .values(gone_at=bindparam("at"), rollout=None, shown="")
)
_COUNTED = frozenset({ROLLOUT.c.killed, ROLLOUT.c.overran})
"""Columns that only `_ENDINGS` writes."""
_LATEST = ROLLOUT.alias()
_ENDINGS = (
    update(ROLLOUT)
    .where(
        ROLLOUT.c.id
        == select(_LATEST.c.id)
        .where(_LATEST.c.workload == bindparam("of"), _LATEST.c.started_at <= bindparam("at"))
        .order_by(_LATEST.c.started_at.desc(), _LATEST.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    .values(
        killed=ROLLOUT.c.killed + bindparam("more_killed"),
        overran=ROLLOUT.c.overran + bindparam("more_overran"),
    )
)
_PREVIOUS = (
    select(
        WORKLOAD,
        *(
            ROLLOUT.c[name]
            for name in ("strategy", "from_revision", "from_version", "to_revision", "to_version")
        ),
        *(ROLLOUT.c[name] for name in ("back", "started_at", "ended_at", "outcome", "cause", "nature")),
    )
    .outerjoin(ROLLOUT, ROLLOUT.c.id == WORKLOAD.c.rollout)
    .where(WORKLOAD.c.key.in_(bindparam("keys", expanding=True)))
)
