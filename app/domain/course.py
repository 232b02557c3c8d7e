"""How far a rollout was at an instant: what is kept of each look while it runs, to be drawn as a course. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from .rollout import PodCondition, RolloutState


@dataclass(frozen=True, slots=True)
class Sample:
    """Ready pods of the new revision and of all others, pods `wanted`, new ones that fail, restarts on either side, and
    the share of traffic of the new revision in percent: asked for and `measured` (None: nothing splits it)."""

    at: datetime
    new: int
    old: int
    wanted: int
    failing: int
    new_restarts: int
    old_restarts: int
    asked: int | None
    measured: int | None

    def same(self, other: Sample) -> bool:
        """Whether both say the same, whenever it was."""
        return replace(self, at=other.at) == other


def sample(state: RolloutState, at: datetime) -> Sample:
    """What `state`, seen at `at`, says of its rollout. Where pods are not looked at one by one, the counts tell."""
    new = state.revision.ready if state.revision else 0
    old = max(0, state.counts.ready - new)
    failing = new_restarts = old_restarts = 0
    if state.pods:
        new = old = 0
        for pod in state.pods:
            ready = pod.condition is PodCondition.READY
            if pod.new:
                new += ready
                failing += pod.condition is PodCondition.FAILING
                new_restarts += pod.restarts
            else:
                old += ready
                old_restarts += pod.restarts
    return Sample(
        at=at,
        new=new,
        old=old,
        wanted=state.counts.wanted,
        failing=failing,
        new_restarts=new_restarts,
        old_restarts=old_restarts,
        asked=state.weight.wanted if state.weight else None,
        measured=state.weight.actual if state.weight else None,
    )
