"""Pipelines against their budget: how long a run took, since which commit it takes too long and because of which
stage, and who broke what is red. Pure.

Only runs that went through to the end say how long a pipeline takes: one that failed stopped early.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from .ci import CiOutcome, CiPhase

BUDGET = timedelta(minutes=10)
"""How long a pipeline may take from push to verdict, queue included: the ten-minute build of extreme programming."""
QUEUE = "queue"
"""The stage before the first job begins."""
THROUGH = frozenset({CiOutcome.SUCCESS, CiOutcome.PARTIAL})
RED = frozenset({CiOutcome.FAILURE, CiOutcome.ERROR, CiOutcome.TIMED_OUT})


class Verdict(StrEnum):
    """What a run says of its commit."""

    GREEN = "green"
    RED = "red"
    RUNS = "runs"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Timed:
    """A run as the rules need it: `seconds` from its beginning to its end (None while it runs) and how long each
    stage of it took."""

    run: str
    sha: str
    title: str
    actor: str
    at: datetime
    verdict: Verdict
    through: bool = False
    seconds: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Over:
    """That a pipeline takes longer than its budget. `since` is the first run that did, `seen` that the one before it
    was within; `stage` is the one that grew most (the longest where nothing is known of before) by `grew` seconds;
    `runs` in a row."""

    since: Timed
    stage: str
    grew: float
    runs: int
    seen: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """That a pipeline is red: `by` is the first run that was after a green one (`seen`; else the oldest known),
    `runs` in a row."""

    by: Timed
    runs: int
    seen: bool


def verdict(phase: CiPhase, outcome: CiOutcome | None) -> Verdict:
    """What a run says; one that was cancelled, skipped or neutral says nothing."""
    if phase is not CiPhase.DONE:
        return Verdict.RUNS
    if outcome in THROUGH:
        return Verdict.GREEN
    return Verdict.RED if outcome in RED else Verdict.NOTHING


def over(runs: Sequence[Timed], budget: timedelta = BUDGET) -> Over | None:
    """Since when a pipeline is over its budget; None while its latest run that went through is within. `runs`
    newest first."""
    limit = budget.total_seconds()
    went = [run for run in runs if run.through and run.seconds is not None]
    late: list[Timed] = []
    before: Timed | None = None
    for run in went:
        if (run.seconds or 0.0) <= limit:
            before = run
            break
        late.append(run)
    if not late:
        return None
    first = late[-1]
    stage, grew = _blamed(first.stages, before.stages if before else {})
    return Over(first, stage, grew, len(late), before is not None)


def _blamed(now: Mapping[str, float], before: Mapping[str, float]) -> tuple[str, float]:
    """The stage that grew most, and by how much; of equals the first by name."""
    grown = sorted((-(length - before.get(stage, 0.0)), stage) for stage, length in now.items())
    return (grown[0][1], -grown[0][0]) if grown else ("", 0.0)


def broken(runs: Iterable[Timed]) -> Broken | None:
    """Since when a pipeline is red; None while its latest verdict is green or there is none. `runs` newest first."""
    red: list[Timed] = []
    for run in runs:
        if run.verdict is Verdict.GREEN:
            return Broken(red[-1], len(red), True) if red else None
        if run.verdict is Verdict.RED:
            red.append(run)
    return Broken(red[-1], len(red), False) if red else None


def typical(runs: Iterable[Timed]) -> float | None:
    """The median length in seconds of runs that went through; None without any."""
    took = [run.seconds for run in runs if run.through and run.seconds is not None]
    return median(took) if took else None


def lanes(spans: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """For each (start, end), in order of start, the first lane that is free by then, so that what runs at the same
    time is drawn one below the other."""
    ends: list[float] = []
    found: list[int] = []
    for start, end in spans:
        lane = next((i for i, free in enumerate(ends) if free <= start), len(ends))
        ends[lane : lane + 1] = [max(start, end)]
        found.append(lane)
    return tuple(found)
