"""Pages as they were at a past minute, by `?at=`: the same templates over the fleet as it was then.

No stream and nothing to press; links and forms on such a page lead to the same minute.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from app.read.frost import alarms
from app.read.lookback import scrubber
from app.read.query import BoardQuery
from app.web import auth
from app.web.answers import refusal, tagged
from app.web.formats import stamp
from app.web.past import fleet_then
from app.web.render import Renderer
from app.web.streams import Hub
from app.web.views import BLANK

from .page import Page, PageContent, Query, RowCache

_LINK = re.compile(r'(?<!data-now )href="(/(?:workloads(?:/[^/"?#]+){4})?|)(\?[^"#]*)?"')
_FORM = '<form method="get" role="search">'


class LookBack:
    """Draws past minutes. Rows are shared from one minute to the next, apart from those of now."""

    def __init__(self, hub: Hub, renderer: Renderer, pages: Sequence[Page]) -> None:
        self._hub, self._renderer, self._pages, self._cache = hub, renderer, pages, RowCache()

    async def show(self, request: Request, page: Page, query: Query) -> Response:
        """`page` at the minute that the request names. Raises Refusal."""
        hub, renderer = self._hub, self._renderer
        fleet = await fleet_then(request, hub, request.query_params["at"])
        at = fleet.at_minute
        try:
            kept = await page.find(fleet, query) if page.find else None
            board = query if isinstance(query, BoardQuery) else BoardQuery()
            async with hub.database.reading() as connection:
                way = await scrubber(connection, fleet, board, hub.clock())
        except LookupError as error:
            what = f"{page.absent} at {at:%H:%M} UTC, {at.day} {at:%b}"
            raise refusal(
                request, 404, what, str(error.args[0]), "It may be there at another minute."
            ) from None
        asked = query.query_string()
        here = quote(request.url.path)
        address = f"{here}?{asked}&at={stamp(at)}" if asked else f"{here}?at={stamp(at)}"
        content = PageContent(
            page,
            query,
            page.open(fleet, query, at, hub.environments),
            renderer,
            self._cache,
            at,
            self._pages,
            alarms=lambda now: alarms(fleet.gates, now),
            address=address,
            more={"past": way, "back": f"{here}?{asked}" if asked else here},
        )
        del kept  # it holds what the projection reads
        who = renderer.page("who.html", {"viewer": auth.viewer(request.scope)})
        body = keeping(content.body().decode(), at).encode()
        filled = body.replace(BLANK, who.encode(), 1).replace(BLANK, b"")
        return tagged(request, filled, "", "text/html", {"hx-push-url": address})


def keeping(html: str, at: datetime) -> str:
    """`html` with links and searches that stay at the minute, where the page they lead to can."""
    told = f"at={stamp(at)}"

    def link(match: re.Match[str]) -> str:
        path, query = match[1], match[2] or ""
        if (not path and not query) or re.search(r"[?;&]at=", query):
            return match[0]
        return f'href="{path}{query}&amp;{told}"' if len(query) > 1 else f'href="{path}?{told}"'

    field = f'<input type="hidden" name="at" value="{stamp(at)}">'
    return _LINK.sub(link, html).replace(_FORM, _FORM + field)
