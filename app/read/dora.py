"""The page of DORA: five figures of one environment, their trend by weeks, and each service's; and the rows that every
number recomputes from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import dora, instants
from app.domain.dora import Figures, Judged
from app.domain.dora import Outcome as Told
from app.domain.names import cut
from app.domain.rollout import Attention

from .board import Clause, Column, Sentence
from .columns import columns
from .deployments import Past, read_past
from .fleet import Fleet
from .words import number

WINDOWS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "12w": timedelta(weeks=12)}
WEEKS = 12
FEW = 6
"""From so many rows on, a median has an interval."""
SERVICES = 200
ROWS = 500
"""Most rows of a figure on the page; the export has all."""
FIGURES = ("lead", "frequency", "recovery", "fail", "rework")


@dataclass(frozen=True, slots=True)
class DoraQuery:
    """Of which environment (empty: the last one), service (empty: all) and window the figures are; `until` is the end
    of the window (None: now). `figure` narrows the rows to those of one figure."""

    environment: str = ""
    service: str = ""
    window: str = "30d"
    until: datetime | None = None
    figure: str = ""

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> DoraQuery:
        """Read a query string. Raises ValueError that says what is allowed."""
        told = {name: cut(value.strip(), 200) for name, value in params}
        window, figure = told.get("window", "30d"), told.get("figure", "")
        if window not in WINDOWS:
            raise ValueError(f"window={window} is none. Use one of: {', '.join(WINDOWS)}.")
        if figure not in ("", *FIGURES):
            raise ValueError(f"figure={figure} is none. Use one of: {', '.join(FIGURES)}.")
        return cls(
            told.get("environment", ""), told.get("service", ""), window, instant(told, "until"), figure
        )

    def pairs(self) -> list[tuple[str, str]]:
        """What was asked, in canonical order."""
        found = [(n, getattr(self, n)) for n in ("environment", "service", "figure") if getattr(self, n)]
        found += [("window", self.window)] if self.window != "30d" else []
        return [*found, ("until", stamp(self.until))] if self.until else found

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return urlencode(self.pairs())

    def choosing(self, **told: str) -> str:
        """The query string with something else chosen."""
        return replace(self, **told).query_string()  # type: ignore[arg-type]


def instant(told: dict[str, str], name: str) -> datetime | None:
    """A parameter that is an instant; None without it. Raises ValueError."""
    text = told.get(name, "").replace(" ", "+")
    if not text:
        return None
    try:
        return instants.read(text)
    except ValueError:
        raise ValueError(f"{name}= is no instant. Use one like 2026-11-25T12:00:00Z.") from None


def stamp(at: datetime) -> str:
    """An instant for a query string."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


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


def span(query: DoraQuery, now: datetime) -> tuple[datetime, datetime]:
    """Beginning and end of the window. Without an end told it ends with the minute, so that it can be asked for
    again."""
    until = query.until or now.replace(second=0, microsecond=0)
    return until - WINDOWS[query.window], until


def places(fleet: Fleet) -> tuple[Column, ...]:
    """Environments in promotion order."""
    return columns({row.place.environment for row in fleet.workloads.values()}, fleet.environments)


async def outcomes(
    connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime, weeks: int = 0
) -> tuple[tuple[Told, ...], Past, str]:
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
    by_week = dora.weeks(until, WEEKS)
    found, weeks, services = await asyncio.to_thread(
        lambda: (
            dora.figures(told, since, until),
            tuple(dora.figures(told, *week) for week in by_week),
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


def _services(told: Sequence[Told], since: datetime, until: datetime) -> tuple[ServiceFigures, ...]:
    by_service: dict[str, list[Told]] = {}
    for one in told:
        by_service.setdefault(one.deployment.service, []).append(one)
    found = []
    for name in sorted(by_service)[:SERVICES]:
        mine = by_service[name]
        lead = []
        for start, end in dora.weeks(until, WEEKS):
            waits = [
                max(0.0, (o.deployment.ended_at - at).total_seconds())
                for o in mine
                if start <= o.deployment.ended_at < end
                for at in o.deployment.committed_at
            ]
            middle = dora.middle(waits)
            lead.append((middle.value, middle.low, middle.high))
        found.append(ServiceFigures(name, dora.figures(mine, since, until), tuple(lead)))
    return tuple(found)


async def rows(
    connection: AsyncConnection, fleet: Fleet, query: DoraQuery, now: datetime
) -> tuple[DoraRow, ...]:
    """The deployments that the figures of the window are counted from, oldest first."""
    since, until = span(query, now)
    told, _, _ = await outcomes(connection, fleet, query, now)
    return tuple(_row(one) for one in told if _inside(one, query, since, until))


def _inside(one: Told, query: DoraQuery, since: datetime, until: datetime) -> bool:
    return since <= one.deployment.ended_at < until and _of(one, query.figure)


def _of(one: Told, figure: str) -> bool:
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


def _row(one: Told) -> DoraRow:
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
