"""A report that CI uploaded: the tests that failed or waver, the findings, or the packages, a hundred on a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.reports import report_page

from .framed import Held
from .packages import AT_ONCE, of_part, of_report, opened, part_of, search_of
from .page import Page

_REGIONS = ("sentence", "items", "aside", "foot")


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Which report, which hundred of what it says, from 1, and which `package` of those it lists."""

    report: str
    part: int = 1
    package: str = ""

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> ReportQuery:
        """Read path and query string. Raises ValueError that says what is allowed."""
        told = dict(reversed([*params]))
        return cls(told.get("report", "")[:40], part_of(told), search_of(told))

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return of_part(self.package, self.part)

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


async def _find(fleet: Fleet, query: ReportQuery) -> tuple[Kept, Kept]:
    return await find(fleet, query), await of_report(fleet, query.report)


def _open(fleet: Fleet, query: ReportQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, opened(fleet, f"reports/{query.report}", query.package), _REGIONS, now)


PAGE = Page(
    path="/reports/{report}",
    title="Report",
    template="report.html",
    regions=_REGIONS,
    parse=ReportQuery.parse,
    open=_open,
    find=_find,
    absent="No such report",
)
