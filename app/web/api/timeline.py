"""/timeline: what was deployed where, when, by whom, and how it ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.errors import StoreUnavailable
from app.domain.policy import Permission
from app.read.timeline import Timeline, TimelineQuery
from app.web.answers import live, refusal, unavailable
from app.web.auth import needs
from app.web.pages import timeline as page
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample_ci
from .contents import ResourceContent
from .listing import answers, starting

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
        try:
            query = TimelineQuery.parse(request.query_params.multi_items())
        except ValueError as error:
            raise refusal(
                request, 400, "Invalid parameter", str(error), "Change it, or leave it out."
            ) from None
        if not hub.ready:
            return starting()
        try:
            held = await page.find(hub.fleet, query)
        except StoreUnavailable as error:
            raise unavailable(request, error) from None
        key = ViewKey(request.url.path, query.query_string(), "application/json")
        return live(request, hub, key, lambda fleet, now: ResourceContent(lambda _: held.value, now))
