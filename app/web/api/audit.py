"""/audit: who did what, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.read import audit as read
from app.read.audit import AuditQuery, AuditRow
from app.web.answers import refusal
from app.web.auth import needs, told_where
from app.web.streams import Hub

from .listing import Cursor, Limit, Listed, answers, listed, position

_NAME = "audit"
_POSITION = msgspec.json.Decoder(int)
_EXAMPLE = AuditRow(
    412,
    datetime(2026, 11, 23, 14, 32, 9, tzinfo=UTC),
    "asked",
    "https://login.example|ada",
    "Ada",
    "s-5f0c",
    "east/shop/Rollout/checkout",
    "production",
    "abort",
    "Errors rose to 4 % at 25 %.",
    "9d1f0c",
    "",
    "",
    "",
    "5b1c9e0f2a",
    "01J9",
    "Abort 2.7.0; all traffic stays on 2.6.0.",
)
Text = Annotated[str, Query(max_length=200)]


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/audit",
        dependencies=[needs(Permission.AUDIT)],
        response_model=Listed[AuditRow],
        responses=answers(Listed((_EXAMPLE,), None), (), 400),
    )
    async def audit(
        request: Request,
        who: Text = "",
        verb: Text = "",
        environment: Text = "",
        workload: Text = "",
        result: Text = "",
        since: Annotated[str, Query(max_length=40, description="A time, or an age: 90min, 24h, 7d.")] = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Audit entries, newest first. `who` and `workload` are parts of names, `result` is a kind of entry: asked,
        sent, done, refused, failed, unknown … Addresses are told to admins alone."""
        after = position(request, _NAME, cursor, _POSITION)
        query = AuditQuery(who, verb, environment, workload, result, since)
        try:
            found = await read.page(
                hub.database, query, after, limit, hub.clock(), placed=told_where(request.scope)
            )
        except ValueError as error:
            raise refusal(
                request, 400, "Invalid parameter", str(error), "Change it, or leave it out."
            ) from None
        return listed(request, _NAME, found.rows, found.next)
