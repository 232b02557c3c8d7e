"""The page of one run: its jobs, what was uploaded of its commit, the images it made, and the other attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.budget import BUDGET, Verdict
from app.store.ci_tables import ARTIFACT, RUN, beside
from app.store.report_tables import CASE

from . import reports, runs
from .board import Clause, Sentence
from .pipelines import minutes, scale
from .reports import FailedCase, ReportLine
from .runs import JobLine, RunLine

CASES = 100
"""Most tests on the page; each report has a page of its own."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run: its jobs in order, reports on its commit, cases that failed or waver, images it made, and its other
    attempts, newest first."""

    run: RunLine
    sentence: Sentence
    jobs: tuple[JobLine, ...]
    reports: tuple[ReportLine, ...]
    cases: tuple[FailedCase, ...]
    images: tuple[tuple[str, str], ...]
    attempts: tuple[RunLine, ...]
    scale: int
    budget: int


async def run_page(connection: AsyncConnection, ident: str) -> RunPage:
    """Raises LookupError when there is none."""
    row = (await connection.execute(select(RUN).where(RUN.c.id == ident))).first()
    if row is None:
        raise LookupError("No run with this id is known; it may have been too old to keep.")
    jobs = (await runs.jobs_of(connection, [ident])).get(ident, [])
    run = runs.line(row, jobs)
    told = await reports.lines(connection, sha=run.sha, repo=run.repo, limit=50) if run.sha else []
    cases = await _cases(connection, [report.id for report in told])
    made = await connection.execute(
        select(ARTIFACT.c.digest, ARTIFACT.c.name, ARTIFACT.c.tag)
        .where((ARTIFACT.c.run == ident) | ((ARTIFACT.c.sha == run.sha) & (ARTIFACT.c.repo == run.repo)))
        .limit(20)
    )
    others = (
        await connection.execute(
            select(RUN)
            .where(RUN.c.sha == row.sha, beside(RUN.c.repo) == row.repo, RUN.c.id != ident)
            .order_by(RUN.c.at.desc())
            .limit(20)
        )
    ).all()
    attempts = tuple(await runs.lines(connection, others)) if row.sha else ()
    return RunPage(
        run=run,
        sentence=_sentence_run(run, sum(case.result in ("failed", "error") for case in cases)),
        jobs=runs.job_lines(jobs),
        reports=tuple(told),
        cases=cases,
        images=tuple((f"{i.name or ''}{':' + i.tag if i.tag else ''}", i.digest) for i in made),
        attempts=attempts,
        scale=scale([run]),
        budget=int(BUDGET.total_seconds()),
    )


async def _cases(connection: AsyncConnection, ids: Sequence[str]) -> tuple[FailedCase, ...]:
    """Cases of these reports, new failures first, then known ones, then what wavers."""
    if not ids:
        return ()
    rows = await connection.execute(
        select(CASE).where(CASE.c.report.in_(ids)).order_by(CASE.c.place).limit(5 * CASES)
    )
    found = {
        row.identity: FailedCase(row.suite, row.name, row.result, row.message, row.flaky, row.known)
        for row in rows
    }
    return tuple(sorted(found.values(), key=reports.worst)[:CASES])


def _sentence_run(run: RunLine, failing: int) -> Sentence:
    attention = run.attention
    name = run.pipeline or "The run"
    if run.verdict is Verdict.RED:
        what = f"{failing:,} test{'' if failing == 1 else 's'} failed" if failing else run.word
    elif run.verdict is Verdict.RUNS:
        what = f"{name} runs" if run.word.startswith("Run") else f"{name}: {run.word.lower()}"
    else:
        what = f"{name} {run.word[:1].lower()}{run.word[1:]}"
    clauses = [Clause(attention, what, ".")]
    if run.over:
        clauses.append(
            Clause(None, f"It took {minutes(run.seconds or 0)}, {minutes(run.over)} over the budget", ".")
        )
    elif run.seconds is not None:
        clauses.append(Clause(None, f"It took {minutes(run.seconds)} of ten minutes", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))
