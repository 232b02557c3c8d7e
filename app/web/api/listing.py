"""What the resources of the API have in common: parameters, pages of a list, the answer while starting,
documentation."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import FastAPI, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from app.web import sse
from app.web.answers import VARY, refusal, tagged
from app.web.errors import MEDIA_TYPE as PROBLEM

from . import cursors
from .contents import encode

Names = Annotated[list[str], Query(default_factory=list, max_length=50)]
Words = Annotated[str, Query(max_length=100, description="Words that must all be found.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Most items in one answer.")]
Cursor = Annotated[str, Query(max_length=cursors.MAX_LENGTH, description="`next` of the page before.")]
T = TypeVar("T")
V = TypeVar("V", bound=str)
_CURSOR = (
    "Invalid cursor",
    "This cursor was not issued for this list.",
    "Take it from `next` of the page before, or begin without one.",
)


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A page of a list. `next` is the cursor of the page that follows, null on the last one."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong (RFC 9457): what happened, why, and what to do about it."""

    type: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class Starting:
    """Shipboard has just started and is still reading its database."""

    what: str = "Shipboard is starting."
    todo: str = "Ask again in a second."


def starting() -> Response:
    """202: nothing can be said yet."""
    headers = {"retry-after": "1", "cache-control": "no-store", "vary": VARY}
    return Response(encode(Starting()), 202, headers, media_type="application/json")


def position(request: Request, resource: str, cursor: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """Where the list goes on (None: at its beginning). Raises Refusal (400)."""
    try:
        return cursors.decode(resource, cursor, decoder) if cursor else None
    except ValueError:
        raise refusal(request, 400, *_CURSOR) from None


def listed(request: Request, resource: str, items: Sequence[object], position: object | None) -> Response:
    """One page of a list, with a Link to the page that follows, if any does (RFC 8288)."""
    cursor = None if position is None else cursors.encode(resource, position)
    headers: dict[str, str] = {}
    if cursor:
        kept = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
        headers["link"] = f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
    return tagged(request, encode({"items": items, "next": cursor}), headers=headers)


def distinct(values: Sequence[V]) -> tuple[V, ...]:
    """Each value once, in order."""
    return tuple(sorted(set(values)))


def canonical(query: object) -> str:
    """A frozen query as text that is the same for equal queries."""
    return encode(query).decode()


def answers(example: object, events: Sequence[object], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documents an operation's answers: an example of the body, of the events of its stream (none: it has no stream
    and does not depend on what is still being read), and what can go wrong."""
    stream = "".join(sse.event(encode(data), "5f0c91ab.1").decode() for data in events)
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "content": {
                "application/json": {"example": encode(example).decode()},
                sse.MEDIA_TYPE: {"schema": {"type": "string"}, "example": stream},
            }
        },
        202: _answer("Shipboard is starting; see Retry-After.", "application/json", Starting, Starting()),
        304: {"description": "The entity tag in If-None-Match still holds."},
    }
    if not events:
        del found[202], found[200]["content"][sse.MEDIA_TYPE]
    for status in (*statuses, 401, 403, 414, 422, 429, 503):
        title, detail = _WRONG[status]
        problem = Problem("about:blank", title, status, detail)
        found[status] = _answer(title, PROBLEM, Problem, problem)
    return found


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`."""
    found = copy.deepcopy(app.openapi())
    for operations in found["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                for media_type, body in answer.get("content", {}).items():
                    if media_type.endswith("json") and isinstance(body.get("example"), str):
                        body["example"] = msgspec.json.decode(body["example"])
    return found


def _answer(description: str, media_type: str, model: type, example: object) -> dict[str, Any]:
    schema = TypeAdapter(model).json_schema(mode="serialization")
    body = {"schema": schema, "example": encode(example).decode()}
    return {"description": description, "content": {media_type: body}}


_WRONG: Mapping[int, tuple[str, str]] = {
    400: (_CURSOR[0], " ".join(_CURSOR[1:])),
    401: ("Not signed in", "Send a token: Authorization: Bearer …, or sign in at /login."),
    403: ("Not permitted", "Your roles do not hold this; blocked_by tells what stands in the way."),
    404: ("Not found", "Nothing like this is known. It may have been deleted; the list has all there are."),
    422: ("Invalid request", "Some of the request's values are not what this address takes; see errors."),
    414: ("Request too large", "Its address or headers are too long."),
    429: ("Too many requests", "This was asked for more often than anybody needs. Try again in 15 s."),
    503: ("Too many watchers", "As many streams as this server allows are open. Try again in a few seconds."),
}
