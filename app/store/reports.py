"""Uploaded reports become rows, once each; test cases are held against other reports of the same commit (flaky) and
against the last one of the default branch (new or known).

On PostgreSQL one process at a time does so (an advisory lock), since comparing is read, then write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import reports
from app.domain.names import Topic
from app.domain.reports import (
    BAD,
    MAX_KEPT,
    Attestation,
    Bill,
    CaseResult,
    Contents,
    Past,
    Reported,
    ReportSubject,
    ScanReport,
    Severity,
    TestReport,
    Upload,
)
from app.store.ci_tables import COMMIT, RUN
from app.store.mapping import Values
from app.store.packages import record_packages
from app.store.report_tables import CASE, REPORT, SCAN, SIGNATURE, TESTS

DEFAULT_BRANCHES = ("main", "master", "trunk", "default")
"""Branches that failing tests are compared with, where a report of one of them is there."""
_LOCK = 0x5348_5250
_WIDTH = 8
_MAX_RUNS = 50
_MAX_REPORTS, _MAX_BYTES = 2000, 4 << 20
"""What is compared with: so many reports of a commit and job, since one file a class is usual, and half a million
cases together."""
_encode = msgspec.json.Encoder().encode


async def record_reports(connection: AsyncConnection, facts: Sequence[Reported]) -> set[Topic]:
    """Write those of `facts` that are not there yet; answers the topics they change."""
    topics: set[Topic] = set()
    if facts and connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for fact in facts:
        state = await connection.scalar(select(REPORT.c.state).where(REPORT.c.id == fact.upload.id))
        if state == "taken" or (state and fact.contents is None):
            continue
        if state:
            await connection.execute(delete(REPORT).where(REPORT.c.id == fact.upload.id))
        topics |= await _record(connection, fact.upload, fact.contents)
    return topics


async def _record(connection: AsyncConnection, upload: Upload, contents: Contents | None) -> set[Topic]:
    about = await _target(connection, upload.target, contents)
    row: Values = {
        "id": upload.id,
        "kind": upload.kind,
        "repo": about.repo,
        "sha": about.sha,
        "digest": about.digest,
        "job": about.job,
        "branch": about.branch,
        "sha256": upload.sha256,
        "bytes": upload.bytes,
        "sender": upload.by,
        "request": upload.key,
        "received_at": upload.received_at,
        "state": "taken" if contents is not None else "refused",
        "reason": upload.refused,
    }
    await connection.execute(REPORT.insert(), row)
    match contents:
        case TestReport():
            await _tests(connection, upload, about, contents)
        case ScanReport() | Bill():
            await connection.execute(SCAN.insert(), _scan(upload.id, contents))
            if isinstance(contents, Bill):
                await record_packages(connection, upload, contents)
        case Attestation():
            rows = [_signature(upload.id, subject, contents) for subject in contents.subjects]
            await connection.execute(SIGNATURE.insert(), rows)
    return await _topics(connection, upload.id, about)


async def _target(
    connection: AsyncConnection, told: ReportSubject, contents: Contents | None
) -> ReportSubject:
    """What a report is about, all things considered; its branch also from what CI said of the commit."""
    if contents is not None:
        image = getattr(contents, "image", reports.Image())
        about = told.or_else(contents.repo, contents.sha, image.digest, contents.branch)
    else:
        about = told
    if about.sha and not about.branch:
        query = select(RUN.c.branch).where(RUN.c.sha == about.sha, RUN.c.branch.is_not(None))
        branch = await connection.scalar(query.order_by(RUN.c.at).limit(1))
        if branch is None:
            branch = await connection.scalar(
                select(COMMIT.c.branch).where(COMMIT.c.sha == about.sha).limit(1)
            )
        about = about.or_else(branch=branch or "")
    return about


async def _topics(connection: AsyncConnection, report: str, about: ReportSubject) -> set[Topic]:
    topics = {Topic("report", report)}
    if about.digest:
        topics.add(Topic("artifact", about.digest))
    if about.sha:
        topics.add(Topic("commit", about.sha))
        query = select(RUN.c.id).where(RUN.c.sha == about.sha)
        if about.repo:
            query = query.where(RUN.c.repo == about.repo)
        runs = await connection.scalars(query.order_by(RUN.c.at.desc()).limit(_MAX_RUNS))
        topics |= {Topic("run", run) for run in runs}
    return topics


@dataclass(frozen=True, slots=True)
class _Before:
    """Which commit failing cases are compared with, and what its reports said."""

    sha: str
    past: Past


async def _tests(
    connection: AsyncConnection, upload: Upload, about: ReportSubject, found: TestReport
) -> None:
    same = await _past(connection, about, about.sha, upload.id) if about.sha else Past()
    before = await _before(connection, upload, about)
    identities = found.identities
    kept: list[Values] = []
    flaky = fresh = 0
    passing: list[str] = []
    failing: list[str] = []
    for place, (case, identity) in enumerate(zip(found.cases, identities, strict=True)):
        bad = case.result in BAD
        if bad:
            failing.append(identity)
        elif case.result is CaseResult.PASSED:
            passing.append(identity)
        wavers = reports.flaky(identity, case.result, case.flaky, same)
        known = reports.known(identity, before.past if before else None) if bad else None
        flaky, fresh = flaky + wavers, fresh + (known is False)
        if (bad or wavers) and len(kept) < MAX_KEPT:
            kept.append(
                {
                    "report": upload.id,
                    "place": place,
                    "identity": identity,
                    "suite": case.suite,
                    "name": case.name,
                    "result": case.result,
                    "message": case.message,
                    "flaky": wavers,
                    "known": known,
                }
            )
    row = {
        "id": upload.id,
        "tool": found.tool,
        "passed": len(passing),
        "failed": found.count(CaseResult.FAILED),
        "errors": found.count(CaseResult.ERROR),
        "skipped": found.count(CaseResult.SKIPPED),
        "flaky": flaky,
        "fresh": fresh,
        "seconds": found.seconds,
        "compared": before.sha if before else None,
        "passing": _packed(passing),
        "failing": _packed(failing),
    }
    await connection.execute(TESTS.insert(), row)
    if kept:
        await connection.execute(CASE.insert(), kept)
    if about.sha and same.failed:
        await _waver(connection, upload.id, about, set(passing) & set(same.failed))


async def _waver(connection: AsyncConnection, this: str, about: ReportSubject, identities: set[str]) -> None:
    """Mark cases as flaky that failed in other reports of the commit and pass in this one."""
    others = select(REPORT.c.id).where(*_same(about, about.sha), REPORT.c.id != this)
    names = sorted(identities)
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        await connection.execute(
            update(CASE).where(CASE.c.report.in_(others), CASE.c.identity.in_(some)).values(flaky=True)
        )
    if names:
        flaky = select(func.count()).where(CASE.c.report == TESTS.c.id, CASE.c.flaky.is_(True))
        count = flaky.scalar_subquery()
        await connection.execute(
            update(TESTS).where(TESTS.c.id.in_(others), TESTS.c.flaky < count).values(flaky=count)
        )


def _same(about: ReportSubject, sha: str) -> tuple[Any, ...]:
    return (REPORT.c.sha == sha, REPORT.c.repo == about.repo, REPORT.c.job == about.job)


async def _past(connection: AsyncConnection, about: ReportSubject, sha: str, this: str) -> Past:
    """What other reports of the commit and job say of cases."""
    size = func.length(TESTS.c.passing) + func.length(TESTS.c.failing)
    sizes = (
        select(TESTS.c.id, size.label("size"))
        .join(REPORT, REPORT.c.id == TESTS.c.id)
        .where(*_same(about, sha), REPORT.c.id != this)
        .order_by(REPORT.c.received_at.desc())
        .limit(_MAX_REPORTS)
    )
    ids: list[str] = []
    left = _MAX_BYTES
    for row in await connection.execute(sizes):
        left -= row.size
        if left < 0:
            break
        ids.append(row.id)
    passed: set[str] = set()
    failed: set[str] = set()
    for start in range(0, len(ids), 500):
        query = select(TESTS.c.passing, TESTS.c.failing).where(TESTS.c.id.in_(ids[start : start + 500]))
        for row in await connection.execute(query):
            passed |= _unpacked(row.passing)
            failed |= _unpacked(row.failing)
    return Past(failed, passed)


async def _before(connection: AsyncConnection, upload: Upload, about: ReportSubject) -> _Before | None:
    """The commit to compare with: the last one of the default branch, else of any, that this job reported of."""
    if not about.repo or not about.sha:
        return None
    query = (
        select(REPORT.c.sha)
        .join(TESTS, TESTS.c.id == REPORT.c.id)
        .where(REPORT.c.repo == about.repo, REPORT.c.job == about.job, REPORT.c.sha.not_in(("", about.sha)))
        .where(REPORT.c.received_at <= upload.received_at)
        .order_by(REPORT.c.branch.in_(DEFAULT_BRANCHES).desc(), REPORT.c.received_at.desc())
        .limit(1)
    )
    sha = await connection.scalar(query)
    return _Before(sha, await _past(connection, about, sha, upload.id)) if sha else None


def _packed(identities: Iterable[str]) -> bytes:
    return b"".join(bytes.fromhex(identity) for identity in identities)


def _unpacked(packed: bytes) -> set[str]:
    return {packed[at : at + _WIDTH].hex() for at in range(0, len(packed), _WIDTH)}


def _scan(report: str, found: ScanReport | Bill) -> Values:
    counts = {severity.value: 0 for severity in Severity}
    for finding in found.findings:
        counts[finding.severity] += 1
    kept = reports.worst_first(found.findings)[:MAX_KEPT]
    scan = isinstance(found, ScanReport)
    return {
        "id": report,
        "tool": found.tool if isinstance(found, ScanReport) else found.format,
        "version": found.version if isinstance(found, ScanReport) else "",
        "subject": found.subject if isinstance(found, Bill) else (found.image.tags or ("",))[0],
        "components": found.components if isinstance(found, Bill) else None,
        "failed": found.failed if isinstance(found, ScanReport) else "",
        **counts,
        "suppressed": found.suppressed,
        "fixable": sum(bool(finding.fixed_in) for finding in found.findings) if scan else 0,
        "findings": _encode(kept).decode(),
    }


def _signature(report: str, subject: str, found: Attestation) -> Values:
    return {
        "report": report,
        "subject": subject,
        "proof": found.proof,
        "predicate": found.predicate,
        "builder": found.builder,
        "identity": found.identity,
        "issuer": found.issuer,
        "repo": found.repo,
        "sha": found.sha,
        "signed_at": found.signed_at,
        "reason": found.reason,
    }
