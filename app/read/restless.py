"""Between two crashes: a container without a readiness probe counts as ready each time it is started again.

For the cluster, and so for an engine without a clock, such a workload is well for some seconds at a time. Here
it stays in trouble until it has run a while. Pure; `now` is passed in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ..domain.names import cut
from ..domain.rollout import Attention, Caution, CautionKind, Health, Pod, PodCondition, Problem, RolloutState
from .rows import WorkloadRow

_EACH = timedelta(minutes=1)
_MOST = timedelta(minutes=10)
"""After so long a kubelet forgets that a container crashed. Source: kubelet, container back-off."""
_ASKED = frozenset({Attention.WAITING, Attention.MOVING, Attention.GOOD})


def until(row: WorkloadRow) -> datetime | None:
    """Until when restarts that are over for now count as trouble: a minute after the last one for each there was,
    which is longer than the kubelet waits in between. None when there is none."""
    caution = _restarts(row.state) if row.state.cautions and row.attention in _ASKED else None
    if caution is None or caution.since is None:
        return None
    most = max((pod.restarts for pod in _again(row.state)), default=0)
    return caution.since + min(_MOST, most * _EACH)


def as_of(row: WorkloadRow, now: datetime) -> WorkloadRow:
    """`row` as it is to be read at `now`: in trouble while its last crash is recent."""
    end = until(row)
    if end is None or now >= end:
        return row
    state, caution = row.state, _restarts(row.state)
    pods = sorted(_again(state), key=lambda p: (-p.restarts, p.name))
    if caution is None or not pods:
        return row
    worst = pods[0]
    message = cut(f"{worst.message}; runs again for now")
    category = "oom" if worst.reason == "OOMKilled" else "crash"
    problem = Problem(category, worst.reason, message, caution.pods, caution.since, caution.evidence)
    state = replace(
        state,
        health=Health.DEGRADED,
        message=message,
        problems=(problem, *state.problems),
        cautions=tuple(c for c in state.cautions if c is not caution),
    )
    return replace(row, state=state, attention=Attention.FAILED)


def _restarts(state: RolloutState) -> Caution | None:
    return next((c for c in state.cautions if c.kind is CautionKind.RESTARTS), None)


def _again(state: RolloutState) -> list[Pod]:
    return [p for p in state.pods if p.new and p.condition is PodCondition.READY and p.message]
