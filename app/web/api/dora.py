"""/dora: the five figures, and the rows that they recompute from as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.read import dora as read
from app.read.dora import Dora, DoraRow
from app.read.dora_query import DoraQuery
from app.web.answers import tagged
from app.web.auth import needs
from app.web.pages import dora as page
from app.web.streams import Hub

from . import sample_ci
from .held import parsed, resource
from .listing import Listed, answers, listed, starting

_ROWS = "dora-rows"
Text = Annotated[str, Query(max_length=200)]
Window = Annotated[str, Query(description="7d, 30d or 12w.")]
Until = Annotated[str, Query(max_length=40, description="End of the window, an instant; now without it.")]


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/dora",
        dependencies=[needs(Permission.VIEW)],
        response_model=Dora,
        responses=answers(sample_ci.DORA, [sample_ci.DORA], 400),
    )
    async def dora(
        request: Request,
        environment: Text = "",
        service: Text = "",
        window: Window = "30d",
        until: Until = "",
        figure: Text = "",
    ) -> Response:
        """The five figures of one environment with n and 95 % interval, by weeks and by service; null is unknown. With
        `figure` also its newest rows. As a stream: the whole, whenever it changed."""
        query = parsed(request, DoraQuery.parse)
        return await resource(request, hub, query, page.find, query.query_string())

    @router.get(
        "/dora/rows",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[DoraRow],
        responses=answers(Listed((sample_ci.DORA_ROW,), None), [], 400),
    )
    async def rows(
        request: Request,
        environment: Text = "",
        service: Text = "",
        window: Window = "30d",
        until: Until = "",
        figure: Text = "",
    ) -> Response:
        """Every deployment of the window with what it counts as; the figures are counted from exactly these. An export:
        all are on one page, so `next` is null."""
        if not hub.ready:
            return starting()
        return listed(request, _ROWS, await _rows(request, hub), None)

    @router.get("/dora/rows.csv", dependencies=[needs(Permission.VIEW)], include_in_schema=False)
    async def table(request: Request) -> Response:
        """The same as CSV (RFC 4180)."""
        if not hub.ready:
            return starting()
        found = await _rows(request, hub)
        named = {"content-disposition": 'attachment; filename="deployments.csv"'}
        return tagged(request, to_csv(found).encode(), media_type="text/csv; charset=utf-8", headers=named)


async def _rows(request: Request, hub: Hub) -> Sequence[DoraRow]:
    query = parsed(request, DoraQuery.parse)
    async with hub.database.reading() as connection:
        return await read.rows(connection, hub.fleet, query, hub.clock())


def to_csv(rows: Sequence[DoraRow]) -> str:
    """Rows as CSV with a head; several values of one cell stand with a space between. What a spreadsheet would take for
    a formula gets an apostrophe."""
    names = list(DoraRow.__dataclass_fields__)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return " ".join(_cell(one) for one in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and isinstance(value, str) else text
