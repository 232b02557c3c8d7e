"""/pipelines: what CI says of each service, or the runs of one; a run by its id. POST of the same address takes runs in
(app.web.hooks)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.domain.errors import StoreUnavailable
from app.domain.policy import Permission
from app.read import pipelines as read
from app.read.pipelines import Pipelines, PipelinesQuery, RunPage
from app.web.answers import live, refusal, unavailable, wants_stream
from app.web.auth import needs
from app.web.pages import pipelines as page
from app.web.pages import run as run_page
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample_ci
from .contents import ResourceContent
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
        try:
            query = PipelinesQuery.parse(request.query_params.multi_items())
        except ValueError as error:
            raise refusal(
                request, 400, "Invalid parameter", str(error), "Change it, or leave it out."
            ) from None
        if not hub.ready and (query.service or not wants_stream(request)):
            return starting()
        try:
            held = await page.find(hub.fleet, query)
        except LookupError as error:
            raise refusal(
                request, 404, "No such service", str(error.args[0]), "See GET /api/v1/pipelines."
            ) from None
        except StoreUnavailable as error:
            raise unavailable(request, error) from None

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
        if not hub.ready:
            return starting()
        try:
            held = await run_page.find(hub.fleet, run_page.RunQuery(run))
        except LookupError as error:
            raise refusal(
                request, 404, "No such run", str(error.args[0]), "See GET /api/v1/pipelines."
            ) from None
        except StoreUnavailable as error:
            raise unavailable(request, error) from None
        key = ViewKey(request.url.path, "", "application/json")
        return live(request, hub, key, lambda fleet, now: ResourceContent(lambda _: held.value, now))
