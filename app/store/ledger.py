"""Facts become rows: what changed is written in a few batched statements, what did not is not written at all.

Facts of one batch are taken in their order; those of one workload must come from one collector at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

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
from app.domain.names import Topic
from app.domain.reports import Reported
from app.store import mapping
from app.store.artifacts import record_artifacts
from app.store.batch import Batch, Known
from app.store.ci import NO_RULES, CiRules, ci_facts, record_ci
from app.store.incidents import record_incidents
from app.store.reports import record_reports
from app.store.tables import ROLLOUT, SOURCE, WORKLOAD
from app.store.watches import Watches
from app.store.writing import write

_AT_ONCE = 1000
"""Keys asked for in one query."""


class Ledger:
    """Records facts. With `remember`, compares looks with what it wrote before, which spares a query.

    Remembering is right only for the one process that writes the database, and only while every unit of work
    commits: call `forget` after one that may not have.
    """

    def __init__(self, *, remember: bool = False, rules: CiRules = NO_RULES) -> None:
        self._remember, self._rules = remember, rules
        self._known: dict[str, Known] = {}
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
            await write(await session.connection(), batch)
            await self._watches.record(await session.connection(), heard, batch.sources, batch.dropped)
        if self._remember:
            self._known.update((key, known) for key, known in batch.known.items() if not known.gone)
            for key in batch.ended:
                self._known.pop(key, None)
            self._sources.update(batch.sources)
            for key in batch.dropped:
                self._sources.pop(key, None)
        return frozenset(batch.topics | told)

    async def _load(self, session: AsyncSession, facts: Sequence[Fact]) -> Batch:
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
        return Batch(known, sources, listed, frozenset(dropped))


async def record(session: AsyncSession, facts: Sequence[Fact]) -> frozenset[Topic]:
    """Write what `facts` change, compared with the database alone; returns the topics of the changed rows."""
    return await Ledger().record(session, facts)


async def _alive(connection: AsyncConnection, listing: WorkloadsListed) -> list[str]:
    table = WORKLOAD.c
    query = select(table.key).where(
        table.cluster == listing.cluster, table.kind == listing.kind, table.gone_at.is_(None)
    )
    if listing.namespace:
        query = query.where(table.namespace == listing.namespace)
    return list(await connection.scalars(query))


async def _workloads(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, Known]:
    known: dict[str, Known] = {}
    for start in range(0, len(keys), _AT_ONCE):
        rows = await connection.execute(_PREVIOUS, {"keys": keys[start : start + _AT_ONCE]})
        for row in rows:
            known[row.key] = Known(
                mapping.ref_of(row),
                mapping.place_of(row),
                row.engine,
                row.state,
                mapping.snapshot_of(row),
                row.gone_at is not None,
                row.shown,
            )
    return known


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
