"""Resources over a model that is held: read by the page of the same address, sent whole whenever it changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response

from app.read.fleet import Fleet
from app.read.kept import Kept
from app.web.answers import live, refusal
from app.web.streams import Hub
from app.web.views import ViewKey

from .contents import ResourceContent
from .listing import starting

Query = TypeVar("Query")
Held = TypeVar("Held")


def parsed(request: Request, parse: Callable[[list[tuple[str, str]]], Query]) -> Query:
    """The query of a request. Raises Refusal (400) with what is wrong."""
    try:
        return parse(request.query_params.multi_items())
    except ValueError as error:
        raise refusal(request, 400, "Invalid parameter", str(error), "Change it, or leave it out.") from None


async def find(
    request: Request,
    hub: Hub,
    query: Query,
    look: Callable[[Fleet, Query], Awaitable[Held]],
    absent: str = "",
) -> Held:
    """What `look` holds for `query`. Raises Refusal (404, called `absent`), StoreUnavailable."""
    try:
        return await look(hub.fleet, query)
    except LookupError as error:
        raise refusal(request, 404, absent, str(error.args[0]), "See GET /api/v1/pipelines.") from None


async def resource(
    request: Request,
    hub: Hub,
    query: Query,
    look: Callable[[Fleet, Query], Awaitable[Kept]],
    asked: str = "",
    absent: str = "",
) -> Response:
    """The answer, or the stream, of the model of `query`; `asked` is its query string. Raises Refusal."""
    if not hub.ready:
        return starting()
    held = await find(request, hub, query, look, absent)
    key = ViewKey(request.url.path, asked, "application/json")
    return live(request, hub, key, lambda fleet, now: ResourceContent(lambda _: held.value, now))
