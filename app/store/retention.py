"""History older than is wanted is deleted, a little at a time, so that nothing waits for it.

A workload that is there keeps its row and its open rollout for ever; SQLite reuses the space without giving
it back.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, Select, Table, delete, exists, func, or_, select, tuple_, update

from app.store import audit, commands, gates
from app.store.ci_tables import ARTIFACT, COMMIT, INBOX, REPORTED, RUN
from app.store.db import Database
from app.store.incident_tables import INCIDENT
from app.store.notice_tables import MESSAGE, NOTICE
from app.store.outbox import BEGAN
from app.store.packages import LISTED
from app.store.past_tables import SOURCE_CHANGE, STATE_CHANGE, WATCH
from app.store.report_tables import ALIAS, LINK, PACKAGE, REPORT, TAG
from app.store.tables import EVENT, LOGTAIL, READINESS, ROLLOUT, TRANSITION, WORKLOAD

BATCH = 500
"""Rows deleted in one transaction, at most."""
EVENTS = 200
"""Newest events kept of a workload, however young the others are."""
TAKEN_IN = timedelta(days=4)
"""How long a webhook is kept that was taken in: a day longer than GitHub delivers one again."""


AUDIT_DAYS = 400
"""Audit entries, commands and gates are kept for so much longer than the rest."""


async def prune(
    database: Database,
    before: datetime,
    now: datetime | None = None,
    *,
    batch: int = BATCH,
    pause: float = 0.1,
) -> int:
    """Delete transitions, events, logs, rollouts that ended, workloads gone, messages and what CI told before `before`,
    states older than the ones that held then, events beyond the newest of each workload, webhooks long taken in by
    `now`, and commands, gates and audit entries AUDIT_DAYS older; returns the number of rows.

    `batch` rows a transaction, with `pause` seconds between two. Raises StoreUnavailable; what was deleted by
    then stays so.
    """
    async with database.writing() as session:
        earlier = update(WATCH).where(WATCH.c.began_at < before, WATCH.c.last_at >= before)
        await (await session.connection()).execute(earlier.values(began_at=before))
    gone = sum([await _drain(database, expired, batch, pause) for expired in _expired(before, now)])
    for forget in (commands.forget, gates.forget, audit.forget):
        deleted, long_ago = batch, before - timedelta(days=AUDIT_DAYS)
        while deleted == batch:
            async with database.writing() as session:
                deleted = await forget(session, long_ago, batch)
            gone += deleted
            await asyncio.sleep(pause if deleted == batch else 0)
    return gone


def _expired(before: datetime, now: datetime | None) -> tuple[Select[Any], ...]:
    """Primary keys of what may go, in an order that leaves no reference dangling."""
    of_workload = (TRANSITION.c.workload == WORKLOAD.c.key, ROLLOUT.c.workload == WORKLOAD.c.key)
    taken = max(before, now - TAKEN_IN) if now else before
    place = func.row_number().over(partition_by=EVENT.c.workload, order_by=EVENT.c.last_at.desc())
    ranked = select(EVENT.c.key, place.label("place")).subquery()
    return (
        select(INBOX.c.id).where(INBOX.c.received_at < taken, INBOX.c.state.in_(("done", "ignored"))),
        select(INBOX.c.id).where(INBOX.c.received_at < before),
        select(RUN.c.id).where(RUN.c.at < before),  # jobs and services go with them
        select(COMMIT.c.id).where(COMMIT.c.at < before),
        select(REPORT.c.id).where(REPORT.c.received_at < before),  # what they say goes with them
        select(PACKAGE.c.id).where(PACKAGE.c.at < before - LISTED),
        select(ARTIFACT.c.digest).where(ARTIFACT.c.at < before),
        select(REPORTED.c.id).where(REPORTED.c.at < before),
        *(select(*table.primary_key.columns).where(table.c.at < before) for table in (LINK, ALIAS, TAG)),
        select(TRANSITION.c.id).where(TRANSITION.c.at < before),
        _outlived(STATE_CHANGE, "workload", before),
        _outlived(SOURCE_CHANGE, "source", before),
        select(SOURCE_CHANGE.c.id).where(SOURCE_CHANGE.c.at < before, SOURCE_CHANGE.c.freshness == ""),
        select(WATCH.c.id).where(WATCH.c.last_at < before),
        select(INCIDENT.c.id).where(INCIDENT.c.started_at < before),
        select(MESSAGE.c.id).where(MESSAGE.c.made_at < before),
        select(NOTICE.c.key).where(
            NOTICE.c.noticed_at < before,
            NOTICE.c.key != BEGAN,
            ~exists().where(MESSAGE.c.notice == NOTICE.c.key),
        ),
        select(EVENT.c.key).where(EVENT.c.last_at < before),
        select(EVENT.c.key).where(EVENT.c.key.in_(select(ranked.c.key).where(ranked.c.place > EVENTS))),
        select(LOGTAIL.c.key).where(LOGTAIL.c.read_at < before),
        select(ROLLOUT.c.id).where(ROLLOUT.c.ended_at < before),
        select(READINESS.c.workload).where(
            READINESS.c.workload.in_(select(WORKLOAD.c.key).where(WORKLOAD.c.gone_at < before))
        ),
        select(WORKLOAD.c.key).where(
            WORKLOAD.c.gone_at < before, *(~exists().where(of) for of in of_workload)
        ),
    )


def _outlived(table: Table, of: str, before: datetime) -> Select[Any]:
    """States before `before` that another followed by then: the one that held at `before` stays."""
    own, next_ = table.c, table.alias().c
    later = or_(next_.at > own.at, (next_.at == own.at) & (next_.id > own.id))
    followed = exists().where(next_[of] == own[of], next_.at <= before, later)
    return select(own.id).where(own.at < before, followed)


async def _drain(database: Database, expired: Select[Any], batch: int, pause: float) -> int:
    keys = tuple(expired.selected_columns)
    key: Any = keys[0] if len(keys) == 1 else tuple_(*keys)
    statement: Delete = delete(keys[0].table).where(key.in_(expired.limit(batch)))
    deleted, total = batch, 0
    while deleted == batch:
        if total:
            await asyncio.sleep(pause)
        async with database.writing() as session:
            deleted = (await (await session.connection()).execute(statement)).rowcount
        total += deleted
    return total
