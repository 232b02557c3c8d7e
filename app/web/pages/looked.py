"""What changed since this browser opened the board before: a line for whoever was away, by a cookie that holds nothing
but two instants.

A page that stays open is opened once, so the line tells when that was and does not claim that nobody looked since.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import Request
from starlette.responses import Response
from starlette.types import Scope

from app.read.fleet import KEPT, Fleet
from app.read.query import BoardQuery
from app.read.since import changes, remembered
from app.web.render import Renderer

COOKIE = "looked"
AWAY = timedelta(minutes=10)
"""Who was away for less needs no telling."""
DISMISS = "looked"
"""The parameter that says that the line was read."""
_LASTS = 90 * 86_400


def line(renderer: Renderer, fleet: Fleet, query: BoardQuery, scope: Scope, now: datetime) -> str:
    """The line, or nothing to say."""
    since, _ = visit(Request(scope), now)
    if since is None:
        return ""
    found = changes(fleet, query, max(since, now - KEPT), now, remembered(fleet))
    asked = query.query_string()
    dismiss = f"?{asked}&{DISMISS}=1" if asked else f"?{DISMISS}=1"
    return renderer.page("since.html", {"told": found, "since": since, "now": now, "dismiss": dismiss})


def visit(request: Request, now: datetime) -> tuple[datetime | None, datetime]:
    """Since when this browser is to be told (None: it was not away), and when it opened the board before."""
    try:
        first, second = (int(part) for part in request.cookies.get(COOKIE, "").split("."))
        told, seen = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):
        return None, now
    if now - seen > AWAY:
        return seen, now
    return (told if first and told < now else None), now


def mark(request: Request, response: Response, now: datetime, *, dismissed: bool = False) -> Response:
    """`response` with the cookie for the next time."""
    since, seen = visit(request, now)
    told = int(since.timestamp()) if since and not dismissed else 0
    value = f"{told}.{int(seen.timestamp())}"
    response.set_cookie(
        COOKIE, value, _LASTS, secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )
    return response
