"""One way to answer for everything that is live: a stream to who asks for one, else the view's bytes with
their tag."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import Request
from starlette.responses import Response

from app.read.fleet import Fleet

from . import sse
from .errors import Refusal
from .logs import without_secret
from .packing import takes_gzip
from .streams import Full, Hub
from .views import Content, View, ViewKey, etag
from .wire import Stream

VARY = "Accept, Accept-Encoding, HX-Request"
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def live(
    request: Request,
    hub: Hub,
    key: ViewKey,
    content: Callable[[Fleet, datetime], Content],
    fill: Sequence[bytes] = (),
    revoked: bytes = b"",
) -> Response:
    """The view of `key` as the client wants it: stream or body. `content` makes what it shows, if there is
    none yet; `fill` goes into a body's blanks, `revoked` ends the stream of who may no longer read.

    Raises Refusal (503) beyond the limit of streams or views. A body may only be asked for once the hub is
    ready.
    """

    def view() -> View:
        return hub.view(key, content)

    packs = takes_gzip(request.headers.getlist("accept-encoding"))
    try:
        if wants_stream(request):
            return Stream(hub, view, revoked, packs=packs)
        shown = view()
    except Full:
        raise refusal(
            request,
            503,
            "Too many watchers",
            "As many streams or views as this server allows are open.",
            "Close one, or try again in a few seconds.",
            headers={"retry-after": "5"},
        ) from None
    if packs:
        body, tag = shown.packed(fill)
        return tagged(request, body, tag, key.media_type, {"content-encoding": "gzip"})
    body, tag = shown.filled(fill)
    return tagged(request, body, tag, key.media_type)


def tagged(
    request: Request,
    body: bytes,
    tag: str = "",
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    """`body` with its entity tag (the hash of it, if none is given), or 304 to who has it already (RFC
    9110, 13.1.2)."""
    tag = tag or etag(body)
    headers = {"cache-control": "private, no-cache", "etag": tag, "vary": VARY, **(headers or {})}
    if matches(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, media_type=media_type)


def matches(conditions: list[str], tag: str) -> bool:
    """Whether `tag` is among the If-None-Match field lines, by weak comparison; "*" matches anything."""
    line = ",".join(conditions).strip()
    return line == "*" or tag in _TAG.findall(line)


def refusal(
    request: Request, status: int, what: str, why: str, todo: str, headers: dict[str, str] | None = None
) -> Refusal:
    """A problem to raise: what happened, why, what to do."""
    members = {"instance": without_secret(request.url.path), "what": f"{what}.", "why": why, "todo": todo}
    return Refusal(status, what, f"{why} {todo}", headers=headers, **members)


def wants_stream(request: Request) -> bool:
    """Whether the client asked for events."""
    return any(sse.MEDIA_TYPE in line.lower() for line in request.headers.getlist("accept"))
