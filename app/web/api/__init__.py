"""/api/v1: the read models as JSON; each resource is a stream of itself where `Accept` has text/event-stream.

Strong entity tags, cursors, problems as RFC 9457. A new resource is one module and its place in `RESOURCES`.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.web.answers import tagged
from app.web.streams import Hub

from . import board, rollouts, sources, workloads
from .contents import encode
from .listing import document

RESOURCES = (board, workloads, rollouts, sources)


def router(hub: Hub) -> APIRouter:
    """All operations of the API."""
    found = APIRouter(prefix="/api/v1", tags=["read"])
    for resource in RESOURCES:
        resource.add(found, hub)

    @found.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return tagged(request, encode(document(request.app)))

    return found
