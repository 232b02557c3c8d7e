"""The timeline: what was deployed where, when, by whom, and how it ended, newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.names import cut
from app.domain.rollout import Attention, Outcome, RolloutKind
from app.store import mapping
from app.store.ci_tables import COMMIT, REPORTED
from app.store.incident_tables import INCIDENT
from app.store.tables import ROLLOUT, WORKLOAD

from .board import Clause, Column, Sentence
from .commits import versions_of
from .dora_query import places
from .fleet import Fleet
from .repositories import repositories
from .timeline_query import DAYS, TimelineQuery
from .words import number
from .workloads import Verdicts

ROWS = 100
MARKS = 4_000
"""Most deployments drawn on the strip."""
_SAID = {
    Outcome.PROMOTED: ("Landed", Attention.GOOD),
    Outcome.FAST_PROMOTED: ("Landed, steps skipped", Attention.GOOD),
    Outcome.FAILED: ("Failed", Attention.FAILED),
    Outcome.ABORTED: ("Aborted", Attention.FAILED),
    Outcome.ROLLED_BACK: ("Rolled back", Attention.FAILED),
    Outcome.SUPERSEDED: ("Superseded", None),
}
_RESTARTED: Mapping[Outcome | None, tuple[str, Attention | None]] = {
    Outcome.PROMOTED: ("Restarted", None),
    Outcome.FAILED: ("Restart failed", Attention.FAILED),
    Outcome.SUPERSEDED: ("Restart superseded", None),
}
_WORDS = {
    Attention.FAILED: "Failing",
    Attention.WAITING: "Waits for a person",
    Attention.UNKNOWN: "Cannot be seen",
}
"""What is said of a rollout that has not ended, by how its workload is; else it moves."""
_UNDER_WAY = (
    (Attention.FAILED, "is under way and failing", "are under way and failing"),
    (Attention.WAITING, "waits for a person", "wait for a person"),
    (Attention.MOVING, "is moving", "are moving"),
    (Attention.UNKNOWN, "cannot be seen", "cannot be seen"),
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployment. `by` is who started it, as CI says; `commit` what it took there; `incident` names one that it
    caused; `ref` is the workload. A restart is of another `kind`."""

    id: str
    service: str
    environment: str
    before: str
    version: str
    started_at: datetime
    ended_at: datetime | None
    seconds: int | None
    word: str
    attention: Attention | None
    cause: str
    by: str
    commit: str
    title: str
    ref: str
    incident: str = ""
    kind: RolloutKind = RolloutKind.DEPLOYMENT


@dataclass(frozen=True, slots=True)
class Stroke:
    """A deployment on the strip; `kind` is "landed", "failed", "back", "restart" or "other", or "now " and how it is
    for one that has not ended."""

    at: datetime
    environment: str
    kind: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of the page; `next` is where the rows go on."""

    sentence: Sentence
    rows: tuple[Deployed, ...]
    strokes: tuple[Stroke, ...]
    environments: tuple[Column, ...]
    since: datetime
    until: datetime
    total: int
    more: bool
    query: TimelineQuery
    next: datetime | None


async def timeline(
    connection: AsyncConnection, fleet: Fleet, query: TimelineQuery, now: datetime
) -> Timeline:
    """The page as of `now`."""
    until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    since = until - DAYS[query.window]
    wanted = [ROLLOUT.c.service == query.service] if query.service else []
    if query.environment:
        wanted.append(ROLLOUT.c.environment == query.environment)
    if query.outcome and query.outcome != "running":
        wanted.append(ROLLOUT.c.outcome == query.outcome)
    running = []
    if query.outcome in ("", "running") and not query.before:
        live = (
            select(ROLLOUT).where(ROLLOUT.c.ended_at.is_(None), *wanted).order_by(ROLLOUT.c.started_at.desc())
        )
        running = list((await connection.execute(live.limit(ROWS))).all())
    over = select(ROLLOUT).where(
        ROLLOUT.c.ended_at < (query.before or until), ROLLOUT.c.ended_at >= since, *wanted
    )
    ended: list[Any] = []
    if query.outcome != "running":
        ordered = over.order_by(ROLLOUT.c.ended_at.desc(), ROLLOUT.c.id)
        ended = list((await connection.execute(ordered.limit(ROWS + 1))).all())
    marked = (
        select(ROLLOUT.c.ended_at, ROLLOUT.c.environment, ROLLOUT.c.outcome, ROLLOUT.c.back, ROLLOUT.c.nature)
        .where(ROLLOUT.c.ended_at >= since, ROLLOUT.c.ended_at < until, *wanted)
        .order_by(ROLLOUT.c.ended_at.desc())
        .limit(MARKS + 1)
    )
    marks = (await connection.execute(marked)).all()
    strokes = [Stroke(row.ended_at, row.environment, _kind(row)) for row in marks[:MARKS]]
    stands = _standing(fleet, running, now)
    strokes += [
        Stroke(row.started_at, row.environment, f"now {_under_way(stands.get(row.id))[1]}") for row in running
    ]
    shown = [*running, *ended[:ROWS]]
    return Timeline(
        sentence=_sentence(strokes, query.window),
        rows=tuple(await _rows(connection, fleet, shown, stands)),
        strokes=tuple(reversed(strokes)),
        environments=places(fleet),
        since=since,
        until=until,
        total=len(marks[:MARKS]) + len(running),
        more=len(marks) > MARKS,
        query=query,
        next=ended[ROWS - 1].ended_at if len(ended) > ROWS else None,
    )


def _kind(row: Any) -> str:
    if row.nature == RolloutKind.RESTART:
        return "restart"
    if row.outcome in (Outcome.FAILED, Outcome.ABORTED) or (
        row.outcome == Outcome.ROLLED_BACK and not row.back
    ):
        return "failed"
    return "back" if row.back else "other" if row.outcome == Outcome.SUPERSEDED else "landed"


def _standing(fleet: Fleet, running: Sequence[Any], now: datetime) -> Mapping[str, Attention]:
    """How the workloads of rollouts that have not ended are, by the rollout's id; those that are gone are missing."""
    found = {row.id: workload for row in running if (workload := fleet.workloads.get(row.workload))}
    verdicts = Verdicts(fleet.sources.values(), now, found.values())
    return {ident: verdicts.attention(workload) for ident, workload in found.items()}


def _under_way(stands: Attention | None) -> tuple[str, Attention]:
    """What is said of a rollout that has not ended: what is good at the moment, or gone, still moves."""
    return (_WORDS[stands], stands) if stands in _WORDS else ("Moving", Attention.MOVING)


async def _rows(
    connection: AsyncConnection, fleet: Fleet, rows: Sequence[Any], stands: Mapping[str, Attention]
) -> list[Deployed]:
    repos = repositories(fleet)
    shas: dict[tuple[str, str], str] = {}
    versions: dict[str, set[str]] = {}
    for row in rows:
        if row.service in repos:
            versions.setdefault(repos[row.service], set()).add(row.to_version)
    for repo, some in versions.items():
        shas |= {(repo, version): sha for version, sha in (await versions_of(connection, repo, some)).items()}
    titles = await _titles(connection, shas.values())
    by = await _by(connection, shas.values())
    refs = await _refs(connection, {row.workload for row in rows})
    told = await connection.execute(
        select(INCIDENT.c.deployment, INCIDENT.c.title).where(
            INCIDENT.c.deployment.in_([row.id for row in rows]), INCIDENT.c.withdrawn_at.is_(None)
        )
    )
    incidents = {row.deployment: row.title for row in told}
    found = []
    for row in rows:
        sha = shas.get((repos.get(row.service, ""), row.to_version), "")
        outcome = Outcome(row.outcome) if row.outcome else None
        word, attention = _SAID[outcome] if outcome else _under_way(stands.get(row.id))
        if row.back and outcome in (Outcome.PROMOTED, Outcome.ROLLED_BACK):
            word, attention = "Went back", Attention.GOOD
        kind = mapping.rollout_kind_of(row)
        if kind is RolloutKind.RESTART and outcome in _RESTARTED:
            word, attention = _RESTARTED[outcome]
        seconds = round((row.ended_at - row.started_at).total_seconds()) if row.ended_at else None
        found.append(
            Deployed(
                row.id,
                row.service,
                row.environment,
                row.from_version,
                row.to_version,
                row.started_at,
                row.ended_at,
                seconds,
                word,
                attention,
                cut(row.cause, 200),
                by.get((sha, row.environment), ""),
                sha,
                titles.get(sha, ""),
                refs.get(row.workload, ""),
                incidents.get(row.id, ""),
                kind,
            )
        )
    return found


async def _titles(connection: AsyncConnection, shas: Iterable[str]) -> Mapping[str, str]:
    query = select(COMMIT.c.sha, COMMIT.c.title).where(COMMIT.c.sha.in_(sorted(set(shas))))
    return {row.sha: cut(row.title or "", 120) for row in await connection.execute(query)}


async def _by(connection: AsyncConnection, shas: Iterable[str]) -> Mapping[tuple[str, str], str]:
    query = select(REPORTED.c.sha, REPORTED.c.environment, REPORTED.c.actor).where(
        and_(REPORTED.c.sha.in_(sorted(set(shas))), REPORTED.c.actor.is_not(None))
    )
    return {(row.sha, row.environment): cut(row.actor, 60) for row in await connection.execute(query)}


async def _refs(connection: AsyncConnection, keys: Iterable[str]) -> Mapping[str, str]:
    query = select(WORKLOAD.c.key, *(WORKLOAD.c[n] for n in ("cluster", "namespace", "kind", "name"))).where(
        or_(WORKLOAD.c.key.in_(sorted(keys)))
    )
    return {row.key: str(mapping.ref_of(row)) for row in await connection.execute(query)}


def _sentence(strokes: Sequence[Stroke], window: str) -> Sentence:
    spans = {"1d": "a day", "7d": "seven days", "30d": "thirty days", "12w": "twelve weeks"}
    count = Counter(stroke.kind for stroke in strokes)
    if not strokes:
        return Sentence(
            (Clause(None, f"Nothing was deployed in {spans[window]}", "."),), "Nothing was deployed."
        )
    clauses = []
    landed = count["landed"]
    what = f"{number(landed).capitalize()} deployment{'' if landed == 1 else 's'} landed in {spans[window]}"
    clauses.append(Clause(Attention.GOOD, what, "." if not count["failed"] else ","))
    if n := count["failed"]:
        clauses.append(Clause(Attention.FAILED, f"{number(n)} failed", "."))
    for attention, one, many in _UNDER_WAY:
        if n := count[f"now {attention}"]:
            clauses.append(Clause(attention, f"{number(n).capitalize()} {one if n == 1 else many}", "."))
    if n := count["back"]:
        clauses.append(Clause(None, f"{number(n).capitalize()} went back", "."))
    if n := count["restart"]:
        clauses.append(Clause(None, f"{number(n).capitalize()} restart{'' if n == 1 else 's'}", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))
