"""Rollouts in the order in which they ended, for those who are told of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.mapping import AnyRow, decode_state
from app.store.tables import ROLLOUT, WORKLOAD


async def ended_since(database: Database, at: datetime) -> list[tuple[AnyRow, str]]:
    """Rows of `rollout` that ended at `at` or later, oldest first, each with the image that its revision runs, empty
    where that is not known any more. Raises StoreUnavailable."""
    query = (
        select(ROLLOUT, WORKLOAD.c.state)
        .join(WORKLOAD, WORKLOAD.c.key == ROLLOUT.c.workload)
        .where(ROLLOUT.c.ended_at >= at)
        .order_by(ROLLOUT.c.ended_at, ROLLOUT.c.id)
    )
    async with database.reading() as connection:
        return [(row, _image(row)) for row in await connection.execute(query)]


async def ended_after(connection: AsyncConnection, workload: str, at: datetime) -> bool:
    """Whether a rollout of a workload (by key) ended later than `at`."""
    query = select(ROLLOUT.c.id).where(ROLLOUT.c.workload == workload, ROLLOUT.c.ended_at > at).limit(1)
    return (await connection.scalar(query)) is not None


def _image(row: AnyRow) -> str:
    state = decode_state(row.state)
    for revision in (*state.revisions, state.revision):
        if revision is not None and revision.key == row.to_revision and revision.images:
            return revision.images[0]
    return ""
