"""/rollouts: what was rolled out when, and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.domain.rollout import Outcome, Strategy
from app.read import rollouts as read
from app.read.fleet import Fleet
from app.read.past import PastRollout, one
from app.read.rollouts import RolloutQuery
from app.read.rows import RolloutRow
from app.web.answers import live, refusal, wants_stream
from app.web.auth import needs
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample
from .contents import ListContent, ResourceContent
from .listing import Cursor, Limit, Listed, Names, answers, canonical, distinct, listed, position, starting

_NAME = "rollouts"
_POSITION = msgspec.json.Decoder(read.Position)
_PAGE = Listed((sample.ROLLOUT,), None)
_UNKNOWN = (
    "No rollout with this id is kept.",
    "See /api/v1/rollouts for all there are; old ones are forgotten after the time that settings say.",
)
_EVENTS = ({"op": "snapshot", "items": [sample.ROLLOUT]}, {"op": "put", "item": sample.ROLLOUT})


async def _query(
    service: Names,
    environment: Names,
    team: Names,
    cluster: Names,
    strategy: Annotated[list[Strategy], Query(default_factory=list)],
    outcome: Annotated[list[Outcome], Query(default_factory=list)],
    running: Annotated[
        bool | None, Query(description="Only those that run, or only those that are over.")
    ] = None,
) -> RolloutQuery:
    return RolloutQuery(
        service=distinct(service),
        environment=distinct(environment),
        team=distinct(team),
        cluster=distinct(cluster),
        strategy=distinct(strategy),
        outcome=distinct(outcome),
        running=running,
    )


def _list(fleet: Fleet, query: RolloutQuery, now: datetime) -> ListContent[None]:
    def make(key: str, _: None) -> RolloutRow | None:
        row = fleet.rollouts.get(key)
        return row if row and query.takes(row) else None

    return ListContent("rollout", lambda: fleet.rollouts, lambda _: None, make, now)


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/rollouts",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[RolloutRow],
        responses=answers(_PAGE, _EVENTS, 400),
    )
    async def rollouts(
        request: Request,
        query: Annotated[RolloutQuery, Depends(_query)],
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Rollouts, the latest to start first.

        As a stream: those that run or ended within 24 hours as `{"op":"snapshot","items":[…]}`, then each
        that began, changed or ended as `{"op":"put","item":…}`.
        """
        if wants_stream(request):
            key = ViewKey(request.url.path, canonical(query), "application/json")
            return live(request, hub, key, lambda fleet, now: _list(fleet, query, now))
        after = position(request, _NAME, cursor, _POSITION)
        if not hub.ready:
            return starting()
        rows, end = await read.page(hub.database, query, after, limit)
        return listed(request, _NAME, rows, end)

    @router.get(
        "/rollouts/{ident}",
        dependencies=[needs(Permission.VIEW)],
        response_model=PastRollout,
        responses=answers(sample.PAST_ROLLOUT, [sample.PAST_ROLLOUT], 404),
    )
    async def rollout(
        request: Request, ident: Annotated[str, Path(pattern="^[0-9a-zA-Z]{1,64}$")]
    ) -> Response:
        """One rollout with its stages and how long each took. As a stream: the whole, again whenever it
        changed."""
        if not hub.ready and not wants_stream(request):
            return starting()
        async with hub.database.reading() as connection:
            found = await one(connection, ident)
        if found is None:
            raise refusal(request, 404, "No such rollout", *_UNKNOWN)
        ref, was = found
        past = await hub.fleet.follow(ref)

        def make(_: datetime) -> PastRollout:
            return next((p for p in past.told.rollouts if p.rollout.id == ident), was)

        key = ViewKey(request.url.path, "", "application/json")
        return live(request, hub, key, lambda fleet, now: ResourceContent(make, now))
