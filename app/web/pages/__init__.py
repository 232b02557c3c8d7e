"""The pages, in the order of navigation, and the one handler that serves them all.

A page's URL is its stream's URL: HTML by default, the same view as a stream where `Accept` has
text/event-stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.perform import Freezes, Gates, Incidents, Perform
from app.read.fleet import Fleet
from app.read.frost import alarms
from app.web import auth
from app.web.answers import VARY, live, refusal, wants_stream
from app.web.auth import needs
from app.web.render import Renderer
from app.web.streams import Hub
from app.web.views import ViewKey

from . import (
    artifact,
    audit,
    board,
    commands,
    commit,
    dora,
    freezes,
    gate,
    gates,
    holders,
    incident,
    lookback,
    looked,
    patterns,
    pipelines,
    receipt,
    report,
    run,
    sources,
    timeline,
    wall,
    workload,
)
from .may import knows, may
from .page import Page, PageContent, RowCache

PAGES: tuple[Page, ...] = (
    board.PAGE,
    workload.PAGE,
    receipt.PAGE,
    pipelines.PAGE,
    run.PAGE,
    commit.PAGE,
    holders.PAGE,
    artifact.PAGE,
    report.PAGE,
    timeline.PAGE,
    dora.PAGE,
    gates.PAGE,
    gate.PAGE,
    sources.PAGE,
    wall.PAGE,
    patterns.PAGE,
)


def routes(
    hub: Hub,
    renderer: Renderer | None = None,
    perform: Perform | None = None,
    production: frozenset[str] = frozenset(),
    deciding: Gates | None = None,
    freezing: Freezes | None = None,
    marking: Incidents | None = None,
) -> APIRouter:
    """A route for every page of `PAGES`, for the dialogs of commands where they can be performed, for decisions
    where there is somebody `deciding` or `freezing`, for incidents where one is `marking` them; `production`:
    environments where a reason is due."""
    router = APIRouter(include_in_schema=False)
    renderer, cache = renderer or Renderer(), RowCache()
    for page in PAGES:
        show = _handler(page, hub, renderer, cache)
        router.add_api_route(
            page.path,
            show,
            methods=["GET", "HEAD"],
            name=page.title,
            dependencies=[needs(page.permission)],
        )
    router.include_router(audit.routes(hub, renderer))
    if perform:
        router.include_router(commands.routes(hub, renderer, perform, production))
    if marking:
        router.include_router(incident.routes(hub, renderer, marking))
    if deciding:
        router.include_router(gate.routes(deciding))
    if freezing:
        router.include_router(freezes.routes(freezing))
    return router


def _handler(
    page: Page, hub: Hub, renderer: Renderer, cache: RowCache
) -> Callable[[Request], Awaitable[Response]]:
    revoked = renderer.page("revoked.html", {}).encode()
    past = lookback.LookBack(hub, renderer, PAGES)

    async def show(request: Request) -> Response:
        asked_for = request.query_params.multi_items()
        try:
            query = page.parse([*request.path_params.items(), *asked_for])
        except ValueError as error:
            todo = "Change the address, or open the page without parameters."
            raise refusal(request, 400, "Invalid parameter", str(error), todo) from None

        if not hub.ready and (page.find or not wants_stream(request)):
            return _warming(renderer, hub.clock(), auth.viewer(request.scope))
        if page.lookback and any(name == "at" and text for name, text in asked_for):
            return await past.show(request, page, query)
        held = auth.rights(auth.of(request.scope))
        if page.by_rights:
            query = page.by_rights(query, held)
        kept = None
        if page.find:
            try:
                kept = await page.find(hub.fleet, query)
            except LookupError as error:
                raise refusal(request, 404, page.absent, str(error.args[0]), _TODO) from None

        asked = query.query_string()
        if page is board.PAGE and looked.DISMISS in request.query_params:
            back = RedirectResponse(f"/?{asked}" if asked else "/", 303, {"cache-control": "no-store"})
            return looked.mark(request, back, hub.clock(), dismissed=True)
        address = quote(request.url.path) + (f"?{asked}" if asked else "")

        def content(fleet: Fleet, now: datetime, kept: object = kept) -> PageContent:
            projection = page.open(fleet, query, now, hub.environments)
            shouting = partial(alarms, fleet.gates)
            return PageContent(
                page,
                query,
                projection,
                renderer,
                cache,
                now,
                PAGES,
                may(held),
                shouting,
                address,
                knows(held),
            )

        key = ViewKey(request.url.path, asked, "text/html", held)
        if wants_stream(request):
            return live(request, hub, key, content, revoked=revoked)
        fill = [renderer.page("who.html", {"viewer": auth.viewer(request.scope)})]
        if page.mine:
            fill.append(page.mine(renderer, hub.fleet, query, request.scope, hub.clock()))
        shown = live(request, hub, key, content, fill=[part.encode() for part in fill])
        return looked.mark(request, shown, hub.clock()) if page is board.PAGE else shown

    return show


_TODO = "Look for it on the board: it may be under another name or in another place."


def _warming(renderer: Renderer, now: datetime, viewer: auth.Viewer) -> Response:
    headers = {"retry-after": "1", "refresh": "1", "cache-control": "no-store", "vary": VARY}
    said = {
        "status": 503,
        "title": "Shipboard is starting",
        "detail": "It is reading what it knows from its database. This page comes back by itself.",
        "now": now,
        "viewer": viewer,
    }
    return Response(renderer.page("error.html", said), 503, headers, media_type="text/html")
