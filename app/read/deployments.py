"""Deployments of a span of time as the rules of DORA need them: rollouts of the cluster, and before Shipboard watched a
place, what CI reported of it; each with the commits that reached the environment with it.

A version that several workloads of a service take at one time is one deployment. One that asks for the version that
ran before is left out and counted: it changes nothing that was committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.ci import CiOutcome
from app.domain.dora import Deployment, Ending, Incident
from app.domain.rollout import Outcome, RolloutKind
from app.store.ci_tables import REPORTED
from app.store.incident_tables import INCIDENT
from app.store.incidents import incident_of
from app.store.tables import ROLLOUT

from .fleet import Fleet
from .trails import Trails

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


@dataclass(frozen=True, slots=True)
class Past:
    """What was deployed, oldest first, and what is known of incidents. `again` counts rollouts to the version that ran
    already, `more` that there were more than one answer holds."""

    deployments: tuple[Deployment, ...]
    incidents: tuple[Incident, ...]
    again: int
    more: bool


async def read_past(
    connection: AsyncConnection,
    fleet: Fleet,
    environment: str,
    service: str,
    since: datetime,
    until: datetime,
) -> Past:
    """Deployments to `environment` that ended in the span and a while before it, of `service` where one is given."""
    query = select(*(ROLLOUT.c[name] for name in _COLUMNS)).where(
        ROLLOUT.c.environment == environment, ROLLOUT.c.ended_at >= since - BEFORE, ROLLOUT.c.ended_at < until
    )
    if service:
        query = query.where(ROLLOUT.c.service == service)
    rows = (await connection.execute(query.order_by(ROLLOUT.c.ended_at.desc()).limit(MOST))).all()
    found, again = _merged(reversed(rows))
    repos = repositories(fleet)
    reported = await _reported(connection, environment, service, since - BEFORE, until, repos)
    every = sorted([*reported, *found], key=lambda one: (one.deployment.ended_at, one.deployment.id))
    first = every[0].deployment.ended_at if every else since
    linked = await _linked(connection, fleet.trails, every, repos, first - BEFORE)
    incidents = await read_incidents(connection, environment, service, since - BEFORE, until)
    return Past(tuple(linked), incidents, again, len(rows) == MOST)


def repositories(fleet: Fleet) -> Mapping[str, str]:
    """The repository of each service, as its pipeline says, else as what runs was made from."""
    found = {name: one.latest.repo for name, one in fleet.builds.by_service.items() if one.latest.repo}
    for row in fleet.workloads.values():
        run = fleet.origins.running(row)
        if run and run.repo:
            found.setdefault(row.place.service, run.repo)
    return found


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
class _One:
    """A deployment, and the commit that it took there (empty: not told)."""

    deployment: Deployment
    sha: str = ""


def _merged(rows: Iterable[Any]) -> tuple[list[_One], int]:
    """Rollouts as deployments, oldest first, those of one version at one time as one; and how many changed nothing."""
    groups: dict[tuple[str, str], list[tuple[set[str], Deployment]]] = {}
    again = 0
    for ident, workload, service, environment, before, version, back, started, ended, told, nature in rows:
        if before == version or nature == RolloutKind.RESTART:
            again += 1
            continue
        outcome = Outcome(told or Outcome.SUPERSEDED)
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
    return [_One(one) for same in groups.values() for _, one in same], again


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


async def _reported(
    connection: AsyncConnection,
    environment: str,
    service: str,
    since: datetime,
    until: datetime,
    repos: Mapping[str, str],
) -> list[_One]:
    """Deployments that CI told of, from before the cluster was watched: what it says itself counts more."""
    by_repo = {repo: name for name, repo in repos.items() if not service or name == service}
    query = select(REPORTED).where(
        REPORTED.c.at >= since, REPORTED.c.at < until, REPORTED.c.environment == environment
    )
    rows = (await connection.execute(query.order_by(REPORTED.c.at.desc()).limit(MOST))).all()
    named = [(by_repo.get(row.repo, "" if service else row.repo.rpartition("/")[2]), row) for row in rows]
    first = await _first_seen(connection, environment, (name for name, _ in named if name))
    found = []
    for name, row in named:
        if not name or not row.outcome or not row.finished_at or row.finished_at >= first.get(name, until):
            continue
        ending = Ending.LANDED if row.outcome == CiOutcome.SUCCESS else Ending.FAILED
        if row.outcome in (CiOutcome.CANCELLED, CiOutcome.SKIPPED):
            ending = Ending.ABORTED
        version = (row.sha or row.ref or "?")[:12]
        started = row.created_at or row.at
        one = Deployment(row.id, name, environment, version, started, row.finished_at, ending)
        found.append(_One(one, row.sha or ""))
    return found


async def _linked(
    connection: AsyncConnection,
    trails: Trails,
    every: Sequence[_One],
    repos: Mapping[str, str],
    since: datetime,
) -> list[Deployment]:
    """Deployments with the times of the commits that each brought: those of the main branch after the commit that ran
    before. One with nothing before it brings none, since it is not known what was new."""
    named = [(repo, one) for one in every if (repo := repos.get(one.deployment.service))]
    read = await trails.read(
        connection,
        {repo for repo, _ in named},
        since,
        {(repo, one.deployment.version) for repo, one in named if not one.sha},
        {(repo, one.sha) for repo, one in named if one.sha},
    )
    latest: dict[str, int] = {}
    found = []
    for one in every:
        d, repo = one.deployment, repos.get(one.deployment.service, "")
        if not repo or d.ending is not Ending.LANDED:
            found.append(d)
            continue
        place = read.place(repo, one.sha or read.commit(repo, d.version))
        if place is None or d.back:
            found.append(d)
            continue
        before = latest.get(d.service)
        if before is not None and place > before:
            times = read.between(repo, before, place)
            d = Deployment(
                d.id, d.service, d.environment, d.version, d.started_at, d.ended_at, d.ending, d.back, times
            )
        latest[d.service] = max(place, before if before is not None else place)
        found.append(d)
    return found
