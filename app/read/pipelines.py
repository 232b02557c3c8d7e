"""The page of pipelines: each service's latest run on its main branch by stage, against the budget; or the runs of one
service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import instants
from app.domain.budget import BUDGET, Verdict
from app.domain.names import cut
from app.domain.rollout import Attention

from . import runs
from .board import Clause, Sentence
from .builds import MAIN, ServiceBuilds, Since, service_builds
from .runs import RunLine
from .words import number

RUNS = 60
"""Runs of one service on a page."""
_STEP, _MOST = 300, 3600


@dataclass(frozen=True, slots=True)
class PipelinesQuery:
    """Which services: `q` are words that must be in the name, `state` "red", "over", "runs" or "flaky". `service` shows
    the runs of one, on `branch` ("main" for the main one, empty for all), from before `before` on."""

    q: str = ""
    state: str = ""
    service: str = ""
    branch: str = ""
    before: datetime | None = None

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> PipelinesQuery:
        """Read a query string. Raises ValueError that says what is allowed."""
        told = {name: cut(value.strip(), 200) for name, value in params}
        state = told.get("state", "")
        if state not in ("", *STATES):
            raise ValueError(f"state={state} is none. Use one of: {', '.join(STATES)}.")
        before = None
        if text := told.get("before", ""):
            try:
                before = instants.read(text)
            except ValueError:
                raise ValueError("before= is no instant. Use one like 2026-11-25T12:00:00Z.") from None
        return cls(
            " ".join(told.get("q", "").split()),
            state,
            told.get("service", ""),
            told.get("branch", ""),
            before,
        )

    def pairs(self) -> list[tuple[str, str]]:
        """What was asked, in canonical order."""
        found = [
            (name, getattr(self, name)) for name in ("q", "state", "service", "branch") if getattr(self, name)
        ]
        return [*found, ("before", self.before.isoformat().replace("+00:00", "Z"))] if self.before else found

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return urlencode(self.pairs())

    def choosing(self, **told: Any) -> str:
        """The query string with something else chosen."""
        return replace(self, before=None, **told).query_string()

    def takes(self, one: ServiceBuilds) -> bool:
        """Whether a service is to be shown."""
        words = self.q.casefold().split()
        known = f"{one.service} {one.latest.title} {one.latest.sha} {one.latest.actor}".casefold()
        return all(word in known for word in words) and (not self.state or STATES[self.state](one))


STATES = {
    "red": lambda one: one.broken is not None,
    "runs": lambda one: one.latest.verdict is Verdict.RUNS,
    "over": lambda one: one.over is not None,
    "flaky": lambda one: bool(one.flaky),
}


@dataclass(frozen=True, slots=True)
class Pipelines:
    """All of the page. `total` counts the services with runs, `scale` is the length of the time axis in seconds,
    `median` how long the latest runs took that went through. `runs` are those of one service, where it was asked
    for; `next` is where they go on."""

    sentence: Sentence
    services: tuple[ServiceBuilds, ...]
    total: int
    scale: int
    budget: int
    median: int | None
    query: PipelinesQuery
    runs: tuple[RunLine, ...] = ()
    next: datetime | None = None


def pipelines(by_service: Mapping[str, ServiceBuilds], query: PipelinesQuery) -> Pipelines:
    """The page from what is known of each service."""
    shown = sorted((one for one in by_service.values() if query.takes(one)), key=lambda one: one.rank)
    latest = [one.latest for one in shown]
    took = [
        run.seconds for one in shown for run in one.runs[:1] if run.seconds and run.verdict is Verdict.GREEN
    ]
    middle = round(median(took)) if took else None
    return Pipelines(
        sentence=_sentence(shown, len(by_service), middle),
        services=tuple(shown),
        total=len(by_service),
        scale=scale(latest),
        budget=int(BUDGET.total_seconds()),
        median=middle,
        query=query,
    )


def scale(some: Iterable[RunLine]) -> int:
    """Seconds of a time axis that holds these runs: at least a quarter of an hour, in steps of five minutes."""
    longest = max((run.seconds or 0 for run in some), default=0)
    return min(_MOST, max(900, ceil(longest * 1.05 / _STEP) * _STEP))


async def of_service(connection: AsyncConnection, query: PipelinesQuery) -> Pipelines:
    """The page of one service. Raises LookupError when nothing is known of it."""
    branches = MAIN if query.branch == "main" else (query.branch,) if query.branch else ()
    asked = runs.of_service(query.service, branches, RUNS + 1, query.before)
    rows = (await connection.execute(asked)).all()
    if not rows and not query.before and not query.branch:
        raise LookupError(f"No run of {query.service} is known.")
    found = await runs.lines(connection, rows[:RUNS])
    mine = [run for run in found if run.branch in MAIN]
    told = service_builds(query.service, tuple(mine)) if mine else None
    more = rows[RUNS - 1].at if len(rows) > RUNS else None
    took = [run.seconds for run in found if run.seconds and run.verdict is Verdict.GREEN]
    middle = round(median(took)) if took else None
    return Pipelines(
        sentence=_sentence_of(query.service, told, middle),
        services=(told,) if told else (),
        total=1,
        scale=scale(found),
        budget=int(BUDGET.total_seconds()),
        median=middle,
        query=query,
        runs=tuple(found),
        next=more,
    )


def _sentence(shown: Sequence[ServiceBuilds], total: int, middle: int | None) -> Sentence:
    red = sum(one.broken is not None for one in shown)
    moving = sum(one.latest.verdict is Verdict.RUNS for one in shown)
    late = sum(one.over is not None for one in shown)
    clauses: list[Clause] = []
    if not total:
        return Sentence((Clause(None, "No CI reports yet", "."),), "No CI reports yet.")
    if not shown:
        clauses.append(Clause(None, "Nothing matches", "."))
    if red:
        clauses.append(Clause(Attention.FAILED, f"{number(red).capitalize()} {_are(red, 'build')} red", "."))
    if moving:
        said = f"{number(moving)} run{'s' if moving == 1 else ''}"
        clauses.append(Clause(Attention.MOVING, said if clauses else _first(moving), "."))
    if len(clauses) > 1 and red:
        clauses[0] = Clause(clauses[0].attention, clauses[0].text, ",")
    if shown and not clauses:
        every = (
            "The one main branch is green"
            if len(shown) == 1
            else f"All {len(shown):,} main branches are green"
        )
        clauses.append(Clause(Attention.GOOD, every, "."))
    usual = f"; the median is {minutes(middle)}" if middle else ""
    if late:
        clauses.append(
            Clause(
                None,
                f"{number(late).capitalize()} of {number(len(shown))} went over the ten-minute budget{usual}",
                ".",
            )
        )
    elif middle:
        clauses.append(Clause(None, f"All are within the ten-minute budget{usual}", "."))
    if shown and len(shown) != total:
        clauses.append(Clause(None, f"{len(shown):,} of {total:,} services are shown", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))


def _first(n: int) -> str:
    return f"{number(n).capitalize()} {'build runs' if n == 1 else 'builds run'}"


def _are(n: int, noun: str) -> str:
    return f"{noun} is" if n == 1 else f"{noun}s are"


def _sentence_of(service: str, told: ServiceBuilds | None, middle: int | None) -> Sentence:
    if told is None:
        clauses = [Clause(None, f"No run of {service} on its main branch is shown", ".")]
    elif told.broken:
        clauses = [
            Clause(Attention.FAILED, f"{service} is red", "."),
            Clause(None, since(told.broken, "Red"), "."),
        ]
    elif told.over:
        clauses = [
            Clause(Attention.GOOD, f"{service} is green", "."),
            Clause(None, since(told.over, "Over budget"), "."),
        ]
    else:
        clauses = [Clause(Attention.GOOD, f"{service} is green", ".")]
    if middle:
        clauses.append(Clause(None, f"Usually it takes {minutes(middle)}", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))


def since(told: Since, what: str) -> str:
    """Who began it, in words: "Over budget since 4f1c2ae by lena because of integration"."""
    who = f" by {told.actor}" if told.actor else ""
    first = f"since {told.sha[:7]}{who}" if told.seen else f"at least since {told.sha[:7]}{who}"
    return f"{what} {first}{f' because of {told.stage}' if told.stage else ''}"


def minutes(seconds: int) -> str:
    """8:42, or 1:02:03 from an hour up."""
    hours, rest = divmod(seconds, 3600)
    text = f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else text


QUIET = timedelta(seconds=30)
"""How seldom a page of one service is read again while nothing is told of it."""
