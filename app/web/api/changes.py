"""/changes: what changed since an instant, for whoever looks again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.instants import past_minute
from app.domain.policy import Permission
from app.read.board import TickKind
from app.read.query import BoardQuery
from app.read.since import Change, Changes, Trouble, changes, ended_since
from app.web.answers import refusal, tagged
from app.web.auth import needs
from app.web.streams import Hub

from . import sample
from .contents import encode
from .listing import Names, Words, answers, starting

_AT = sample.NOW - timedelta(minutes=20)
_EXAMPLE = Changes(
    sample.NOW - timedelta(hours=2),
    "1 landed, 1 fails since 14:12",
    (
        Change(
            _AT,
            TickKind.LANDED,
            "cart",
            "production",
            "1.4.0",
            "1.5.0",
            "/workloads/east/shop/Deployment/cart?at=2026-11-23T14:12Z",
        ),
    ),
    (Trouble(_AT, "mail", "staging", "2.0.1", "It crashes.", "/workloads/east/mail/Deployment/mail"),),
)


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/changes",
        dependencies=[needs(Permission.VIEW)],
        response_model=Changes,
        responses=answers(_EXAMPLE, (), 400),
    )
    async def changed(
        request: Request,
        environment: Names,
        cluster: Names,
        team: Names,
        since: Annotated[
            str, Query(max_length=40, description="`2026-11-25T14:03Z`, `-2h`, or seconds since 1970.")
        ] = "-24h",
        q: Words = "",
    ) -> Response:
        """What landed, failed or was rolled back since an instant, newest first, and what began to fail and does."""
        if not hub.ready:
            return starting()
        now = hub.clock()
        try:
            begin = past_minute(since, now)
        except ValueError as error:
            said = str(error).replace("at=", "since=", 1)
            raise refusal(request, 400, "Invalid parameter", said, "Change it, or leave it out.") from None
        pairs = [
            (n, v)
            for n, v in request.query_params.multi_items()
            if n in ("environment", "cluster", "team", "q")
        ]
        async with hub.database.reading() as connection:
            ended = await ended_since(connection, begin)
        found = changes(hub.fleet, BoardQuery.parse(pairs), begin, now, ended)
        return tagged(request, encode(found))
