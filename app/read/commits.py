"""The road of a commit: push, pipeline, image, then each environment in order, with every instant, how long each part
took and where it is now.

A commit has reached an environment when a version that holds it landed there: its own, or a later one of its main
branch. What was there before Shipboard looked is told without a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.budget import Verdict
from app.domain.rollout import SETTLED, Attention, Outcome
from app.store.ci_tables import ARTIFACT, COMMIT, REPORTED, RUN
from app.store.report_tables import LINK, SIGNATURE, TAG

from . import past, reports, runs
from .board import Clause, Sentence
from .columns import columns
from .fleet import Fleet
from .origins import Running, TrailCommit, trail
from .past import PastRollout
from .pipelines import minutes
from .rows import WorkloadRow
from .runs import NEVER, RunLine
from .words import word

TRAVELS = 12
"""Most commits named that went the same way."""
_WORKLOADS = 12


@dataclass(frozen=True, slots=True)
class WayStep:
    """One stop of the road. `seconds` is how long it took to get there, `what` of; where it still lasts, `since`.
    `ref` leads to a workload, `run` to a run. No `at`: it is to come, or nobody saw when it was."""

    title: str
    at: datetime | None
    attention: Attention | None
    detail: str = ""
    seconds: int | None = None
    what: str = ""
    since: datetime | None = None
    ref: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class PlaceNow:
    """Whether an environment has the commit: `has` None where that cannot be told."""

    environment: str
    title: str
    has: bool | None
    attention: Attention
    word: str
    version: str
    at: datetime | None
    ref: str


@dataclass(frozen=True, slots=True)
class CommitShown:
    """A commit as pushes told of it."""

    repo: str
    sha: str
    title: str
    author: str
    branch: str
    change: str
    url: str
    committed_at: datetime | None
    pushed_at: datetime | None
    opened_at: datetime | None
    merged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Image:
    """An image made from the commit, and what proves it ("claimed", "verified" …; empty: nothing)."""

    name: str
    tag: str
    digest: str
    proof: str


@dataclass(frozen=True, slots=True)
class CommitPage:
    """All of the page. `lead` is the lead time in seconds once it is live in the last environment; `spent` says where
    the time went; `travels` are commits that went with it."""

    commit: CommitShown
    services: tuple[str, ...]
    sentence: Sentence
    way: tuple[WayStep, ...]
    places: tuple[PlaceNow, ...]
    spent: tuple[tuple[str, int], ...]
    lead: int | None
    began_at: datetime | None
    images: tuple[Image, ...]
    travels: tuple[TrailCommit, ...]
    runs: tuple[RunLine, ...]


async def commit_page(connection: AsyncConnection, fleet: Fleet, sha: str, now: datetime) -> CommitPage:
    """The page of the commit whose id begins with `sha` (7 digits or more). Raises LookupError when there is none, or
    more than one."""
    commit = await _commit(connection, sha)
    rows = (
        await connection.execute(
            select(RUN)
            .where(RUN.c.sha == commit.sha, RUN.c.repo == commit.repo)
            .order_by(RUN.c.at.desc())
            .limit(40)
        )
    ).all()
    lines = tuple(await runs.lines(connection, runs.latest_attempts(rows)))
    images = await _images(connection, commit)
    services = tuple(dict.fromkeys(s for run in lines for s in run.services)) or (
        commit.repo.rpartition("/")[2],
    )
    line = await trail(connection, commit.repo)
    places = {one.sha: place for place, one in enumerate(line)}
    mine = [
        row
        for s in services
        for key in sorted(fleet.by_service.get(s, ()))
        if (row := fleet.workloads.get(key))
    ]
    mine = mine[:_WORKLOADS]
    reported = await connection.execute(
        select(REPORTED).where(REPORTED.c.sha == commit.sha, REPORTED.c.repo == commit.repo).limit(20)
    )
    actors = {row.environment: row.actor for row in reported if row.actor}
    steps = [*_pushed(commit), *_built(lines, images, await _tests(connection, commit))]
    shown: list[PlaceNow] = []
    waited = rolled = 0
    last_at: datetime | None = None
    order = columns({row.place.environment for row in mine}, fleet.environments)
    for column in order:
        here = [row for row in mine if row.place.environment == column.name]
        for row in here[:1]:
            told = await past.told(connection, row.ref)
            shas = await _versions(connection, commit.repo, {p.rollout.to_version for p in told.rollouts})
            brought = _brought(told.rollouts, shas, places, commit.sha)
            has = _has(fleet.origins.running(row), places, commit)
            more, spans = _rollouts(column.title, brought, row, actors.get(column.name, ""))
            steps += more
            waited, rolled = waited + spans[0], rolled + spans[1]
            landed = next((p.rollout.ended_at for p in brought if p.rollout.outcome in _LANDED), None)
            if has and not more:
                steps.append(
                    WayStep(
                        f"Live in {column.name}",
                        row.landed_at,
                        Attention.GOOD,
                        _SINCE_BEFORE,
                        ref=str(row.ref),
                    )
                )
            shown.append(_place(column, row, has, landed))
            last_at = landed if column is order[-1] else last_at
    began = commit.pushed_at or commit.committed_at
    lead = max(0, round((last_at - began).total_seconds())) if last_at and began else None
    steps = _gaps([*steps, *_ahead(shown, lines)])
    took = next((run.seconds for run in lines if run.seconds), None)
    spent = [("Waiting for a person or a timer", waited), ("Rolling out", rolled), ("Pipeline", took or 0)]
    spent.append(("Handed over, nobody at it", sum(s.seconds or 0 for s in steps if s.what == "until start")))
    at = places.get(commit.sha)
    return CommitPage(
        commit=commit,
        services=services,
        sentence=_sentence(commit, lines, shown, steps),
        way=tuple(steps),
        places=tuple(shown),
        spent=tuple(sorted(((what, n) for what, n in spent if n), key=lambda pair: -pair[1])),
        lead=lead,
        began_at=began,
        images=images,
        travels=_travels(line, at, mine, fleet, places) if at is not None else (),
        runs=lines,
    )


_SINCE_BEFORE = "It was there before Shipboard looked."
_LANDED = frozenset({Outcome.PROMOTED, Outcome.FAST_PROMOTED})


async def _commit(connection: AsyncConnection, sha: str) -> CommitShown:
    query = select(COMMIT).where(COMMIT.c.sha >= sha, COMMIT.c.sha <= sha + "g").limit(2)
    rows = (await connection.execute(query)).all()
    if len(rows) > 1 and rows[0].sha != rows[1].sha:
        raise LookupError(f"More than one commit begins with {sha}; give more digits.")
    if rows:
        row = rows[0]
        return CommitShown(
            row.repo,
            row.sha,
            row.title or "",
            row.author or "",
            row.branch or "",
            row.change or "",
            row.url or "",
            row.committed_at,
            row.pushed_at,
            row.opened_at,
            row.merged_at,
        )
    run = (await connection.execute(select(RUN).where(RUN.c.sha == sha).order_by(RUN.c.at).limit(1))).first()
    if run is None:
        raise LookupError(f"No commit {sha} is known: no push and no run told of it.")
    return CommitShown(
        run.repo, run.sha, run.title or "", run.actor or "", run.branch or "", "", "", *[None] * 4
    )


async def _images(connection: AsyncConnection, commit: CommitShown) -> tuple[Image, ...]:
    rows = await connection.execute(select(ARTIFACT).where(ARTIFACT.c.sha == commit.sha).limit(20))
    found = {
        row.digest: (row.name or "", row.tag or "")
        for row in rows
        if (row.repo or commit.repo) == commit.repo
    }
    links = await connection.scalars(select(LINK.c.digest).where(LINK.c.sha == commit.sha).limit(20))
    found = {**dict.fromkeys(links, ("", "")), **found}
    tags = await connection.execute(select(TAG).where(TAG.c.digest.in_(found)).order_by(TAG.c.at).limit(50))
    for row in tags:
        if not found[row.digest][1]:
            found[row.digest] = (row.name, row.tag)
    proofs = await connection.execute(
        select(SIGNATURE.c.subject, SIGNATURE.c.proof).where(SIGNATURE.c.subject.in_(found)).limit(50)
    )
    proven = {row.subject: row.proof for row in sorted(proofs, key=lambda r: r.proof == "verified")}
    return tuple(Image(name, tag, digest, proven.get(digest, "")) for digest, (name, tag) in found.items())


async def _tests(connection: AsyncConnection, commit: CommitShown) -> str:
    told = [
        r.tests
        for r in await reports.lines(connection, sha=commit.sha, repo=commit.repo, limit=50)
        if r.tests
    ]
    if not told:
        return ""
    passed, bad = sum(t.passed for t in told), sum(t.failed + t.errors for t in told)
    return f"{passed + bad:,} tests, {bad:,} failed."


async def versions_of(connection: AsyncConnection, repo: str, versions: Iterable[str]) -> Mapping[str, str]:
    """Commits by the tag of the image that was made from them."""
    found: dict[str, str] = {}
    names = sorted({v for v in versions if v})
    for start in range(0, len(names), 500):
        query = (
            select(TAG.c.tag, ARTIFACT.c.sha)
            .join(ARTIFACT, ARTIFACT.c.digest == TAG.c.digest)
            .where(
                TAG.c.tag.in_(names[start : start + 500]),
                ARTIFACT.c.repo == repo,
                ARTIFACT.c.sha.is_not(None),
            )
            .order_by(TAG.c.at)
        )
        found |= {row.tag: row.sha for row in await connection.execute(query)}
    return found


_versions = versions_of


def _pushed(commit: CommitShown) -> list[WayStep]:
    at = commit.pushed_at or commit.committed_at
    if at is None:
        return []
    where = f" to {commit.branch}" if commit.branch else ""
    who = f" by {commit.author}" if commit.author else ""
    detail = f"It came by change {commit.change}." if commit.change else ""
    if commit.opened_at and commit.merged_at:
        detail += f" Opened {commit.opened_at:%b %d, %H:%M}, merged {commit.merged_at:%b %d, %H:%M}."
    return [
        WayStep(
            f"{'Pushed' if commit.pushed_at else 'Committed'}{where}{who}", at, Attention.GOOD, detail.strip()
        )
    ]


def _built(lines: Sequence[RunLine], images: Sequence[Image], tests: str) -> list[WayStep]:
    if not lines:
        return [WayStep("No pipeline was told of", None, None, "Point a webhook of its CI at Shipboard.")]
    run = max(lines, key=lambda r: (len(r.stages), r.begun_at))
    name = run.pipeline or "Pipeline"
    steps = [WayStep(f"{name} started", run.begun_at, Attention.GOOD, run=run.id)]
    if run.queued:
        first = run.begun_at + timedelta(seconds=run.queued)
        steps.append(
            WayStep("First job began", first, Attention.GOOD, seconds=run.queued, what="queue", run=run.id)
        )
    made = next(
        (f"Image {i.tag or i.name}{', signed' if i.proof == 'verified' else ''}." for i in images), ""
    )
    if run.ended_at is None:
        steps.append(
            WayStep(
                f"{name}: {run.word.lower()}",
                run.begun_at,
                Attention.MOVING,
                tests,
                since=run.begun_at,
                what="so far",
                run=run.id,
            )
        )
    else:
        over = f" {minutes(run.over)} over the budget." if run.over else ""
        detail = f"{tests} {made}{over}".strip()
        took = None if run.seconds is None else run.seconds - run.queued
        steps.append(
            WayStep(
                f"{name} {run.word[:1].lower()}{run.word[1:]}",
                run.ended_at,
                run.attention,
                detail,
                took,
                "pipeline",
                run=run.id,
            )
        )
    return steps


def _brought(
    told: Sequence[PastRollout], shas: Mapping[str, str], places: Mapping[str, int], sha: str
) -> list[PastRollout]:
    """Rollouts that took the commit along, oldest first: to the first that landed, and the one that runs."""
    mine = places.get(sha)
    found: list[PastRollout] = []
    for one in reversed(told):
        of = shas.get(one.rollout.to_version)
        place = places.get(of or "")
        if of == sha or (mine is not None and place is not None and place <= mine and not one.rollout.back):
            found.append(one)
            if one.rollout.outcome in _LANDED:
                break
    return found[-4:]


def _has(running: Running | None, places: Mapping[str, int], commit: CommitShown) -> bool | None:
    if running is None or running.repo not in ("", commit.repo):
        return None
    if running.sha == commit.sha:
        return True
    mine, theirs = places.get(commit.sha), places.get(running.sha)
    return None if mine is None or theirs is None else theirs < mine


def _rollouts(
    title: str, brought: Sequence[PastRollout], row: WorkloadRow, actor: str
) -> tuple[list[WayStep], tuple[int, int]]:
    """Steps of one environment, and how long it stood and rolled in seconds."""
    steps: list[WayStep] = []
    stood = rolled = 0
    ref, where = str(row.ref), title.lower() if title.istitle() else title
    for one in brought:
        rollout = one.rollout
        who = f"Started by {actor}." if actor else ""
        steps.append(
            WayStep(
                f"{rollout.to_version} begins in {where}",
                rollout.started_at,
                Attention.GOOD,
                who,
                ref=ref,
                what="until start",
            )
        )
        for stage in one.stages:
            if stage.waits and stage.ended_at:
                length = round((stage.ended_at - stage.started_at).total_seconds())
                steps.append(
                    WayStep(
                        f"Waited{' at ' + stage.label if stage.label else ''}",
                        stage.ended_at,
                        Attention.GOOD,
                        seconds=length,
                        what="waiting",
                        ref=ref,
                    )
                )
        stood += one.waited or 0
        rolled += max(0, (one.seconds or 0) - (one.waited or 0))
        if rollout.ended_at is None:
            now = one.stages[-1] if one.stages else None
            attention = Attention.WAITING if now and now.waits else row.attention
            at = now.started_at if now else rollout.started_at
            said, why = word(row.state, row.attention), row.state.message[:200]
            steps.append(
                WayStep(
                    f"{said} in {where}",
                    at,
                    attention,
                    why,
                    since=at,
                    what="so far",
                    ref=ref,
                )
            )
        else:
            landed = rollout.outcome in _LANDED
            end = {
                Outcome.SUPERSEDED: "Superseded",
                Outcome.ROLLED_BACK: "Rolled back",
                Outcome.ABORTED: "Aborted",
            }
            said = "Live" if landed else end.get(rollout.outcome or Outcome.FAILED, "Failed")
            how = Attention.GOOD if landed else None if said == "Superseded" else Attention.FAILED
            steps.append(
                WayStep(
                    f"{said} in {where}",
                    rollout.ended_at,
                    how,
                    "",
                    one.seconds,
                    "until live" if landed else "until then",
                    ref=ref,
                )
            )
    return steps, (stood, rolled)


def _place(column: Any, row: WorkloadRow, has: bool | None, landed: datetime | None) -> PlaceNow:
    settled = row.state.phase in SETTLED
    version = row.state.revision.version if row.state.revision else ""
    attention = row.attention if has else Attention.UNKNOWN
    if has is None:
        said = "cannot be told"
    elif not has:
        said = "not yet"
    else:
        said = (
            "live" if settled and row.attention is Attention.GOOD else word(row.state, row.attention).lower()
        )
    return PlaceNow(column.name, column.title, has, attention, said, version, landed, str(row.ref))


def _ahead(shown: Sequence[PlaceNow], lines: Sequence[RunLine]) -> list[WayStep]:
    if any(run.verdict is Verdict.RED for run in lines[:1]):
        return [WayStep("Nothing goes on from a red pipeline", None, None)]
    todo = [place for place in shown if place.has is False]
    return [
        WayStep(f"Live in {place.environment}", None, None, f"{place.version} is there now.")
        for place in todo
    ]


def _gaps(steps: Sequence[WayStep]) -> list[WayStep]:
    """Steps in the order of time, each hand-over with how long nobody was at it."""
    timed = sorted((s for s in steps if s.at), key=lambda s: s.at or NEVER)
    found: list[WayStep] = []
    for step in timed:
        before = found[-1].at if found else None
        if step.what == "until start" and before and step.at:
            step = replace(step, seconds=max(0, round((step.at - before).total_seconds())))
        found.append(step)
    return found + [s for s in steps if not s.at]


def _travels(
    line: Sequence[TrailCommit], at: int, mine: Sequence[WorkloadRow], fleet: Fleet, places: Mapping[str, int]
) -> tuple[TrailCommit, ...]:
    """Commits between this one and what production had before: they go the same way."""
    runs_at = [
        p for row in mine if (run := fleet.origins.running(row)) and (p := places.get(run.sha)) is not None
    ]
    behind = [place for place in runs_at if place > at]
    end = min(behind, default=at + 1)
    start = max((place for place in runs_at if place <= at), default=at)
    return tuple(one for place, one in enumerate(line[start:end], start) if place != at)[:TRAVELS]


def _sentence(
    commit: CommitShown, lines: Sequence[RunLine], shown: Sequence[PlaceNow], steps: Sequence[WayStep]
) -> Sentence:
    red = next((run for run in lines[:1] if run.verdict is Verdict.RED), None)
    stuck = next(
        (place for place in shown if place.has and place.attention in (Attention.FAILED, Attention.WAITING)),
        None,
    )
    moving = next((place for place in shown if place.has and place.attention is Attention.MOVING), None)
    have = [place for place in shown if place.has]
    if red:
        clause = Clause(Attention.FAILED, f"Its road stops at the pipeline: {red.word.lower()}", ".")
    elif stuck:
        verb = "stops" if stuck.attention is Attention.WAITING else "ends"
        clause = Clause(stuck.attention, f"Its road {verb} in {stuck.environment}: {stuck.word}", ".")
    elif moving:
        clause = Clause(Attention.MOVING, f"It is on its way into {moving.environment}", ".")
    elif lines and lines[0].verdict is Verdict.RUNS:
        clause = Clause(Attention.MOVING, "Its pipeline runs", ".")
    elif shown and len(have) == len(shown):
        clause = Clause(
            Attention.GOOD, f"It is live in {shown[-1].environment}" if len(shown) > 1 else "It is live", "."
        )
    elif have:
        clause = Clause(
            None,
            f"It is live in {have[-1].environment}, not in {next(p.environment for p in shown if not p.has)}",
            ".",
        )
    elif shown:
        clause = Clause(
            None, "It is built, and nowhere yet" if lines else "It is pushed, and nowhere yet", "."
        )
    else:
        clause = Clause(Attention.UNKNOWN, "Nothing that runs is known to come from its repository", ".")
    return Sentence((clause,), clause.text + clause.end)
