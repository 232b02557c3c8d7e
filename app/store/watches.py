"""How fresh sources were, and when anybody was looking: kept with the facts that say so, a row a change.

That a source still speaks extends the cluster's watch, at most every `BEAT`; a longer silence than `SILENCE`, of the
collector or of all of Shipboard, ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.facts import SourceObserved
from app.store.mapping import Values
from app.store.past_tables import SOURCE_CHANGE, WATCH

BEAT = timedelta(seconds=30)
SILENCE = timedelta(seconds=90)


class Watches:
    """Records both. Remembers when it last extended each cluster's watch, which spares a statement."""

    def __init__(self) -> None:
        self._told: dict[str, datetime] = {}

    async def record(
        self,
        connection: AsyncConnection,
        before: Mapping[str, SourceObserved],
        after: Mapping[str, SourceObserved],
        dropped: frozenset[str],
    ) -> None:
        """Write what differs between sources `before` and `after`; `dropped` are no more."""
        fresh = {key: fact for key, fact in after.items() if before.get(key) is not fact}
        rows = [_row(fact) for key, fact in fresh.items() if _face(before.get(key)) != _face(fact)]
        if dropped:
            # Which sources there are is said without a time, most often beside what has one.
            said = max((fact.seen_at for fact in after.values()), default=None) or datetime.now(UTC)
            rows += await _over(connection, dropped, said)
        if rows:
            await connection.execute(insert(SOURCE_CHANGE), rows)
        latest: dict[str, datetime] = {}
        for fact in fresh.values():
            latest[fact.cluster] = max(fact.seen_at, latest.get(fact.cluster, fact.seen_at))
        for cluster, at in latest.items():
            if (told := self._told.get(cluster)) is None or at - told >= BEAT:
                await _extend(connection, cluster, at)
                self._told[cluster] = at


def _face(fact: SourceObserved | None) -> tuple[object, ...] | None:
    return (fact.freshness, fact.installed, fact.message) if fact else None


def _row(fact: SourceObserved) -> Values:
    names = ("cluster", "kind", "namespace", "freshness", "contact_at", "installed")
    told = {name: getattr(fact, name) for name in names}
    return {"source": fact.key, "at": fact.seen_at, "message": fact.message[:500], **told}


async def _over(connection: AsyncConnection, dropped: frozenset[str], at: datetime) -> list[Values]:
    """The last rows of `dropped`, as ended at `at`."""
    newest = SOURCE_CHANGE.c.id
    query = select(SOURCE_CHANGE).where(SOURCE_CHANGE.c.source.in_(dropped)).order_by(newest)
    last = {row.source: row._asdict() for row in await connection.execute(query)}
    return [
        {**{n: v for n, v in row.items() if n != "id"}, "at": max(at, row["at"]), "freshness": ""}
        for row in last.values()
        if row["freshness"]
    ]


async def _extend(connection: AsyncConnection, cluster: str, at: datetime) -> None:
    own = WATCH.c
    newest = (
        select(own.id).where(own.cluster == cluster).order_by(own.began_at.desc(), own.id.desc()).limit(1)
    )
    longer = (
        update(WATCH)
        .where(own.id == newest.scalar_subquery(), own.last_at >= at - SILENCE)
        .values(last_at=case((own.last_at < at, at), else_=own.last_at))
    )
    if not (await connection.execute(longer)).rowcount:
        await connection.execute(insert(WATCH).values(cluster=cluster, began_at=at, last_at=at))
