"""/pipelines: what CI says of each service, or the runs of one; a run by its id. POST of the same address takes runs in
(app.web.hooks)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.read import pipelines as read
from app.read.pipelines import Pipelines, PipelinesQuery
from app.read.run_page import RunPage
from app.web.answers import live, wants_stream
from app.web.auth import needs
from app.web.pages import pipelines as page
from app.web.pages import run as run_page
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample_ci
from .contents import ResourceContent
from .held import find, parsed, resource
from .listing import answers, starting

Text = Annotated[str, Query(max_length=200)]


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/pipelines",
        dependencies=[needs(Permission.VIEW)],
        response_model=Pipelines,
        responses=answers(sample_ci.PIPELINES, [sample_ci.PIPELINES], 400, 404),
    )
    async def pipelines(
        request: Request,
        q: Text = "",
        state: Annotated[str, Query(description="Only services that are red, over, runs or flaky.")] = "",
        service: Annotated[str, Query(max_length=200, description="The runs of this service.")] = "",
        branch: Annotated[
            str, Query(max_length=200, description="Only of this branch; main for any main one.")
        ] = "",
        before: Annotated[str, Query(max_length=40, description="`next` of the answer before.")] = "",
    ) -> Response:
        """The latest twelve runs of each service on its main branch with since when it is red or over its budget,
        worst first; with `service` that service's runs, newest first. As a stream: the whole, whenever it changed."""
        query = parsed(request, PipelinesQuery.parse)
        if not hub.ready and (query.service or not wants_stream(request)):
            return starting()
        held = await find(request, hub, query, page.find, "No such service")

        def make(_: object) -> Pipelines:
            if held is not None:
                found: Pipelines = held.value
                return found
            return read.pipelines(hub.fleet.builds.by_service, query)

        key = ViewKey(request.url.path, query.query_string(), "application/json")
        return live(request, hub, key, lambda fleet, now: ResourceContent(make, now))

    @router.get(
        "/pipelines/{run}",
        dependencies=[needs(Permission.VIEW)],
        response_model=RunPage,
        responses=answers(sample_ci.RUN_PAGE, [sample_ci.RUN_PAGE], 404),
    )
    async def one(request: Request, run: Annotated[str, Path(pattern="^[0-9a-f]{24}$")]) -> Response:
        """One run with its jobs, failing tests, images and other attempts. As a stream: the whole, whenever it
        changed."""
        query = run_page.RunQuery(run)
        return await resource(request, hub, query, run_page.find, absent="No such run")
