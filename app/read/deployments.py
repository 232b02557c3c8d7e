"""Deployments of a span of time as the rules of DORA need them: rollouts of the cluster, and before Shipboard watched a
place, what CI reported of it; each with the commits that reached the environment with it.

A version that several workloads of a service take at one time is one deployment. One that asks for the version that
ran before is left out and counted: it changes nothing that was committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from sys import intern
from typing import Any, NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.ci import CiOutcome
from app.domain.dora import Deployment, Ending, Incident
from app.domain.rollout import Outcome, RolloutKind
from app.store.ci_tables import REPORTED
from app.store.incident_tables import INCIDENT
from app.store.incidents import incident_of
from app.store.tables import ROLLOUT

from .trails import Read

BEFORE = timedelta(days=30)
"""How long before a span is looked at for what ran then."""
TOGETHER = timedelta(hours=6)
MOST = 20_000
"""Most deployments of one answer."""
_ENDINGS = {
    Outcome.PROMOTED: Ending.LANDED,
    Outcome.FAST_PROMOTED: Ending.LANDED,
    Outcome.FAILED: Ending.FAILED,
    Outcome.ABORTED: Ending.ABORTED,
    Outcome.ROLLED_BACK: Ending.ROLLED_BACK,
    Outcome.SUPERSEDED: Ending.SUPERSEDED,
}
_COLUMNS = (
    *("id", "workload", "service", "environment", "from_version", "to_version"),
    *("back", "started_at", "ended_at", "outcome", "nature"),
)
_WORSE = (Ending.ROLLED_BACK, Ending.ABORTED, Ending.FAILED, Ending.SUPERSEDED, Ending.LANDED)


class Rollout(NamedTuple):
    """A rollout that ended. `changed`: it was not to the version that ran already."""

    id: str
    workload: str
    service: str
    environment: str
    changed: bool
    version: str
    back: bool
    started_at: datetime
    ended_at: datetime
    outcome: str


ROLLOUTS = select(*(ROLLOUT.c[name] for name in _COLUMNS))
"""Asks for what `rollout` takes."""


def rollout(row: Sequence[Any]) -> Rollout:
    """A row of `ROLLOUTS`. Names that thousands of them have in common are one string each."""
    ident, workload, service, environment, before, version, back, started, ended, told, nature = row
    return Rollout(
        ident,
        intern(workload),
        intern(service),
        intern(environment),
        before != version and nature != RolloutKind.RESTART,
        version,
        bool(back),
        started,
        ended,
        intern(told or Outcome.SUPERSEDED.value),
    )


async def read_incidents(
    connection: AsyncConnection,
    environment: str,
    service: str,
    since: datetime | None,
    until: datetime | None,
    *,
    below: tuple[datetime, str] | None = None,
    most: int = MOST,
) -> tuple[Incident, ...]:
    """Incidents that began in a span (None: no end), newest first, after the place `below` (beginning and id)."""
    query = select(INCIDENT).where(INCIDENT.c.withdrawn_at.is_(None))
    for column, value in ((INCIDENT.c.environment, environment), (INCIDENT.c.service, service)):
        query = query.where(column == value) if value else query
    if since:
        query = query.where(INCIDENT.c.started_at >= since)
    if until:
        query = query.where(INCIDENT.c.started_at < until)
    if below:
        query = query.where(
            or_(
                INCIDENT.c.started_at < below[0],
                and_(INCIDENT.c.started_at == below[0], INCIDENT.c.id < below[1]),
            )
        )
    rows = await connection.execute(
        query.order_by(INCIDENT.c.started_at.desc(), INCIDENT.c.id.desc()).limit(most)
    )
    return tuple(map(incident_of, rows))


@dataclass(frozen=True, slots=True)
class Taken:
    """A deployment, and the commit that it took there (empty: not told)."""

    deployment: Deployment
    sha: str = ""


def merged(rollouts: Iterable[Rollout]) -> list[Taken]:
    """Rollouts, which come in the order of their end, as deployments: those of one version at one time as one, and none
    of what changed nothing."""
    groups: dict[tuple[str, str], list[tuple[set[str], Deployment]]] = {}
    for ident, workload, service, environment, changed, version, back, started, ended, told in rollouts:
        if not changed:
            continue
        outcome = Outcome(told)
        ending = Ending.LANDED if back and outcome is Outcome.ROLLED_BACK else _ENDINGS[outcome]
        one = Deployment(ident, service, environment, version, started, ended, ending, back)
        same = groups.setdefault((service, version), [])
        if same and workload not in same[-1][0] and started - same[-1][1].started_at < TOGETHER:
            workloads, known = same[-1]
            workloads.add(workload)
            worst = min(known.ending, ending, key=_WORSE.index)
            started, ended = min(known.started_at, started), max(known.ended_at, ended)
            same[-1] = workloads, replace(known, started_at=started, ended_at=ended, ending=worst)
        else:
            same.append(({workload}, one))
    return [Taken(one) for same in groups.values() for _, one in same]


async def _first_seen(
    connection: AsyncConnection, environment: str, services: Iterable[str]
) -> Mapping[str, datetime]:
    """When the first rollout of each service ended there that Shipboard saw."""
    found: dict[str, datetime] = {}
    names = sorted(set(services))
    for start in range(0, len(names), 500):
        query = (
            select(ROLLOUT.c.service, func.min(ROLLOUT.c.ended_at).label("first"))
            .where(ROLLOUT.c.service.in_(names[start : start + 500]), ROLLOUT.c.environment == environment)
            .group_by(ROLLOUT.c.service)
        )
        found |= {row.service: row.first for row in await connection.execute(query) if row.first}
    return found


async def reported(
    connection: AsyncConnection,
    environment: str,
    service: str,
    since: datetime,
    until: datetime,
    repos: Mapping[str, str],
) -> dict[str, list[Taken]]:
    """Deployments that CI told of, from before the cluster was watched, by service: what the cluster says itself
    counts more."""
    by_repo = {repo: name for name, repo in repos.items() if not service or name == service}
    query = select(REPORTED).where(
        REPORTED.c.at >= since, REPORTED.c.at < until, REPORTED.c.environment == environment
    )
    rows = (await connection.execute(query.order_by(REPORTED.c.at.desc()).limit(MOST))).all()
    named = [(by_repo.get(row.repo, "" if service else row.repo.rpartition("/")[2]), row) for row in rows]
    first = await _first_seen(connection, environment, (name for name, _ in named if name))
    found: dict[str, list[Taken]] = {}
    for name, row in named:
        if not name or not row.outcome or not row.finished_at or row.finished_at >= first.get(name, until):
            continue
        ending = Ending.LANDED if row.outcome == CiOutcome.SUCCESS else Ending.FAILED
        if row.outcome in (CiOutcome.CANCELLED, CiOutcome.SKIPPED):
            ending = Ending.ABORTED
        version = (row.sha or row.ref or "?")[:12]
        started = row.created_at or row.at
        one = Deployment(row.id, name, environment, version, started, row.finished_at, ending)
        found.setdefault(name, []).append(Taken(one, row.sha or ""))
    return found


def linked(every: Iterable[Taken], repo: str, read: Read) -> list[Deployment]:
    """Deployments of one service, oldest first, with the times of the commits that each brought: those of the main
    branch after the commit that ran before. One with nothing before it brings none, since it is not known what was
    new."""
    before: int | None = None
    found = []
    for one in every:
        d = one.deployment
        landed = repo and d.ending is Ending.LANDED and not d.back
        place = read.place(repo, one.sha or read.commit(repo, d.version)) if landed else None
        if place is not None:
            if before is not None and place > before:
                d = replace(d, committed_at=read.between(repo, before, place))
            before = place if before is None else max(place, before)
        found.append(d)
    return found
