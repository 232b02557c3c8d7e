"""/inbox: the webhooks that came, and those set aside with the reason; each of these may be tried anew."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.domain.audit import Act
from app.domain.policy import Permission
from app.store.inbox import Inbox, InboxLine
from app.web.answers import refusal
from app.web.auth import needs, of
from app.web.auth.audited import entry

from .listing import Cursor, Limit, Listed, answers, listed, position

_NAME = "inbox"
_POSITION = msgspec.json.Decoder(int)
_EXAMPLE = InboxLine(
    41,
    "acme-github",
    "github",
    "workflow_run",
    "5f0c91ab-6b2e-11f1-8f8e-3c5d1a2b9e01",
    datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    "dead",
    1,
    0,
    "github.com/other/cart is outside what this hook may report for.",
    7412,
)


class State(StrEnum):
    """What became of a webhook."""

    NEW = "new"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"


def add(router: APIRouter, inbox: Inbox) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/inbox",
        dependencies=[needs(Permission.DEEDS)],
        response_model=Listed[InboxLine],
        responses=answers({"items": [_EXAMPLE], "next": None}, [], 400),
    )
    async def lines(
        request: Request,
        state: Annotated[State | None, Query(description="Only those of this state.")] = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Webhooks, the newest first, without what was in them."""
        after = position(request, _NAME, cursor, _POSITION)
        found = await inbox.lines(state or "", limit + 1, after)
        more = found[limit - 1].id if len(found) > limit else None
        return listed(request, _NAME, found[:limit], more)

    @router.post(
        "/inbox/{ident}/replay",
        status_code=202,
        include_in_schema=False,
        dependencies=[needs(Permission.ACT)],
    )
    async def replay(request: Request, ident: Annotated[int, Path(ge=1, lt=1 << 31)]) -> Response:
        """Try a webhook that was set aside anew."""
        who, now = of(request.scope), datetime.now(UTC)
        replayed = entry(request.scope, who, Act.REPLAY, now, f"webhook {ident}", "")
        found = await inbox.replay(ident, replayed)
        if not found:
            why = "There is no such webhook, or it is not set aside."
            raise refusal(request, 404, "Nothing to replay", why, "See GET /api/v1/inbox?state=dead.")
        return Response(b'{"status":"new"}', 202, {"cache-control": "no-store"}, "application/json")
