"""Incidents become rows, one each; told again, the row says what was told as of the latest moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.dora import UNDECIDED, Incident, IncidentTold
from app.domain.names import Topic
from app.domain.rollout import RolloutKind
from app.store.incident_tables import INCIDENT
from app.store.tables import ROLLOUT

LATEST = "latest"
"""Stands for the deployment that ended last in the incident's place within a day before it."""


async def record_incidents(connection: AsyncConnection, facts: Sequence[IncidentTold]) -> set[Topic]:
    """Write `facts`; returns their topics."""
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for fact in facts:
        incident = fact.incident
        deployment = incident.deployment
        if deployment == LATEST:
            deployment = await _latest(
                connection, incident.service, incident.environment, incident.started_at
            )
        row = {
            "id": incident.id,
            "service": incident.service,
            "environment": incident.environment,
            "title": incident.title,
            "source": fact.source,
            "url": fact.url,
            "deployment": deployment,
            "marked_by": fact.by,
            "started_at": incident.started_at,
            "resolved_at": incident.resolved_at,
            "told_at": fact.as_of,
            "withdrawn_at": fact.as_of if fact.withdrawn else None,
        }
        insert = make(INCIDENT)
        others = {name: insert.excluded[name] for name in row if name != "id"}
        newer = or_(INCIDENT.c.told_at.is_(None), INCIDENT.c.told_at <= insert.excluded.told_at)
        await connection.execute(
            insert.on_conflict_do_update(index_elements=["id"], set_=others, where=newer), row
        )
    return {Topic("incident", fact.incident.id) for fact in facts}


async def find_incident(connection: AsyncConnection, ident: str) -> Incident | None:
    """One incident as it is kept; None when there is none, or it was withdrawn."""
    query = select(INCIDENT).where(INCIDENT.c.id == ident, INCIDENT.c.withdrawn_at.is_(None))
    row = (await connection.execute(query)).first()
    return incident_of(row) if row else None


def incident_of(row: Any) -> Incident:
    """A row of `incident`."""
    return Incident(
        row.id, row.service, row.environment, row.title, row.started_at, row.resolved_at, row.deployment
    )


async def _latest(connection: AsyncConnection, service: str, environment: str, at: datetime) -> str:
    query = (
        select(ROLLOUT.c.id)
        .where(ROLLOUT.c.service == service, ROLLOUT.c.environment == environment)
        .where(ROLLOUT.c.nature != RolloutKind.RESTART)
        .where(ROLLOUT.c.ended_at <= at, ROLLOUT.c.ended_at > at - UNDECIDED)
        .order_by(ROLLOUT.c.ended_at.desc())
        .limit(1)
    )
    return await connection.scalar(query) or ""
