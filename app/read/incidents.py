"""What is said of one deployment when it is marked as failed: the deployment, and the incidents that name it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.dora import Incident
from app.store.incident_tables import INCIDENT
from app.store.incidents import incident_of
from app.store.tables import ROLLOUT, WORKLOAD


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """An incident with who told of it: a tool's name, or "hand" and the identity."""

    incident: Incident
    source: str
    by: str
    url: str


@dataclass(frozen=True, slots=True)
class Failing:
    """The rollout `id` of a service to an environment, `workload` by its name; `told` oldest first."""

    id: str
    service: str
    environment: str
    workload: str
    before: str
    version: str
    started_at: datetime
    ended_at: datetime | None
    told: tuple[IncidentReport, ...]

    @property
    def own(self) -> str:
        """The id of the incident that is marked by hand here."""
        return f"hand:{self.id}"[:100]


async def failing(connection: AsyncConnection, ident: str) -> Failing | None:
    """The rollout `ident` with its incidents; None when there is none."""
    query = select(ROLLOUT, WORKLOAD.c.name).join(WORKLOAD, WORKLOAD.c.key == ROLLOUT.c.workload)
    row = (await connection.execute(query.where(ROLLOUT.c.id == ident))).first()
    if row is None:
        return None
    named = select(INCIDENT).where(INCIDENT.c.deployment == ident, INCIDENT.c.withdrawn_at.is_(None))
    told = await connection.execute(named.order_by(INCIDENT.c.started_at, INCIDENT.c.id).limit(50))
    return Failing(
        row.id,
        row.service,
        row.environment,
        row.name,
        row.from_version,
        row.to_version,
        row.started_at,
        row.ended_at,
        tuple(IncidentReport(incident_of(each), each.source, each.marked_by, each.url) for each in told),
    )
