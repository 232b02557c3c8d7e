"""The deployments of one service, judged and tallied, in memory: counted again only where something changed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from app.domain import dora
from app.domain.dora import UNDECIDED, Figures, Incident, JudgedDeployment, Tally
from app.domain.intervals import Figure

from .deployments import Rollout, Taken, linked, merged
from .trails import Read

K = TypeVar("K")
V = TypeVar("V")
SPANS = 20
"""Of how many spans tallies are kept: those of a page are thirteen."""
Ended = tuple[datetime, str]
"""When a rollout ended, and its id."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What a service's figures are counted from beside its rollouts; `trail` is another one when the commits of its
    repository were read anew."""

    incidents: tuple[Incident, ...] = ()
    reported: tuple[Taken, ...] = ()
    repo: str = ""
    trail: object = None


class JudgedService:
    """The deployments of one service, oldest first, as `told` when it was judged last; `again` counts rollouts of then
    that changed no version."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended: list[Ended] = []
        """Its rollouts, in order."""
        self.changes = 0
        """How often one of them changed, came or went."""
        self.told: tuple[JudgedDeployment, ...] = ()
        self.again = 0
        self._as_of: tuple[int, int, Beside] | None = None
        self._ends: list[datetime] = []
        self._old = 0
        self._tallies: dict[tuple[int, int], Tally] = {}
        self._figures: dict[tuple[Tally, timedelta], Figures] = {}
        self._leads: dict[Tally, Figure] = {}

    def before(self, until: datetime) -> Sequence[Ended]:
        """Its rollouts that ended before."""
        return self.ended[: bisect_left(self.ended, (until, ""))]

    def fresh(self, beside: Beside, until: datetime) -> bool:
        """Whether to judge it anew would change nothing."""
        now = (self.changes, bisect_left(self.ended, (until, "")), beside)
        return now == self._as_of and self._old == bisect_right(self._ends, until - UNDECIDED)

    def take(self, rollouts: Sequence[Rollout], beside: Beside) -> list[Taken]:
        """What it deployed, oldest first."""
        self.again = sum(not one.changed for one in rollouts)
        every = [*beside.reported, *merged(rollouts)]
        return sorted(every, key=lambda one: (one.deployment.ended_at, one.deployment.id))

    def judge(self, taken: Sequence[Taken], beside: Beside, read: Read, until: datetime) -> None:
        """Judge what it deployed as of `until`."""
        self.told = dora.judge(linked(taken, beside.repo, read), beside.incidents, until)
        beside = replace(beside, trail=read.trails.get(beside.repo))
        self._as_of = (self.changes, bisect_left(self.ended, (until, "")), beside)
        self._ends = [one.deployment.ended_at for one in self.told]
        self._old = bisect_right(self._ends, until - UNDECIDED)
        for kept in (self._tallies, self._figures, self._leads):
            kept.clear()

    def between(self, since: datetime, until: datetime) -> Sequence[JudgedDeployment]:
        """Those that ended in [since, until)."""
        return self.told[slice(*self._span(since, until))]

    def tally(self, since: datetime, until: datetime) -> Tally | None:
        """The tally of those that ended in [since, until): the same object as long as it is of the same ones; None
        without any."""
        span = self._span(since, until)
        if span[0] == span[1]:
            return None
        found = self._tallies.get(span)
        if found is None:
            found = keep(self._tallies, span, dora.tally(self.told[slice(*span)]))
        return found

    def figures(self, since: datetime, until: datetime) -> Figures:
        """The figures of those that ended in [since, until)."""
        tally = self.tally(since, until)
        if tally is None:
            return dora.total([], until - since)
        found = self._figures.get((tally, until - since))
        return found or keep(self._figures, (tally, until - since), dora.total([tally], until - since))

    def lead(self, since: datetime, until: datetime) -> Figure:
        """Their lead time alone."""
        tally = self.tally(since, until)
        if tally is None:
            return dora.lead([])
        return self._leads.get(tally) or keep(self._leads, tally, dora.lead([tally]))

    def _span(self, since: datetime, until: datetime) -> tuple[int, int]:
        first = bisect_left(self._ends, since)
        return first, bisect_left(self._ends, until, first)


def keep(kept: dict[K, V], key: K, value: V) -> V:
    """Keep what was worked out, in place of all that was before once it is too much."""
    if len(kept) >= SPANS:
        kept.clear()
    kept[key] = value
    return value
