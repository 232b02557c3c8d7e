"""/sources: what Shipboard listens to, and how fresh each of it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.read.fleet import Fleet
from app.read.sources import Sources, SourcesProjection
from app.web.answers import live, wants_stream
from app.web.auth import needs
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample
from .contents import ResourceContent
from .listing import answers, starting


def _maker(fleet: Fleet) -> Callable[[datetime], Sources]:
    return lambda now: SourcesProjection(fleet, now).sources


_EXAMPLE = _maker(sample.FLEET)(sample.NOW)


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/sources",
        dependencies=[needs(Permission.VIEW)],
        response_model=Sources,
        responses=answers(_EXAMPLE, [_EXAMPLE]),
    )
    async def sources(request: Request) -> Response:
        """What Shipboard listens to, worst first. As a stream: the whole, again whenever it changed."""
        if not hub.ready and not wants_stream(request):
            return starting()

        def content(fleet: Fleet, now: datetime) -> ResourceContent:
            return ResourceContent(_maker(fleet), now)

        return live(request, hub, ViewKey(request.url.path, "", "application/json"), content)
