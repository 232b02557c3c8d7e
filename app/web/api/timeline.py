"""/timeline: what was deployed where, when, by whom, and how it ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.read.timeline import Timeline
from app.read.timeline_query import TimelineQuery
from app.web.auth import needs
from app.web.pages import timeline as page
from app.web.streams import Hub

from . import sample_ci
from .held import parsed, resource
from .listing import answers

Text = Annotated[str, Query(max_length=200)]


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/timeline",
        dependencies=[needs(Permission.VIEW)],
        response_model=Timeline,
        responses=answers(sample_ci.TIMELINE, [sample_ci.TIMELINE], 400),
    )
    async def timeline(
        request: Request,
        environment: Text = "",
        service: Text = "",
        outcome: Text = "",
        window: Annotated[str, Query(description="1d, 7d, 30d or 12w.")] = "7d",
        before: Annotated[str, Query(max_length=40, description="`next` of the answer before.")] = "",
    ) -> Response:
        """Deployments, those that run first, then the newest. As a stream: the whole, whenever it changed."""
        query = parsed(request, TimelineQuery.parse)
        return await resource(request, hub, query, page.find, query.query_string())
