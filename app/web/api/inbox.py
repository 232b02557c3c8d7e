"""/inbox: the webhooks that came, and those set aside with the reason; each of these may be tried anew."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.store.inbox import Inbox, InboxLine
from app.web.auth import needs

from .listing import Cursor, Limit, Listed, answers, listed, position
from .replays import add_replay

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

    add_replay(router, _NAME, "webhook", "dead", "new", lambda ident, entry, _: inbox.replay(ident, entry))
