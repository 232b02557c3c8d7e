"""/messages: what was told to whom, what waits, and what was set aside with the reason; each of these may be sent
anew."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.store.outbox import MessageLine, Outbox
from app.web.auth import needs

from .listing import Cursor, Limit, Listed, answers, listed, position
from .replays import add_replay

_NAME = "messages"
_POSITION = msgspec.json.Decoder(int)
_AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
_EXAMPLE = MessageLine(
    7,
    "releases",
    "gate-opened",
    "pricing waits for a decision. May 2.8.0 go to production?",
    "/gates/6a7e1c0f2b9d4e35",
    "sent",
    1,
    _AT,
    _AT,
    _AT,
    "",
)


class State(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SENT = "sent"
    ASIDE = "aside"


def add(router: APIRouter, outbox: Outbox) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/messages",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[MessageLine],
        responses=answers({"items": [_EXAMPLE], "next": None}, [], 400),
    )
    async def lines(
        request: Request,
        state: Annotated[State | None, Query(description="Only those of this state.")] = None,
        target: Annotated[str, Query(description="Only those for this target.", max_length=60)] = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Messages about changes of state, the newest first; docs/notify.md says who gets them."""
        after = position(request, _NAME, cursor, _POSITION)
        found = await outbox.lines(state or "", target, limit + 1, after)
        more = found[limit - 1].id if len(found) > limit else None
        return listed(request, _NAME, found[:limit], more)

    add_replay(router, _NAME, "message", "aside", "waiting", outbox.replay)
