"""/api/v1: the read models as JSON; each resource is a stream of itself where `Accept` has text/event-stream.

Strong entity tags, cursors, problems as RFC 9457. A new resource is one module and its place in `RESOURCES`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.domain.policy import Permission
from app.perform import Freezes, Gates, Perform
from app.store.db import Database
from app.store.inbox import Inbox
from app.store.outbox import Outbox
from app.web.answers import tagged
from app.web.auth import needs
from app.web.streams import Hub

from . import (
    artifacts,
    audit,
    board,
    changes,
    commands,
    commits,
    dora,
    freezing,
    gates,
    inbox,
    me,
    messages,
    packages,
    pipelines,
    reports,
    rollouts,
    sources,
    timeline,
    workloads,
)
from .contents import encode
from .listing import document

RESOURCES = (board, changes, workloads, rollouts, pipelines, commits, timeline, dora, sources, me, audit)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The doors for decisions."""

    gates: Gates
    freezes: Freezes


def router(
    hub: Hub,
    perform: Perform | None = None,
    letters: Inbox | None = None,
    database: Database | None = None,
    decisions: Decisions | None = None,
    outbox: Outbox | None = None,
) -> APIRouter:
    """All operations of the API; without `perform` those that only look, without `letters` none on the inbox, without
    `database` none on reports and images, without `decisions` none on gates and freezes, without `outbox` none on
    messages."""
    found = APIRouter(prefix="/api/v1", tags=["read"])
    for resource in RESOURCES:
        resource.add(found, hub)
    if perform:
        commands.add(found, hub, perform)
    if decisions:
        gates.add(found, hub, decisions.gates)
        freezing.add(found, hub, decisions.freezes)
    if letters:
        inbox.add(found, letters)
    if outbox:
        messages.add(found, outbox)
    if database:
        reports.add_list(found, database)
        reports.add(found, hub)
        artifacts.add(found, hub)
        packages.add(found, hub, database)

    @found.get("/openapi.json", include_in_schema=False, dependencies=[needs(Permission.VIEW)])
    async def openapi(request: Request) -> Response:
        return tagged(request, encode(document(request.app)))

    async def index(request: Request) -> Response:
        return tagged(request, encode(_INDEX))

    for path in ("", "/"):
        found.add_api_route(path, index, include_in_schema=False, dependencies=[needs(Permission.VIEW)])
    _answer_head(found)
    return found


_INDEX = {
    "what": "Shipboard's API: the same facts as its pages.",
    "resources": {
        resource.__name__.rpartition(".")[2]: f"/api/v1/{resource.__name__.rpartition('.')[2]}"
        for resource in (*RESOURCES, commands, gates)
    },
    "description": "/api/v1/openapi.json",
    "streams": "Every resource is a stream of itself with Accept: text/event-stream.",
}


def _answer_head(router: APIRouter) -> None:
    """HEAD wherever GET is (RFC 9110, 9.3.2); routes of their own, since the description would double else."""
    for route in tuple(router.routes):
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            router.add_api_route(
                route.path.removeprefix(router.prefix),
                route.endpoint,
                methods=["HEAD"],
                include_in_schema=False,
                response_model=None,
                dependencies=route.dependencies,
            )
