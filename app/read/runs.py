"""Pipeline runs as pages and the API show them: one attempt of a run with its stages as spans of time.

Instants only, never ages: what still runs is drawn as of the moment it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import budget
from app.domain.budget import BUDGET, QUEUE, Timed, Verdict
from app.domain.ci import CiOutcome, CiPhase
from app.domain.jobs import JobStage
from app.domain.names import cut
from app.domain.rollout import Attention
from app.store.ci_tables import JOB, RUN, RUN_SERVICE

AT_ONCE = 500
"""Most ids asked for in one query."""
_ORDER = {stage.value: place for place, stage in enumerate(JobStage)}
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job. `seconds` is how long it took, None while it runs; `again` that it was tried more than once."""

    id: str
    name: str
    stage: str
    attention: Attention | None
    word: str
    started_at: datetime | None
    ended_at: datetime | None
    seconds: int | None
    runner: str
    url: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class StageSpan:
    """A stage from its first job's start to its last job's end (None: it runs). `lane` counts from 0 downwards
    where stages run side by side; attention is None for one that passed."""

    name: str
    started_at: datetime
    ended_at: datetime | None
    lane: int
    attention: Attention | None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One attempt of a run. `seconds` is from its beginning, queue included, to its end (None: not over),
    `queued` how much of it before the first job, `over` by how much more than the budget it took. `failing` counts
    test cases that failed on its commit, None where no report tells. `as_of` is until when one that runs is drawn."""

    id: str
    services: tuple[str, ...]
    repo: str
    pipeline: str
    branch: str
    sha: str
    title: str
    actor: str
    number: int | None
    attempt: int
    url: str
    begun_at: datetime
    ended_at: datetime | None
    seconds: int | None
    queued: int
    over: int
    verdict: Verdict
    attention: Attention | None
    word: str
    stages: tuple[StageSpan, ...]
    failing: int | None = None
    as_of: datetime | None = None


def timed(run: RunLine) -> Timed:
    """`run` as the rules of the budget need it."""
    stages = {
        span.name: (span.ended_at - span.started_at).total_seconds() for span in run.stages if span.ended_at
    }
    went = run.verdict is Verdict.GREEN
    return Timed(
        run=run.id,
        sha=run.sha,
        title=run.title,
        actor=run.actor,
        at=run.begun_at,
        verdict=run.verdict,
        through=went,
        seconds=run.seconds,
        stages={**stages, QUEUE: float(run.queued)} if run.queued else stages,
    )


def of_service(
    service: Any, branches: Sequence[str] = (), limit: int = 200, after: Any = None
) -> Select[Any]:
    """The newest runs of a service, of `branches` where any are given; at most the newest 400 are looked at."""
    newest = select(RUN_SERVICE.c.run).where(RUN_SERVICE.c.service == service)
    if after is not None:
        newest = newest.where(RUN_SERVICE.c.at < after)
    inner = newest.order_by(RUN_SERVICE.c.at.desc()).limit(400).subquery()
    query = (
        select(RUN)
        .join(inner, inner.c.run == RUN.c.id)
        .order_by(RUN.c.at.desc(), RUN.c.id.desc())
        .limit(limit)
    )
    return query.where(RUN.c.branch.in_(branches)) if branches else query


async def jobs_of(connection: AsyncConnection, runs: Iterable[str]) -> Mapping[str, list[Any]]:
    """Rows of jobs by run."""
    ids, found = sorted(set(runs)), dict[str, list[Any]]()
    for start in range(0, len(ids), AT_ONCE):
        for row in await connection.execute(_JOBS, {"runs": ids[start : start + AT_ONCE]}):
            found.setdefault(row.run, []).append(row)
    return found


_JOBS = select(JOB).where(JOB.c.run.in_(bindparam("runs", expanding=True)))


async def lines(connection: AsyncConnection, rows: Sequence[Any]) -> list[RunLine]:
    """`rows` of runs with their stages, in the same order."""
    jobs = await jobs_of(connection, [row.id for row in rows])
    return [line(row, jobs.get(row.id, ())) for row in rows]


def latest_attempts(rows: Iterable[Any]) -> list[Any]:
    """Of each run only its last attempt, in order."""
    best: dict[tuple[str, ...], Any] = {}
    for row in rows:
        key = (row.provider, row.host, row.project, row.run)
        if key not in best or best[key].attempt < row.attempt:
            best[key] = row
    ids = {row.id for row in best.values()}
    return [row for row in rows if row.id in ids]


def line(row: Any, jobs: Sequence[Any]) -> RunLine:
    """One run from its row and those of its jobs."""
    shown = job_lines(jobs)
    begun = (row.created_at if row.attempt == 1 else None) or row.started_at or row.created_at or row.at
    phase = _phase(row)
    outcome = _outcome(row)
    ended = row.finished_at or _last(shown) if phase is CiPhase.DONE else None
    first = min((job.started_at for job in shown if job.started_at), default=row.started_at or begun)
    seconds = _seconds(begun, ended)
    verdict = budget.verdict(phase, outcome)
    spans = _spans(shown, verdict)
    return RunLine(
        id=row.id,
        services=tuple(msgspec.json.decode(row.services, type=list[str])),
        repo=row.repo,
        pipeline=cut(row.pipeline or "", _SHOWN),
        branch=cut(row.branch or "", _SHOWN),
        sha=row.sha or "",
        title=cut(row.title or "", _SHOWN) or cut(row.pipeline or "", _SHOWN) or "A run",
        actor=cut(row.actor or "", 60),
        number=row.number,
        attempt=row.attempt,
        url=row.url or "",
        begun_at=begun,
        ended_at=ended,
        seconds=seconds,
        queued=max(0, int((first - begun).total_seconds())),
        over=max(0, (seconds or 0) - int(BUDGET.total_seconds())),
        verdict=verdict,
        attention=_ATTENTION[verdict],
        word=_word(row, phase, outcome, spans),
        stages=spans,
    )


def job_lines(rows: Sequence[Any]) -> tuple[JobLine, ...]:
    """Jobs in the order they ran; of one that was tried again, only the last try."""
    tries: dict[str, list[Any]] = {}
    for row in rows:
        tries.setdefault(row.name or row.job, []).append(row)
    found = []
    for name, same in tries.items():
        row = max(same, key=lambda r: (r.created_at or r.started_at or _LONG_AGO, r.id))
        phase, outcome = _phase(row), _outcome(row)
        told = budget.verdict(phase, outcome)
        waits = phase in (CiPhase.QUEUED, CiPhase.BLOCKED)
        found.append(
            JobLine(
                id=row.id,
                name=cut(name, _SHOWN),
                stage=row.stage,
                attention=Attention.WAITING
                if phase is CiPhase.BLOCKED
                else None
                if waits
                else _ATTENTION[told],
                word=_WORDS.get(outcome, "over") if phase is CiPhase.DONE else str(phase),
                started_at=row.started_at,
                ended_at=row.finished_at,
                seconds=_seconds(row.started_at, row.finished_at),
                runner=cut(row.runner or "", 60),
                url=row.url or "",
                again=len(same) > 1,
            )
        )
    return tuple(sorted(found, key=lambda j: (j.started_at or NEVER, _ORDER.get(j.stage, 9), j.name)))


def _spans(jobs: Sequence[JobLine], verdict: Verdict) -> tuple[StageSpan, ...]:
    by_stage: dict[str, list[JobLine]] = {}
    for job in jobs:
        if job.started_at:
            by_stage.setdefault(job.stage, []).append(job)
    drawn: list[tuple[datetime, datetime | None, str, Attention | None]] = []
    for name, some in by_stage.items():
        starts = min(job.started_at for job in some if job.started_at)
        runs = verdict is Verdict.RUNS and any(job.ended_at is None for job in some)
        ends = None if runs else max((job.ended_at for job in some if job.ended_at), default=starts)
        red = any(job.attention is Attention.FAILED for job in some)
        drawn.append((starts, ends, name, Attention.FAILED if red else Attention.MOVING if runs else None))
    drawn.sort(key=lambda d: (d[0], _ORDER.get(d[2], 9)))
    far = NEVER.timestamp()
    places = budget.lanes([(s.timestamp(), e.timestamp() if e else far) for s, e, _, _ in drawn])
    return tuple(
        StageSpan(name, start, end, lane, attention)
        for (start, end, name, attention), lane in zip(drawn, places, strict=True)
    )


def _word(row: Any, phase: CiPhase, outcome: CiOutcome | None, spans: Sequence[StageSpan]) -> str:
    if phase is CiPhase.QUEUED:
        return "Queued"
    if phase is CiPhase.BLOCKED:
        return "Waits"
    if phase is CiPhase.RUNNING:
        now = [span.name for span in spans if span.ended_at is None]
        return f"Runs, {now[-1]}" if now else "Runs"
    red = [span.name for span in spans if span.attention is Attention.FAILED]
    if red:
        return f"{red[0].capitalize()} failed"
    word = _WORDS.get(outcome, "over").capitalize()
    return f"{word} at attempt {row.attempt}" if row.attempt > 1 and outcome in budget.THROUGH else word


def _phase(row: Any) -> CiPhase:
    try:
        return CiPhase(row.phase)
    except ValueError:  # another version wrote it
        return CiPhase.QUEUED


def _outcome(row: Any) -> CiOutcome | None:
    try:
        return CiOutcome(row.outcome) if row.outcome else None
    except ValueError:
        return None


def _seconds(start: datetime | None, end: datetime | None) -> int | None:
    return max(0, round((end - start) / timedelta(seconds=1))) if start and end else None


def _last(jobs: Sequence[JobLine]) -> datetime | None:
    return max((job.ended_at for job in jobs if job.ended_at), default=None)


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
NEVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
_ATTENTION = {
    Verdict.GREEN: Attention.GOOD,
    Verdict.RED: Attention.FAILED,
    Verdict.RUNS: Attention.MOVING,
    Verdict.NOTHING: Attention.UNKNOWN,
}
_WORDS: Mapping[CiOutcome | None, str] = {
    CiOutcome.SUCCESS: "passed",
    CiOutcome.PARTIAL: "passed in part",
    CiOutcome.FAILURE: "failed",
    CiOutcome.ERROR: "broke off",
    CiOutcome.TIMED_OUT: "timed out",
    CiOutcome.CANCELLED: "cancelled",
    CiOutcome.SKIPPED: "skipped",
    CiOutcome.NEUTRAL: "neutral",
}
