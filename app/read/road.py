"""A strategy drawn as a road: its steps with what is done, what runs and what comes, and when each was. Pure.

Canaries and blue-greens have steps of their own; a rolling or recreating update has none, so its road is
made of what must happen to pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.names import cut
from ..domain.rollout import SETTLED, PodCondition, RolloutState, Step, StepState, Strategy, WaitKind
from ..domain.stages import Stage
from .board import Segment

_BY_PODS = frozenset(
    {Strategy.ROLLING, Strategy.RECREATE, Strategy.PARTITIONED, Strategy.ON_DELETE, Strategy.UNKNOWN}
)
_TITLES = {"analysis": "Analysis", "preview": "Preview", "switch": "Switch", "experiment": "Experiment"}


@dataclass(frozen=True, slots=True)
class Stop:
    """A piece of road. `title` may end in " %". `started_at` and `ended_at` are known for what was seen;
    `note` says what happens or is to happen there, `until` when that ends by itself."""

    title: str
    state: StepState
    note: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    until: datetime | None = None
    trouble: bool = False


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


def road(state: RolloutState, stages: Sequence[Stage]) -> tuple[Stop, ...]:
    """The road of the rollout that runs, or of the last one where the strategy has steps. `stages` are what
    was seen of it."""
    if state.steps:
        return _by_steps(state, stages)
    if state.strategy in _BY_PODS and state.phase not in SETTLED:
        return _by_pods(state)
    return ()


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
                note=_now(state) if now else _plan(group),
                started_at=seen[0].started_at if seen else None,
                ended_at=seen[-1].ended_at if over else None,
                until=state.waits_for.until if now else None,
                trouble=now and bool(state.problems),
            )
        )
    weights = [group.title for group in groups if group.title.endswith(" %")]
    if weights and weights[-1] != "100 %":
        last = _last(state)
        stops.append(Stop("100 %", last, _now(state) if last is StepState.NOW else ""))
    return tuple(stops)


def _plan(group: _Group) -> str:
    """What will happen, or was to happen, at steps that do not run now."""
    if group.state is StepState.DONE:
        return ""
    for step in group.steps:
        if step.kind == "pause":
            return _spell(step.seconds) if step.seconds else "then asks a person"
    return ""


def _now(state: RolloutState) -> str:
    match state.waits_for.kind:
        case WaitKind.PERSON:
            return "waits for a person"
        case WaitKind.TIMER:
            return "goes on by itself"
        case WaitKind.ANALYSIS:
            good = sum(1 for c in state.checks if c.phase == "successful")
            return f"{good} of {len(state.checks)} passed" if state.checks else "analysis runs"
    new = state.revision
    return f"{new.ready:,} of {new.wanted:,} ready" if new and new.wanted else ""


def _by_pods(state: RolloutState) -> tuple[Stop, ...]:
    c, new = state.counts, state.revision
    wanted = max(c.wanted, 0)
    old = max(0, c.total - c.updated)
    ready = min(new.ready if new else 0, c.updated)
    failing = sum(1 for p in state.pods if p.new and p.condition is PodCondition.FAILING)
    made = ("New pods", c.updated >= wanted, f"{min(c.updated, wanted):,} of {wanted:,}")
    up = (
        "Ready",
        c.updated >= wanted and ready >= wanted,
        f"{ready:,} of {wanted:,}" + (f", {failing:,} failing" if failing else ""),
    )
    gone = ("Old pods gone", not old, f"{old:,} left" if old else "all gone")
    parts = (gone, made, up) if state.strategy is Strategy.RECREATE else (made, up, gone)
    at = next((i for i, part in enumerate(parts) if not part[1]), len(parts))
    if failing:
        at = parts.index(up)
    stops = [
        Stop(
            title,
            StepState.NOW if i == at else StepState.DONE if done else StepState.NEXT,
            note,
            trouble=i == at and bool(state.problems),
        )
        for i, (title, done, note) in enumerate(parts)
    ]
    last = StepState.NOW if at == len(parts) else StepState.NEXT
    late = next((p for p in state.problems if p.category == "deadline"), None)
    if late is not None:
        return (*stops, Stop("Done", last, "deadline passed", late.since))
    return (*stops, Stop("Done", last, "deadline" if state.deadline_at else "", until=state.deadline_at))


def _spell(seconds: int) -> str:
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts[:2]) or "0 s"
