"""What is in the database now, as rows of the read side. Only queries: nothing is kept. Raise StoreUnavailable."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollout import attention
from app.read.past import rollout_of
from app.read.rows import RolloutRow, SourceRow, WorkloadRow
from app.store import mapping
from app.store.tables import ROLLOUT, SOURCE, WORKLOAD


async def workloads(connection: AsyncConnection, *where: ColumnElement[bool]) -> dict[str, WorkloadRow]:
    """Workloads by key, each with the beginning of the rollout that runs."""
    return {row.key: _workload(row) for row in await connection.execute(_WORKLOADS.where(*where))}


async def sources(connection: AsyncConnection, *where: ColumnElement[bool]) -> dict[str, SourceRow]:
    """Sources by key."""
    return {row.key: mapping.source_of(row) for row in await connection.execute(select(SOURCE).where(*where))}


async def rollouts(connection: AsyncConnection, *where: ColumnElement[bool]) -> dict[str, RolloutRow]:
    """Rollouts by id."""
    return {row.id: rollout_of(row) for row in await connection.execute(select(ROLLOUT).where(*where))}


_WORKLOADS = select(
    *(WORKLOAD.c[name] for name in ("key", "cluster", "namespace", "kind", "name")),
    *(WORKLOAD.c[name] for name in ("service", "environment", "team", "engine", "state")),
    *(WORKLOAD.c[name] for name in ("since", "seen_at", "landed_at")),
    ROLLOUT.c.started_at,
).outerjoin(ROLLOUT, and_(ROLLOUT.c.id == WORKLOAD.c.rollout, ROLLOUT.c.ended_at.is_(None)))


def _workload(row: mapping.AnyRow) -> WorkloadRow:
    state = mapping.decode_state(row.state)
    return WorkloadRow(
        key=row.key,
        ref=mapping.ref_of(row),
        place=mapping.place_of(row),
        engine=row.engine,
        state=state,
        attention=attention(state),
        since=row.since,
        seen_at=row.seen_at,
        landed_at=row.landed_at,
        rollout_started_at=row.started_at,
    )
