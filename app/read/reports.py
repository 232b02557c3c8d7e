"""What uploaded reports say, for pages and the API: counts, failing cases with new against known, findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.reports import ReportSubject
from app.store.ci_tables import RUN
from app.store.report_tables import CASE, REPORT, SCAN, SIGNATURE, TESTS

KEY_LASTS = timedelta(hours=24)
"""How long a sender's key of an upload is remembered."""
_MAX = 500
_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class TestCounts:
    """Numbers of a report of tests. `new` failures did not fail in the report of commit `compared`, which is the
    last one of the default branch (null: there is none to compare with)."""

    tool: str
    passed: int
    failed: int
    errors: int
    skipped: int
    flaky: int
    new: int
    seconds: float
    compared: str | None


@dataclass(frozen=True, slots=True)
class FailedCase:
    """A case that failed or is flaky; `known` is null where there is nothing to compare with."""

    suite: str
    name: str
    result: str
    message: str
    flaky: bool
    known: bool | None


@dataclass(frozen=True, slots=True)
class ScanCounts:
    """Numbers of a scan or a bill of materials; `failed` says why the scan did not work, empty when it did."""

    tool: str
    version: str
    subject: str
    components: int | None
    failed: str
    critical: int
    high: int
    medium: int
    low: int
    unknown: int
    info: int
    suppressed: int
    fixable: int


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """What a signature is worth for one digest: "claimed", "verified" or "unverifiable" for `reason`."""

    subject: str
    proof: str
    predicate: str
    builder: str
    identity: str
    issuer: str
    repo: str
    sha: str
    signed_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report and its numbers. `state` is "taken" or "refused" for `reason`."""

    id: str
    kind: str
    state: str
    reason: str
    repo: str
    sha: str
    digest: str
    job: str
    branch: str
    received_at: datetime
    tests: TestCounts | None = None
    scan: ScanCounts | None = None
    signatures: tuple[SignatureLine, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportShown:
    """A report with what is kept of its items: the first 500 cases that failed or are flaky, new ones first, and the
    500 worst findings; and the newest run on its commit (empty: none is known)."""

    report: ReportLine
    cases: tuple[FailedCase, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    run: str = ""

    @property
    def items(self) -> int:
        """How many cases or findings there are, kept or not."""
        if tests := self.report.tests:
            return max(tests.failed + tests.errors + tests.flaky, len(self.cases))
        scan = self.report.scan
        words = ("critical", "high", "medium", "low", "unknown", "info")
        return sum(getattr(scan, word) for word in words) if scan else 0


async def lines(
    connection: AsyncConnection,
    *,
    ids: Iterable[str] = (),
    sha: str = "",
    digest: str = "",
    repo: str = "",
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> list[ReportLine]:
    """Reports, the newest first: those of `ids`, else of a commit, a digest, a repository, or all; `after` is the
    last of the page before."""
    query = select(REPORT).order_by(REPORT.c.received_at.desc(), REPORT.c.id.desc()).limit(limit)
    wanted = list(ids)
    if wanted:
        query = query.where(REPORT.c.id.in_(wanted[:_MAX]))
    for column, value in ((REPORT.c.sha, sha), (REPORT.c.digest, digest), (REPORT.c.repo, repo)):
        if value:
            query = query.where(column == value)
    if after:
        at, last = after
        query = query.where(
            (REPORT.c.received_at < at) | ((REPORT.c.received_at == at) & (REPORT.c.id < last))
        )
    rows = (await connection.execute(query)).all()
    found = [row.id for row in rows]
    tests = await _by_id(connection, select(TESTS).where(TESTS.c.id.in_(found)))
    scans = await _by_id(connection, select(SCAN).where(SCAN.c.id.in_(found)))
    signatures: dict[str, list[SignatureLine]] = {}
    order = SIGNATURE.c.subject
    for row in await connection.execute(
        select(SIGNATURE).where(SIGNATURE.c.report.in_(found)).order_by(order).limit(_MAX)
    ):
        signatures.setdefault(row.report, []).append(_of(SignatureLine, row))
    return [
        ReportLine(
            row.id,
            row.kind,
            row.state,
            row.reason,
            row.repo,
            row.sha,
            row.digest,
            row.job,
            row.branch,
            row.received_at,
            _tests(tests.get(row.id)),
            _of(ScanCounts, scans[row.id]) if row.id in scans else None,
            tuple(signatures.get(row.id, ())),
        )
        for row in rows
    ]


async def shown(connection: AsyncConnection, report: str) -> ReportShown | None:
    """One report with its items; None when there is none."""
    found = await lines(connection, ids=[report])
    if not found:
        return None
    query = select(CASE).where(CASE.c.report == report).order_by(CASE.c.place)
    cases = [_of(FailedCase, row) for row in await connection.execute(query)]
    findings = await connection.scalar(select(SCAN.c.findings).where(SCAN.c.id == report))
    run = None
    if sha := found[0].sha:
        runs = select(RUN.c.id).where(RUN.c.sha == sha, RUN.c.repo == found[0].repo)
        run = await connection.scalar(runs.order_by(RUN.c.at.desc()).limit(1))
    return ReportShown(
        found[0], tuple(sorted(cases, key=worst)), tuple(_decode(findings)) if findings else (), run or ""
    )


async def report_page(connection: AsyncConnection, report: str) -> ReportShown:
    """One report with its items. Raises LookupError when there is none."""
    if (found := await shown(connection, report)) is None:
        raise LookupError("There is no such report, or it was too old to keep.")
    return found


def worst(case: FailedCase) -> tuple[bool, bool, bool, str, str]:
    """Sorts cases: new failures first, then known ones, then what wavers."""
    return (case.result not in ("failed", "error"), case.flaky, case.known is True, case.suite, case.name)


async def earlier(
    connection: AsyncConnection, by: str, key: str, since: datetime
) -> list[tuple[str, str, ReportSubject]]:
    """What a sender uploaded under `key` since: the report's id, its SHA-256, and what it is about."""
    query = select(REPORT).where(
        REPORT.c.sender == by, REPORT.c.request == key, REPORT.c.received_at >= since
    )
    return [
        (row.id, row.sha256, ReportSubject(row.repo, row.sha, row.digest, row.job, row.branch))
        for row in await connection.execute(query.limit(100))
    ]


async def _by_id(connection: AsyncConnection, query: Select[Any]) -> dict[str, Any]:
    return {row.id: row for row in await connection.execute(query)}


def _of(model: Any, row: Any) -> Any:
    """`row` as `model`, whose fields are named as its columns."""
    return model(**{name: getattr(row, name) for name in model.__dataclass_fields__})


def _tests(row: Any) -> TestCounts | None:
    if row is None:
        return None
    return TestCounts(
        row.tool,
        row.passed,
        row.failed,
        row.errors,
        row.skipped,
        row.flaky,
        row.fresh,
        row.seconds,
        row.compared,
    )
