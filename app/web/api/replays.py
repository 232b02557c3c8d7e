"""Doing anew what was set aside: one operation for webhooks that came and messages that are to go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.domain.audit import Act, Entry
from app.domain.policy import Permission
from app.web.answers import refusal
from app.web.auth import needs, of
from app.web.auth.audited import entry


def add_replay(
    router: APIRouter,
    collection: str,
    what: str,
    aside: str,
    then: str,
    replay: Callable[[int, Entry, datetime], Awaitable[bool]],
) -> None:
    """Add `POST /{collection}/{ident}/replay`. `what` one of them is called in a sentence; `aside` is the state from
    which it is taken and `then` the one it has afterwards; `replay` answers whether there was one to do anew."""

    @router.post(
        f"/{collection}/{{ident}}/replay",
        status_code=202,
        include_in_schema=False,
        dependencies=[needs(Permission.ACT)],
    )
    async def replayed(request: Request, ident: Annotated[int, Path(ge=1, lt=1 << 31)]) -> Response:
        who, now = of(request.scope), datetime.now(UTC)
        if not await replay(ident, entry(request.scope, who, Act.REPLAY, now, f"{what} {ident}", ""), now):
            why = f"There is no such {what}, or it is not set aside."
            todo = f"See GET /api/v1/{collection}?state={aside}."
            raise refusal(request, 404, "Nothing to replay", why, todo)
        told = f'{{"status":"{then}"}}'.encode()
        return Response(told, 202, {"cache-control": "no-store"}, "application/json")
