"""The page of DORA: five figures of one environment, their trend by weeks, and each service's; and the rows that every
number recomputes from."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import dora
from app.domain.dora import Figures, Judged, JudgedDeployment
from app.domain.intervals import middle
from app.domain.rollout import Attention

from .board import Clause, Column, Sentence
from .deployments import Past, read_past
from .dora_query import DoraQuery, places, span
from .fleet import Fleet
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


async def outcomes(
    connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime, weeks: int = 0
) -> tuple[tuple[JudgedDeployment, ...], Past, str]:
    """Judged deployments of the window and of so many weeks, what they come from, and the environment."""
    since, until = span(query, now)
    known = places(fleet)
    environment = query.environment or (known[-1].name if known else "production")
    first = min(since, until - timedelta(weeks=weeks))
    past = await read_past(connection, fleet, environment, query.service, first, until)
    told = await asyncio.to_thread(dora.judge, past.deployments, past.incidents, until)
    return told, past, environment


async def figures(connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime) -> Dora:
    """The page."""
    since, until = span(query, now)
    told, past, environment = await outcomes(connection, fleet, query, now, WEEKS)
    by_week = [_between(told, *week) for week in dora.weeks(until, WEEKS)]
    found, weeks, services = await asyncio.to_thread(
        lambda: (
            dora.figures(_between(told, since, until), since, until),
            tuple(
                dora.figures(some, *week)
                for some, week in zip(by_week, dora.weeks(until, WEEKS), strict=True)
            ),
            () if query.service else _services(told, since, until),
        )
    )
    return Dora(
        sentence=_sentence(found, environment),
        environment=environment,
        environments=places(fleet),
        since=since,
        until=until,
        figures=found,
        weeks=weeks,
        services=services,
        again=past.again,
        incidents=sum(bool(incident.deployment) for incident in past.incidents),
        more=past.more,
        query=query,
        rows=tuple(_row(one) for one in reversed(told) if query.figure and _inside(one, query, since, until))[
            :ROWS
        ],
    )


def _between(
    told: Sequence[JudgedDeployment], since: datetime, until: datetime
) -> Sequence[JudgedDeployment]:
    """Of what is in the order of its end, what ended in [since, until)."""
    first = bisect_left(told, since, key=lambda one: one.deployment.ended_at)
    return told[first : bisect_left(told, until, first, key=lambda one: one.deployment.ended_at)]


def _services(
    told: Sequence[JudgedDeployment], since: datetime, until: datetime
) -> tuple[ServiceFigures, ...]:
    by_service: dict[str, list[JudgedDeployment]] = {}
    for one in told:
        by_service.setdefault(one.deployment.service, []).append(one)
    by_week = dora.weeks(until, WEEKS)
    found = []
    for name in sorted(by_service)[:SERVICES]:
        mine = by_service[name]
        lead = []
        for week in by_week:
            waits = [
                max(0.0, (o.deployment.ended_at - at).total_seconds())
                for o in _between(mine, *week)
                for at in o.deployment.committed_at
            ]
            half = middle(waits)
            lead.append((half.value, half.low, half.high))
        found.append(
            ServiceFigures(name, dora.figures(_between(mine, since, until), since, until), tuple(lead))
        )
    return tuple(found)


async def rows(
    connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime
) -> tuple[DoraRow, ...]:
    """The deployments that the figures of the window are counted from, oldest first."""
    since, until = span(query, now)
    told, _, _ = await outcomes(connection, fleet, query, now)
    return tuple(_row(one) for one in told if _inside(one, query, since, until))


def _inside(one: JudgedDeployment, query: DoraQuery, since: datetime, until: datetime) -> bool:
    return since <= one.deployment.ended_at < until and _of(one, query.figure)


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
