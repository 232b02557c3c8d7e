"""/workloads: every workload as a list, and each in full."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.domain.names import WorkloadRef
from app.domain.policy import Permission
from app.domain.rollout import Attention, Phase
from app.read import workloads as read
from app.read.fleet import Fleet
from app.read.lookback import PastFleet
from app.read.past import Past, Told
from app.read.workloads import Verdicts, WorkloadDetail, WorkloadItem, WorkloadQuery
from app.web.answers import live, refusal, tagged, wants_stream
from app.web.auth import needs
from app.web.past import At, fleet_then
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample
from .contents import ListContent, ResourceContent, encode
from .listing import (
    Cursor,
    Limit,
    Listed,
    Names,
    Words,
    answers,
    canonical,
    distinct,
    listed,
    position,
    starting,
)

_NAME = "workloads"
_POSITION = msgspec.json.Decoder(read.Position)


async def _query(
    service: Names,
    environment: Names,
    team: Names,
    cluster: Names,
    namespace: Names,
    kind: Names,
    phase: Annotated[list[Phase], Query(default_factory=list)],
    attention: Annotated[list[Attention], Query(default_factory=list)],
    q: Words = "",
) -> WorkloadQuery:
    return WorkloadQuery(
        q=" ".join(q.split()),
        service=distinct(service),
        environment=distinct(environment),
        team=distinct(team),
        cluster=distinct(cluster),
        namespace=distinct(namespace),
        kind=distinct(kind),
        phase=distinct(phase),
        attention=distinct(attention),
    )


def _list(fleet: Fleet, query: WorkloadQuery, now: datetime) -> ListContent[Verdicts]:
    def make(key: str, verdicts: Verdicts) -> WorkloadItem | None:
        row = fleet.workloads.get(key)
        return read.item(row, verdicts) if row and query.takes(row, verdicts.attention(row)) else None

    def judge(now: datetime) -> Verdicts:
        return Verdicts(fleet.sources.values(), now, fleet.workloads.values())

    return ListContent("workload", lambda: fleet.workloads, judge, make, now)


def _detail(
    fleet: Fleet, ref: WorkloadRef, kept: Past | None = None
) -> Callable[[datetime], WorkloadDetail | None]:
    def make(now: datetime) -> WorkloadDetail | None:
        row, past = fleet.at(ref), kept or fleet.past(ref)
        told = past.told if past else Told()
        return read.detail(row, Verdicts(fleet.sources.values(), now), told) if row else None

    return make


_ITEMS, _ = read.page(sample.FLEET, WorkloadQuery(), sample.NOW, None, 10)
_PAGE = Listed(_ITEMS, None)
_ONE = _detail(sample.FLEET, sample.WORKLOAD.ref)(sample.NOW)
_EVENTS = (
    {"op": "snapshot", "items": _ITEMS},
    {"op": "put", "item": _ITEMS[0]},
    {"op": "delete", "key": "east:5a1b"},
)


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/workloads",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[WorkloadItem],
        responses=answers(_PAGE, _EVENTS, 400),
    )
    async def workloads(
        request: Request,
        query: Annotated[WorkloadQuery, Depends(_query)],
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Workloads by cluster, namespace, kind and name.

        As a stream: all of them as `{"op":"snapshot","items":[…]}`, then what changed as
        `{"op":"put","item":…}` and what left as `{"op":"delete","key":…}`.
        """
        if wants_stream(request):
            key = ViewKey(request.url.path, canonical(query), "application/json")
            return live(request, hub, key, lambda fleet, now: _list(fleet, query, now))
        after = position(request, _NAME, cursor, _POSITION)
        if not hub.ready:
            return starting()
        items, end = read.page(hub.fleet, query, hub.clock(), after, limit)
        return listed(request, _NAME, items, end)

    @router.get(
        "/workloads/{cluster}/{namespace}/{kind}/{name}",
        dependencies=[needs(Permission.VIEW)],
        response_model=WorkloadDetail,
        responses=answers(_ONE, [_ONE], 400, 404),
    )
    async def workload(
        request: Request, cluster: str, namespace: str, kind: str, name: str, at: At = ""
    ) -> Response:
        """One workload with its revisions, steps, pods, problems and history; with `at` as it was at a past minute,
        when of most pods only their number was kept. As a stream: the whole, again whenever it changed; null once it is
        gone."""
        ref = WorkloadRef(cluster, namespace, kind, name)
        if not hub.ready and not wants_stream(request):
            return starting()
        fleet = await fleet_then(request, hub, at) if at else hub.fleet
        past = await fleet.follow(ref)
        make = _detail(fleet, ref, past)
        if isinstance(fleet, PastFleet) and (shown := make(fleet.at_minute)):
            return tagged(request, encode(shown))
        if hub.ready and make(hub.clock()) is None:
            gone = past.told.gone_at
            raise refusal(
                request,
                404,
                "No such workload",
                f"{ref} was deleted: it was last there at {gone:%Y-%m-%d %H:%M} UTC."
                if gone
                else f"Nothing is known of {ref}.",
                "See /api/v1/workloads for all there are, and /sources for what is listened to.",
            )
        key = ViewKey(request.url.path, "", "application/json")
        return live(request, hub, key, lambda fleet, now: ResourceContent(make, now))
