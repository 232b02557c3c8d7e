"""/reports: what CI uploaded, the newest first, and one of them with its failing cases or findings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.domain.repositories import repo_key
from app.read.reports import FailedCase, ReportLine, ReportShown, TestCounts, lines
from app.store.db import Database
from app.web.auth import needs
from app.web.pages import report as page
from app.web.streams import Hub

from .held import resource
from .listing import Cursor, Limit, Listed, answers, listed, position

_NAME = "reports"
_POSITION = msgspec.json.Decoder(tuple[datetime, str])
_LINE = ReportLine(
    "5f0c91ab6b2e11f18f8e3c5d",
    "junit",
    "taken",
    "",
    "github.com/acme/cart",
    "9c1f0e7d" * 5,
    "",
    "unit",
    "main",
    datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    TestCounts("JUnit", 1204, 1, 0, 6, 0, 1, 41.7, "1f0e7d9c" * 5),
)
_CASE = FailedCase("cart › tests.test_total", "test_rounding", "failed", "assert 1.01 == 1.0", False, False)
_SHOWN = ReportShown(_LINE, (_CASE,), (), "1f0e7d9c5f0c91ab6b2e11f1")


def add_list(router: APIRouter, database: Database) -> None:
    """Add the list to `router`."""

    @router.get(
        "/reports",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[ReportLine],
        responses=answers({"items": [_LINE], "next": None}, [], 400),
    )
    async def many(
        request: Request,
        sha: Annotated[str, Query(max_length=64, description="Only those of this commit.")] = "",
        digest: Annotated[str, Query(max_length=71, description="Only those of this image.")] = "",
        repo: Annotated[str, Query(max_length=300, description="Only those of this repository.")] = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Reports with their counts, without cases and findings."""
        after = position(request, _NAME, cursor, _POSITION)
        wanted = {"sha": sha.lower(), "digest": digest.lower(), "repo": repo_key(repo) or repo}
        async with database.reading() as connection:
            found = await lines(connection, **wanted, after=after, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return listed(request, _NAME, found[:limit], last and (last.received_at, last.id))


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation on one report to `router`."""

    @router.get(
        "/reports/{ident}",
        dependencies=[needs(Permission.VIEW)],
        response_model=ReportShown,
        responses=answers(_SHOWN, [_SHOWN], 404),
    )
    async def one(request: Request, ident: Annotated[str, Path(pattern="^[0-9a-f]{24}$")]) -> Response:
        """One report with the cases that failed or are flaky, or with its findings. As a stream: the whole, whenever
        it changed."""
        return await resource(request, hub, page.ReportQuery(ident), page.find, absent="No such report")
