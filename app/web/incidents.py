"""`POST /api/v1/incidents`: what needed intervention, told by an alerting tool's webhook or marked by hand.

The same `id` again is the same incident: so it is resolved, or linked with another deployment. `deployment` is the id
of the rollout that caused it, "latest" for the one that ended last in its place within the day before, or empty.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.domain.dora import Incident, IncidentTold
from app.domain.errors import StoreUnavailable
from app.domain.facts import Fact
from app.domain.names import cut
from app.domain.policy import Permission, permits
from app.read.deployments import read_incident, read_incidents
from app.store.db import Database

from .answers import refusal, tagged, unavailable
from .api.contents import encode
from .auth import needs, of
from .auth.access import refuse_unless
from .fields import Body, Instant

Short = Annotated[str, Field(max_length=200)]
Door = Callable[[Sequence[Fact]], Awaitable[None]]


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


def routes(database: Database, ingest: Door) -> APIRouter:
    """The door for incidents."""
    router = APIRouter(tags=["incidents"])

    @router.post("/api/v1/incidents", status_code=201, dependencies=[needs(Permission.REPORT)])
    async def told(request: Request, body: IncidentBody) -> Response:
        """Tell of an incident, or tell more of it."""
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
        await refuse_unless(permits(who, Permission.REPORT, body.environment), request.scope)
        try:
            await ingest([IncidentTold(incident, cut(body.source), body.url, who.identity)])
            async with database.reading() as connection:
                kept = await read_incident(connection, body.id)
        except StoreUnavailable as error:
            raise unavailable(request, error) from None
        return Response(encode(kept), 201, {"cache-control": "no-store"}, "application/json")

    @router.get(
        "/api/v1/incidents", dependencies=[needs(Permission.VIEW)], response_model=tuple[Incident, ...]
    )
    async def many(
        request: Request,
        since: Instant,
        until: Instant,
        environment: Short = "",
        service: Short = "",
    ) -> Response:
        """Incidents that began in a span, oldest first."""
        try:
            async with database.reading() as connection:
                found = await read_incidents(connection, environment, service, since, until)
        except StoreUnavailable as error:
            raise unavailable(request, error) from None
        return tagged(request, encode(found))

    return router
