"""How far a workload is, drawn in a cell: pods as squares, steps as segments. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..domain.counts import among
from ..domain.rollout import Phase, PodCondition, RolloutState, Step, StepState
from .board import Pods, Segment, Square
from .road import segments

SQUARES = 24
"""Most pods drawn one by one."""
SEGMENTS = 8
"""Most steps drawn; of a longer strategy those around the current one."""


def steps_drawn(steps: Sequence[Step]) -> tuple[Segment, ...]:
    """Steps as people count them, of a long strategy those around the current one."""
    found = segments(steps)
    now = next((i for i, s in enumerate(found) if s.state is not StepState.DONE), 0)
    start = max(0, min(now - SEGMENTS // 2, len(found) - SEGMENTS))
    return found[start : start + SEGMENTS]


def pods_drawn(state: RolloutState) -> Pods | None:
    """The pods of a workload; None where there are none."""
    counted: Counter[Square] = Counter()
    for pod in state.pods:
        if pod.condition is PodCondition.FAILING:
            counted[Square.FAILING] += 1
        elif pod.condition is PodCondition.ENDING:
            counted[Square.ENDING] += 1
        elif not pod.new:
            counted[Square.OLD] += 1
        else:
            counted[Square.NEW if pod.condition is PodCondition.READY else Square.STARTING] += 1
    if not counted:
        counted = Counter({Square.NEW: state.counts.updated})
        counted[Square.OLD] = max(0, state.counts.total - state.counts.updated)
    total, wanted = sum(counted.values()), state.counts.wanted
    if not total:
        return None
    new = counted[Square.NEW]
    text = f"{new:,} of {wanted:,}"
    stays = state.phase in (Phase.FAILED, Phase.ABORTED) or state.problems
    if stays and state.stable and state.stable.version:
        text += f" new, {state.stable.version} serves"
    label = f"{among(new, wanted)} {'is' if wanted == 1 else 'are'} new and ready"
    if counted[Square.FAILING]:
        label += f", {counted[Square.FAILING]:,} failing"
    if total > SQUARES:
        text = f"{text}, {total:,} pods"
    return Pods(_shares(counted, total), text, label)


def _shares(counted: Counter[Square], total: int) -> tuple[Square, ...]:
    """Squares in the order of `Square`; beyond SQUARES pods each kind has its share, and at least one."""
    squares: list[Square] = []
    for square in Square:
        n = counted[square]
        drawn = n if total <= SQUARES else max(1, round(n * SQUARES / total)) if n else 0
        squares += [square] * drawn
    return tuple(squares)
