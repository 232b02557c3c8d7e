"""A Flagger analysis as steps: weights, or rounds of checks, then the promotion.

Percentages follow Flagger's own counters. Traffic that is on its way back to the primary is told as such.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.revisions import Weight
from ..domain.rollout import Step, StepState, Strategy
from . import reading
from .shapes import CanaryAnalysis, FlaggerSpec, FlaggerStatus

INTERVAL = "60s"
"""Time between two checks when none is set."""
MOST_STEPS = 20
"""More weights than this are not drawn one by one."""
KUBERNETES_ITERATIONS = 10
"""Rounds of the provider "kubernetes", which cannot shift weights, when none are set."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where an analysis is. `index` is None when none runs."""

    strategy: Strategy
    steps: tuple[Step, ...]
    index: int | None
    weight: Weight | None
    progress: int


def course(spec: FlaggerSpec, analysis: CanaryAnalysis, status: FlaggerStatus) -> Course:
    """The course that the spec sets and the status has taken."""
    rounds = max(0, analysis.iterations or 0)
    if spec.provider == "kubernetes" and not rounds:
        rounds = KUBERNETES_ITERATIONS
    if rounds:
        strategy = Strategy.AB_TEST if analysis.match else Strategy.BLUE_GREEN
        planned: list[tuple[str, str, int | None]] = [("analysis", f"{rounds} checks", None)]
    else:
        strategy = Strategy.CANARY
        planned = [("weight", f"{w} %", w) for w in _weights(analysis)]
    planned.append(("promotion", "promote", None))
    phase, weight = status.phase or "", _percent(status.canary_weight)
    most = _most(analysis)
    at, progress = _position(phase, status, planned, rounds, weight, most)
    every = reading.seconds(analysis.interval or INTERVAL)
    took = {"weight": every, "analysis": every * rounds if every else None}
    steps = tuple(
        Step(kind, label, _state(i, at), share, took.get(kind))
        for i, (kind, label, share) in enumerate(planned)
    )
    return Course(strategy, steps, at, _share(phase, rounds, weight, most), progress)


def _position(
    phase: str,
    status: FlaggerStatus,
    planned: list[tuple[str, str, int | None]],
    rounds: int,
    weight: int,
    most: int,
) -> tuple[int | None, int]:
    """The step that runs, and percent of the way (never 100: that is for the phase to say)."""
    last = len(planned) - 1
    if phase == "Progressing":
        if rounds:
            return 0, max(0, min(90, 100 * max(0, status.iterations or 0) // rounds))
        at = next((i for i, (_, _, share) in enumerate(planned) if share is not None and share >= weight), 0)
        return at, max(0, min(90, 100 * weight // most))
    if phase == "WaitingPromotion":
        return last, 90
    if phase in ("Promoting", "Finalising"):
        return last, 95
    return None, 0


def _share(phase: str, rounds: int, weight: int, most: int) -> Weight | None:
    """The share on the new version; None where the status does not tell it."""
    if phase in ("Initialized", "Succeeded"):
        return Weight(100, 100)
    if phase == "Failed":
        return Weight(weight, weight)
    if rounds or phase in ("", "Initializing", "Promoting", "Terminating", "Terminated"):
        return None
    if phase == "WaitingPromotion":
        return Weight(most, most)
    return Weight(weight, weight)


def _weights(analysis: CanaryAnalysis) -> list[int]:
    if analysis.step_weights:
        return [_percent(w) for w in analysis.step_weights[:MOST_STEPS]]
    most, step = _most(analysis), max(0, analysis.step_weight or 0)
    if step <= 0 or most // step > MOST_STEPS:
        return [most]
    return [*range(step, most, step), most]


def _most(analysis: CanaryAnalysis) -> int:
    """The weight at which the analysis ends: of a list of weights the last one counts."""
    if analysis.step_weights:
        return max(1, _percent(analysis.step_weights[-1]))
    return max(1, _percent(100 if analysis.max_weight is None else analysis.max_weight))


def _percent(weight: int | None) -> int:
    return max(0, min(100, weight or 0))


def _state(i: int, at: int | None) -> StepState:
    if at is None or i > at:
        return StepState.NEXT
    return StepState.NOW if i == at else StepState.DONE
