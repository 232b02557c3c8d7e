"""/board: services by environments, as the first page shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.domain.rollout import Attention
from app.read.board import Board
from app.read.fleet import Fleet
from app.read.lookback import still_board
from app.read.query import BoardQuery
from app.web.answers import live, tagged, wants_stream
from app.web.auth import needs
from app.web.past import At, fleet_then
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample
from .contents import BoardContent, encode
from .listing import Names, Words, answers, starting

_EXAMPLE = BoardContent(sample.FLEET, BoardQuery(), sample.NOW).board
_EVENTS = (
    {"op": "snapshot", "item": _EXAMPLE},
    {"op": "put", "item": _EXAMPLE.rows[0]},
    {"op": "delete", "key": "cart"},
)


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/board",
        dependencies=[needs(Permission.VIEW)],
        response_model=Board,
        responses=answers(_EXAMPLE, _EVENTS, 400, 404),
    )
    async def board(
        request: Request,
        environment: Names,
        attention: Annotated[list[Attention], Query(default_factory=list)],
        cluster: Names,
        team: Names,
        q: Words = "",
        at: At = "",
    ) -> Response:
        """Services by environments, worst first; with `at` as they were at a past minute (`2026-11-25T14:03Z`, or
        `-15m`), which answers the same for ever, so there is no stream of it.

        As a stream: the whole as `{"op":"snapshot","item":…}`, then changed rows as `{"op":"put","item":…}`,
        rows that left as `{"op":"delete","key":service}`, and all but the rows as `{"op":"head","item":…}`.
        """
        if not hub.ready and not wants_stream(request):
            return starting()
        query = BoardQuery.parse(request.query_params.multi_items())
        if at:
            fleet = await fleet_then(request, hub, at)
            then = BoardContent(fleet, query, fleet.at_minute, hub.environments)
            return tagged(request, encode(still_board(then.board)))

        def content(fleet: Fleet, now: datetime) -> BoardContent:
            return BoardContent(fleet, query, now, hub.environments)

        return live(
            request, hub, ViewKey(request.url.path, query.query_string(), "application/json"), content
        )
