"""A strategy drawn as a road: its steps with what is done, what runs and what comes, and when each was. Pure.

Canaries and blue-greens have steps of their own; what has none is in `courses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..domain.names import cut
from ..domain.rollout import SETTLED, Phase, RolloutState, Step, StepState, Strategy
from ..domain.stages import Stage
from .board import Segment
from .courses import Stop, by_counts, by_nodes, by_ordinals, by_share, by_sides, doing

_BY_PODS = frozenset(
    {Strategy.ROLLING, Strategy.RECREATE, Strategy.PARTITIONED, Strategy.ON_DELETE, Strategy.UNKNOWN}
)
_BY_PLACE = {"statefulset": by_ordinals, "daemonset": by_nodes}
_TITLES = {"promote": "Promotion"}


@dataclass(frozen=True, slots=True)
class _Group:
    """Steps that people count as one, by their indices."""

    title: str
    steps: tuple[Step, ...]
    indices: range

    @property
    def state(self) -> StepState:
        return _together([s.state for s in self.steps])


def segments(steps: Sequence[Step]) -> tuple[Segment, ...]:
    """Steps as people count them on the board: what follows a weight (a pause, an analysis) is part of that
    weight's segment, and the last one is 100."""
    groups: list[tuple[str, list[StepState]]] = []
    for step in steps:
        if step.weight is not None and (not groups or groups[-1][0] != str(step.weight)):
            groups.append((str(step.weight), [step.state]))
        elif groups and groups[-1][0].isdecimal():
            groups[-1][1].append(step.state)
        else:
            groups.append((step.label or step.kind, [step.state]))
    if groups and groups[-1][0].isdecimal() and groups[-1][0] != "100":
        done = all(state is StepState.DONE for state in groups[-1][1])
        groups.append(("100", [StepState.NOW if done else StepState.NEXT]))
    return tuple(Segment(cut(label, 16), _together(states)) for label, states in groups)


def road(engine: str, state: RolloutState, stages: Sequence[Stage]) -> tuple[Stop, ...]:
    """The road of the rollout that runs, or of the last one where the strategy has steps. `engine` is the name of
    the one that read `state`, `stages` are what was seen of the rollout."""
    if engine == "service-switch":
        return by_sides(state)
    if engine == "native-canary" and state.strategy is Strategy.CANARY:
        return by_share(state)
    if engine == "flagger" and state.steps:
        return _analysed(state, stages)
    if state.steps:
        return _by_steps(state, stages)
    if state.phase in SETTLED or state.strategy not in _BY_PODS:
        return ()
    if state.phase is not Phase.PENDING and engine in _BY_PLACE:
        return _BY_PLACE[engine](state)
    return by_counts(state)


def _together(states: Sequence[StepState]) -> StepState:
    if all(s is StepState.DONE for s in states):
        return StepState.DONE
    return StepState.NEXT if all(s is StepState.NEXT for s in states) else StepState.NOW


def _groups(steps: Sequence[Step]) -> list[_Group]:
    groups: list[_Group] = []
    for i, step in enumerate(steps):
        last = groups[-1] if groups else None
        if step.weight is not None:
            title = f"{step.weight} %"
        else:
            title = _TITLES.get(step.label, step.label[:1].upper() + step.label[1:] or step.kind)
        held = step.kind == "pause" and last is not None and last.title.endswith(" %")
        if last and (held or title == last.title):
            groups[-1] = _Group(last.title, (*last.steps, step), range(last.indices.start, i + 1))
        else:
            groups.append(_Group(title, (step,), range(i, i + 1)))
    return groups


def _last(state: RolloutState) -> StepState:
    if any(step.state is not StepState.DONE for step in state.steps):
        return StepState.NEXT
    return StepState.DONE if state.phase in SETTLED else StepState.NOW


def _by_steps(state: RolloutState, stages: Sequence[Stage]) -> tuple[Stop, ...]:
    groups, stops = _groups(state.steps), []
    for group in groups:
        seen = [s for s in stages if s.step is not None and s.step in group.indices]
        now = group.state is StepState.NOW
        over = group.state is StepState.DONE and seen
        stops.append(
            Stop(
                title=group.title,
                state=group.state,
                note=doing(state) if now else _plan(group),
                started_at=seen[0].started_at if seen else None,
                ended_at=seen[-1].ended_at if over else None,
                until=state.waits_for.until if now else None,
                trouble=now and bool(state.problems),
            )
        )
    weights = [group.title for group in groups if group.title.endswith(" %")]
    if weights and weights[-1] != "100 %" and state.steps[-1].kind != "promotion":
        last = _last(state)
        stops.append(Stop("100 %", last, doing(state) if last is StepState.NOW else ""))
    return tuple(stops)


def _analysed(state: RolloutState, stages: Sequence[Stage]) -> tuple[Stop, ...]:
    """Flagger's: shares or rounds, each with its checks, then the promotion. It keeps no step when an analysis is
    over, so all are done, or it went back."""
    if state.phase in SETTLED:
        over = tuple(replace(step, state=StepState.DONE) for step in state.steps)
        return _by_steps(replace(state, steps=over), stages) if stages else ()
    stops = _by_steps(state, stages)
    if state.phase in (Phase.FAILED, Phase.ABORTED):
        return (*stops, Stop("Back", StepState.NOW, "the version before serves", trouble=True))
    return stops


def _plan(group: _Group) -> str:
    """What will happen, or was to happen, at steps that do not run now."""
    if group.state is StepState.DONE:
        return ""
    for step in group.steps:
        if step.kind == "pause":
            return _spell(step.seconds) if step.seconds else "then asks a person"
        if step.seconds:
            return f"{_spell(step.seconds)} of checks"
    return ""


def _spell(seconds: int) -> str:
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts[:2]) or "0 s"
