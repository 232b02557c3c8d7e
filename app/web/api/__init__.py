"""/api/v1: the read models as JSON; each resource is a stream of itself where `Accept` has text/event-stream.

Strong entity tags, cursors, problems as RFC 9457. A new resource is one module and its place in `RESOURCES`.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.store.db import Database
from app.store.inbox import Inbox
from app.web.answers import tagged
from app.web.streams import Hub

from . import board, inbox, reports, rollouts, sources, workloads
from .contents import encode
from .listing import document

RESOURCES = (board, workloads, rollouts, sources)


def router(hub: Hub, letters: Inbox | None = None, database: Database | None = None) -> APIRouter:
    """All operations of the API; those on the inbox and on reports where there is one."""
    found = APIRouter(prefix="/api/v1", tags=["read"])
    for resource in RESOURCES:
        resource.add(found, hub)
    if letters:
        inbox.add(found, letters)
    if database:
        reports.add(found, database)

    @found.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return tagged(request, encode(document(request.app)))

    return found
