"""A report that CI uploaded: the tests that failed or waver, or the findings, a hundred on a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.reports import report_page

from .framed import Held, kept
from .page import Page

AT_ONCE = 100
"""Tests or findings on a page."""
_REGIONS = ("sentence", "items", "aside", "foot")


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Which report, and which hundred of what it says, from 1."""

    report: str
    part: int = 1

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> ReportQuery:
        """Read path and query string. Raises ValueError that says what is allowed."""
        told = dict(reversed([*params]))
        part = told.get("part", "1")
        if not (part.isdecimal() and len(part) < 4 and int(part)):
            raise ValueError("part= is no number of a page. Use 1, 2, 3 …")
        return cls(told.get("report", "")[:40], int(part))

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return f"part={self.part}" if self.part > 1 else ""

    @property
    def first(self) -> int:
        """The first item shown, from 0."""
        return (self.part - 1) * AT_ONCE

    @property
    def end(self) -> int:
        """The first one that is not shown any more."""
        return self.first + AT_ONCE


async def find(fleet: Fleet, query: ReportQuery) -> Kept:
    """Hold the report. Raises LookupError when there is none."""
    return await fleet.keep(
        f"reports/{query.report}",
        lambda: Kept(
            lambda connection, _: report_page(connection, query.report),
            lambda topic: topic.sort in ("report", "run"),
        ),
    )


def _open(fleet: Fleet, query: ReportQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, kept(fleet, f"reports/{query.report}"), _REGIONS, now)


PAGE = Page(
    path="/reports/{report}",
    title="Report",
    template="report.html",
    regions=_REGIONS,
    parse=ReportQuery.parse,
    open=_open,
    find=find,
    absent="No such report",
)
