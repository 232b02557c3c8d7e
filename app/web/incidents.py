"""`/api/v1/incidents`: what needed intervention, told by a program or by hand.

The same `id` again is the same incident: so it is resolved, or linked with another deployment. `deployment` is the id
of the rollout that caused it, "latest" for the one that ended last in its place within the day before, or empty.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.domain.dora import Incident
from app.domain.names import cut
from app.domain.policy import Permission
from app.perform import Incidents
from app.read.deployments import read_incidents
from app.store.db import Database

from .answers import refusal
from .api.contents import encode
from .api.listing import Cursor, Limit, Listed, answers, listed, position
from .auth import needs, of
from .fields import Body, Instant

Short = Annotated[str, Field(max_length=200)]
_NAME = "incidents"
_POSITION = msgspec.json.Decoder(tuple[datetime, str])
_EXAMPLE = Incident(
    "pagerduty-Q2X9",
    "checkout",
    "production",
    "Errors at checkout",
    datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    datetime(2026, 11, 25, 10, 4, tzinfo=UTC),
    "5b1c9e0f2a",
)


class IncidentBody(Body):
    """An incident."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "pagerduty-Q2X9",
                "service": "checkout",
                "environment": "production",
                "title": "Errors at checkout",
                "started_at": "2026-11-25T09:30:00Z",
                "resolved_at": "2026-11-25T10:04:00Z",
                "deployment": "latest",
            }
        },
    )
    id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
    service: Annotated[str, Field(min_length=1, max_length=200)]
    environment: Annotated[str, Field(min_length=1, max_length=200)]
    title: Short = ""
    started_at: Instant
    resolved_at: Instant | None = None
    deployment: Annotated[str, Field(max_length=64)] = ""
    source: Annotated[str, Field(max_length=60)] = "hand"
    url: Annotated[str, Field(max_length=500)] = ""


def routes(database: Database, incidents: Incidents) -> APIRouter:
    """The door for incidents."""
    router = APIRouter(tags=["incidents"])

    @router.post(
        "/api/v1/incidents",
        status_code=201,
        dependencies=[needs(Permission.REPORT)],
        response_model=Incident,
        responses={403: {"description": "No operator there"}},
    )
    async def told(request: Request, body: IncidentBody) -> Response:
        """Tell of an incident, or tell more of it. A webhook of an alerting tool goes to its hook instead."""
        if body.resolved_at and body.resolved_at < body.started_at:
            why = "It was resolved before it began."
            raise refusal(request, 422, "Invalid incident", why, "Compare started_at with resolved_at.")
        incident = Incident(
            body.id,
            body.service,
            body.environment,
            cut(body.title),
            body.started_at,
            body.resolved_at,
            body.deployment,
        )
        who = of(request.scope)
        kept = await incidents.mark(incident, who, source=cut(body.source), url=body.url)
        return Response(encode(kept), 201, {"cache-control": "no-store"}, "application/json")

    @router.get(
        "/api/v1/incidents",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[Incident],
        responses=answers(Listed((_EXAMPLE,), None), (), 400),
    )
    async def many(
        request: Request,
        since: Instant | None = None,
        until: Instant | None = None,
        environment: Short = "",
        service: Short = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Incidents that began in a span (without one: all), newest first; those that were withdrawn are left out."""
        below = position(request, _NAME, cursor, _POSITION)
        async with database.reading() as connection:
            found = await read_incidents(
                connection, environment, service, since, until, below=below, most=limit + 1
            )
        last = found[limit - 1] if len(found) > limit else None
        return listed(request, _NAME, found[:limit], (last.started_at, last.id) if last else None)

    @router.delete(
        "/api/v1/incidents/{ident}",
        dependencies=[needs(Permission.REPORT)],
        status_code=204,
        response_model=None,
        responses={404: {"description": "No such incident"}},
    )
    async def withdraw(
        request: Request,
        ident: Annotated[str, Path(max_length=100)],
        reason: Annotated[str, Query(min_length=1, max_length=500)],
    ) -> Response:
        """Withdraw an incident: it was none, and counts no longer. The audit keeps it."""
        await incidents.withdraw(ident, reason, of(request.scope))
        return Response(status_code=204)

    return router
