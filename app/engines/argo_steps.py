"""The strategy of an Argo Rollout as steps: which are done, what comes next in words, what share the new
revision has.

Indices and weights follow the controller's rules; a step index past the end means that all steps are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.revisions import Revision, Weight
from ..domain.rollout import Step, StepState
from . import reading
from .shapes import BlueGreen, Canary, CanaryStep, RolloutStatus

_KINDS = (
    ("analysis", "analysis"),
    ("experiment", "experiment"),
    ("set_canary_scale", "scale"),
    ("set_header_route", "header route"),
    ("set_mirror_route", "mirror"),
    ("plugin", "plugin"),
)
PREVIEW, SWITCH, VERIFY = 0, 1, 2
"""Indices of a blue-green rollout's steps."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where a rollout is on its strategy. `index` is None when no step is or was taken in this rollout."""

    steps: tuple[Step, ...]
    index: int | None
    weight: Weight | None = None

    @property
    def now(self) -> Step | None:
        """The step that runs."""
        return self.steps[self.index] if self.index is not None and self.index < len(self.steps) else None

    @property
    def target(self) -> int:
        """The weight that comes after this step, in percent; 100 after the last."""
        ahead = self.steps[self.index + 1 :] if self.index is not None else self.steps
        return next((s.weight for s in ahead if s.weight is not None), 100)


def canary(
    strategy: Canary, status: RolloutStatus, moved: bool, aborted: bool, new: Revision | None, blind: bool
) -> Course:
    """A canary's course. `moved`: it goes, or went, from one revision to another; `new` is the canary's
    revision; `blind`: ReplicaSets could not be looked at."""
    declared = strategy.steps or []
    index = max(0, status.current_step_index or 0)
    at: int | None = min(index, len(declared))
    if not declared or aborted or not moved:
        at = None
    full = max(1, (strategy.traffic_routing and strategy.traffic_routing.max_traffic_weight) or 100)
    steps = tuple(_step(s, _state(i, at), full) for i, s in enumerate(declared))
    running = moved and bool(declared) and index < len(declared)
    wanted = 0 if aborted else _wanted(declared, index, full) if running else 100
    actual = _actual(strategy, status, wanted, new, blind, full) if running else 100
    known = actual is not None and bool(status.current_pod_hash)
    return Course(steps, at, Weight(wanted, actual or 0) if known else None)


def blue_green(
    strategy: BlueGreen, status: RolloutStatus, moved: bool, aborted: bool, new: Revision | None
) -> Course:
    """A blue-green course: the preview comes up, traffic switches, and, where an analysis follows, it is
    verified."""
    labels = ["preview", "switch"] + (["analysis"] if strategy.post_promotion_analysis is not None else [])
    seen = status.blue_green
    current, stable = status.current_pod_hash, status.stable_rs
    at: int | None
    if aborted or not moved:
        at = None
    elif current == stable:
        at = len(labels)
    elif seen is not None and seen.active_selector == current:
        at = min(VERIFY, len(labels) - 1)
    else:
        up = new is not None and new.available >= max(1, new.wanted)
        at = SWITCH if up or status.pause_conditions else PREVIEW
    return Course(tuple(Step(label, label, _state(i, at)) for i, label in enumerate(labels)), at)


def canary_progress(course: Course, new: Revision | None, replicas: int) -> int:
    """Percent of the steps, a weight step by its pods; a timed pause counts when it is over."""
    if course.index is None or not course.steps:
        return 0
    part = 0.0
    if course.now is not None and course.now.weight is not None and new is not None:
        goal = max(1, new.wanted, -(-replicas * course.now.weight // 100))
        part = max(0, min(new.available, goal)) / goal
    return int(100 * (course.index + part) / len(course.steps))


def blue_green_progress(course: Course, new: Revision | None) -> int:
    """Preview pods make the first half, the switch the next quarter, being stable the rest."""
    if course.index is None:
        return 0
    if course.index >= len(course.steps):
        return 100
    if course.index >= VERIFY:
        return 75
    if new is None or new.wanted <= 0:
        return 0
    return 50 * min(new.available, new.wanted) // new.wanted


def _state(i: int, at: int | None) -> StepState:
    if at is None or i > at:
        return StepState.NEXT
    return StepState.NOW if i == at else StepState.DONE


def _step(declared: CanaryStep, state: StepState, full: int) -> Step:
    if declared.set_weight is not None:
        percent = _percent(declared.set_weight, full)
        return Step("weight", f"{percent} %", state, weight=percent)
    if declared.pause is not None:
        length = reading.seconds(declared.pause.duration)
        label = "pause" if length is None else f"pause {reading.spell(length)}"
        return Step("pause", label, state, seconds=length)
    for field, label in _KINDS:
        if getattr(declared, field) is not None:
            return Step(label.replace(" ", "_"), label, state)
    return Step("unknown", "step", state)


def _percent(weight: int, full: int) -> int:
    return max(0, min(100, 100 * weight // full))


def _wanted(declared: Sequence[CanaryStep], index: int, full: int) -> int:
    """The last weight set at or before the step that runs; none yet: 0."""
    past = (s.set_weight for s in reversed(declared[: index + 1]) if s.set_weight is not None)
    return _percent(next(past, 0), full)


def _actual(
    strategy: Canary, status: RolloutStatus, wanted: int, new: Revision | None, blind: bool, full: int
) -> int | None:
    available = status.available_replicas or 0
    if available <= 0:
        return 0
    if strategy.traffic_routing is not None:
        weights = status.canary.weights if status.canary else None
        told = weights.canary if weights else None
        return wanted if told is None else _percent(told.weight or 0, full)
    if blind:
        return None
    return _percent(new.available if new else 0, available)
