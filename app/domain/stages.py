"""A rollout as the stages it went through, and how long such rollouts usually take. Pure.

A stage is one step or phase from when it was entered until the next; they follow from the transitions that
were written while it ran, so a stage is as exact as the looks that found it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from .history import Transition
from .rollout import SETTLED, Outcome, Phase

TYPICAL_OF = 10
"""How many of the latest rollouts tell what is usual."""
_WAITS = frozenset({Phase.PAUSED, Phase.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a rollout. `label` is the step's name ("25 %"), empty where the strategy has no steps; `step`
    counts from 0; `ended_at` is None for the one that runs."""

    label: str
    phase: Phase
    step: int | None
    started_at: datetime
    ended_at: datetime | None

    @property
    def waits(self) -> bool:
        """Whether it stood still on purpose: for a person, or for a set time."""
        return self.phase in _WAITS


@dataclass(frozen=True, slots=True)
class Typical:
    """How long rollouts usually take: the median of the `count` latest that landed, in seconds."""

    seconds: int
    count: int


def stages(
    started_at: datetime, ended_at: datetime | None, revision: str, transitions: Iterable[Transition]
) -> tuple[Stage, ...]:
    """The stages of the rollout to `revision` between two instants, oldest first. `transitions` are its
    workload's, in order; those of other rollouts are passed over. Neighbours alike are one stage."""
    found: list[Stage] = []
    for t in transitions:
        if t.revision != revision or t.at < started_at or (ended_at is not None and t.at >= ended_at):
            continue
        if t.after in SETTLED or t.after is Phase.UNKNOWN:
            continue
        begun = max(t.at, started_at) if found else started_at
        if found:
            found[-1] = replace(found[-1], ended_at=begun)
        if found and (found[-1].label, found[-1].phase, found[-1].step) == (t.label, t.after, t.step):
            found[-1] = replace(found[-1], ended_at=None)
        else:
            found.append(Stage(t.label, t.after, t.step, begun, None))
    if found:
        found[-1] = replace(found[-1], ended_at=ended_at)
    return tuple(found)


def stood(stages: Iterable[Stage], now: datetime) -> timedelta:
    """How long of it all was spent waiting."""
    return sum(((s.ended_at or now) - s.started_at for s in stages if s.waits), timedelta())


def typical(ended: Sequence[tuple[Outcome | None, timedelta]]) -> Typical | None:
    """What is usual, from (outcome, length) of rollouts, newest first; None while none has landed. One that
    began and ended in one look tells nothing of its length."""
    took = [s for outcome, length in ended if outcome in _LANDED and (s := length.total_seconds()) >= 1]
    took = took[:TYPICAL_OF]
    return Typical(round(median(took)), len(took)) if took else None


_LANDED = frozenset({Outcome.PROMOTED, Outcome.FAST_PROMOTED})
