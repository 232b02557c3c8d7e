"""A batch becomes rows: one statement a table, for all of it at once."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import mapping
from app.store.batch import Batch
from app.store.mapping import Values
from app.store.past_tables import STATE_CHANGE
from app.store.tables import EVENT, LOGTAIL, ROLLOUT, SAMPLE, SOURCE, TRANSITION, WORKLOAD


async def write(connection: AsyncConnection, batch: Batch) -> None:
    """Write all of `batch`. Raises StoreUnavailable."""
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
