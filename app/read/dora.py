"""The page of DORA: five figures of one environment, their trend by weeks, and each service's; and the rows that every
number recomputes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import dora
from app.domain.dora import Figures, Judged, JudgedDeployment
from app.domain.rollout import Attention

from .board import Clause, Column, Sentence
from .dora_query import DoraQuery, places, span
from .fleet import Fleet
from .judged import JudgedService
from .judging import JudgedEnvironment
from .repositories import repositories
from .words import number

WEEKS = 12
SERVICES = 200
ROWS = 500
"""Most rows of a figure on the page; the export has all."""


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """A service's figures, and its lead time by weeks."""

    service: str
    figures: Figures
    lead: tuple[tuple[float | None, float | None, float | None], ...]


@dataclass(frozen=True, slots=True)
class Dora:
    """All of the page. `rows` are those of the figure that was asked for, newest first. `weeks` are
    figures of the last twelve weeks, oldest first; `again` counts rollouts that
    changed no version, `more` that there were more than are looked at."""

    sentence: Sentence
    environment: str
    environments: tuple[Column, ...]
    since: datetime
    until: datetime
    figures: Figures
    weeks: tuple[Figures, ...]
    services: tuple[ServiceFigures, ...]
    again: int
    incidents: int
    more: bool
    query: DoraQuery
    rows: tuple[DoraRow, ...] = ()


@dataclass(frozen=True, slots=True)
class DoraRow:
    """One deployment as it counts. `lead` has seconds from each commit that it brought; `recovery` seconds from its
    failure until service was restored (None: not over, or it did not fail)."""

    id: str
    service: str
    environment: str
    version: str
    started_at: datetime
    ended_at: datetime
    ending: str
    back: bool
    young: bool
    judged: str
    why: str
    failed_at: datetime | None
    restored_at: datetime | None
    recovery: float | None
    rework: bool
    committed_at: tuple[datetime, ...]
    lead: tuple[float, ...]


@asynccontextmanager
async def _judged(
    connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime, weeks: int = 0
) -> AsyncIterator[JudgedEnvironment]:
    """Judged deployments of the window and of so many weeks; with weeks and no end told, held for the next time."""
    since, until = span(query, now)
    known = places(fleet)
    place = query.environment or (known[-1].name if known else "production"), query.service
    first = min(since, until - timedelta(weeks=weeks))
    hold = bool(weeks and not query.until)
    async with fleet.judging.read(
        connection, fleet.trails, repositories(fleet), place, (first, until), hold=hold
    ) as found:
        yield found


async def figures(connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime) -> Dora:
    """The page."""
    async with _judged(connection, fleet, query, now, WEEKS) as found:
        return await asyncio.to_thread(_page, found, fleet, query, *span(query, now))


def _page(found: JudgedEnvironment, fleet: Fleet, query: DoraQuery, since: datetime, until: datetime) -> Dora:
    figures, weeks = found.figures(since, until), dora.weeks(until, WEEKS)
    rows = (_row(one) for one in found.newest(since, until) if query.figure and _of(one, query.figure))
    return Dora(
        sentence=_sentence(figures, found.environment),
        environment=found.environment,
        environments=places(fleet),
        since=since,
        until=until,
        figures=figures,
        weeks=tuple(found.figures(*week) for week in weeks),
        services=()
        if query.service
        else tuple(_service(one, since, until, weeks) for one in found.services[:SERVICES]),
        again=found.again,
        incidents=sum(bool(incident.deployment) for incident in found.incidents),
        more=found.more,
        query=query,
        rows=tuple(islice(rows, ROWS)) if query.figure else (),
    )


def _service(
    one: JudgedService, since: datetime, until: datetime, weeks: Iterable[tuple[datetime, datetime]]
) -> ServiceFigures:
    leads = (one.lead(*week) for week in weeks)
    lead = tuple((half.value, half.low, half.high) for half in leads)
    return ServiceFigures(one.name, one.figures(since, until), lead)


async def rows(
    connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime
) -> tuple[DoraRow, ...]:
    """The deployments that the figures of the window are counted from, oldest first."""
    async with _judged(connection, fleet, query, now) as found:
        newest = list(found.newest(*span(query, now)))
    return tuple(_row(one) for one in reversed(newest) if _of(one, query.figure))


def _of(one: JudgedDeployment, figure: str) -> bool:
    landed = one.deployment.ending is dora.Ending.LANDED and not one.deployment.back
    match figure:
        case "lead":
            return landed and bool(one.deployment.committed_at)
        case "frequency":
            return landed
        case "recovery":
            return one.judged is Judged.FAILED
        case "fail":
            change = not one.deployment.back and one.deployment.ending is not dora.Ending.SUPERSEDED
            return change and not one.young
        case "rework":
            return one.deployment.ending is not dora.Ending.SUPERSEDED
    return True


def _row(one: JudgedDeployment) -> DoraRow:
    d = one.deployment
    recovery = (
        (one.restored_at - one.failed_at).total_seconds() if one.restored_at and one.failed_at else None
    )
    return DoraRow(
        d.id,
        d.service,
        d.environment,
        d.version,
        d.started_at,
        d.ended_at,
        d.ending.value,
        d.back,
        one.young,
        one.judged.value,
        one.why,
        one.failed_at,
        one.restored_at,
        None if recovery is None else max(0.0, recovery),
        one.rework,
        d.committed_at,
        tuple(max(0.0, (d.ended_at - at).total_seconds()) for at in d.committed_at),
    )


def _sentence(found: Figures, environment: str) -> Sentence:
    clauses: list[Clause] = []
    if found.lead.value is not None:
        clauses.append(
            Clause(Attention.GOOD, f"Half of all commits are live within {said(found.lead.value)}", ".")
        )
    elif found.frequency.value is not None:
        n = number(found.frequency.n).capitalize()
        clauses.append(Clause(Attention.GOOD, f"{n} deployments landed in {environment}", "."))
    else:
        clauses.append(
            Clause(None, f"Nothing was deployed to {environment} in this time, so nothing is known", ".")
        )
    if found.fail.value is not None:
        share = found.fail.value
        often = (
            f"One deployment in {number(round(1 / share))} fails"
            if 0 < share < 0.5
            else "No deployment failed"
        )
        often = f"{share * 100:.0f} % of deployments fail" if share >= 0.5 else often
        usual = (
            f"; the usual repair takes {said(found.recovery.value)}"
            if found.recovery.value is not None
            else ""
        )
        clauses.append(Clause(None, f"{often}{usual}", "."))
    elif found.undecided:
        clauses.append(Clause(None, "Whether they hold is told after a day", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))


def said(seconds: float) -> str:
    """A length in words: 34 minutes, 2 h 50 min, 3 days."""
    if seconds < 5400:
        n = max(1, round(seconds / 60))
        return f"{n} minute{'' if n == 1 else 's'}"
    if seconds < 172_800:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{seconds / 86_400:.1f} days"
