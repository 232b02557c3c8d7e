"""The roads of strategies that have no steps of their own: what must happen to pods, sides or shares. Pure.

What is drawn is only what the pods and counts of the state tell; where pods may not be looked at, counts
alone do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.rollout import Phase, Pod, PodCondition, RolloutState, StepState, Strategy, WaitKind

ONE_BY_ONE = 6
"""Most ordinals or nodes that have a stop each; more of them share stops."""


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


def doing(state: RolloutState) -> str:
    """What goes on at the stop that is reached."""
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


def by_counts(state: RolloutState) -> tuple[Stop, ...]:
    """New pods, ready, old pods gone: a rolling or recreating update."""
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


def by_ordinals(state: RolloutState) -> tuple[Stop, ...]:
    """A StatefulSet: from the highest ordinal down to the partition, each pod when the one before is ready."""
    found = {n: pod for pod in state.pods if (n := _ordinal(pod)) is not None}
    if not found or not state.counts.wanted:
        return by_counts(state)
    first, lowest = state.pace.first, state.pace.first + state.pace.partition
    every = range(first + state.counts.wanted - 1, first - 1, -1)
    moving = [n for n in every if n >= lowest]
    kept = [n for n in every if n < lowest]
    places = [(_span("Pod", part), [found.get(n) for n in part]) for part in _parts(moving)]
    stops = list(_visited(state, places))
    reached = all(stop.state is StepState.DONE for stop in stops)
    for i, part in enumerate(
        [kept[i : i + 1] for i in range(len(kept))] if len(every) <= ONE_BY_ONE else [kept]
    ):
        if part:
            held = f"held by partition {state.pace.partition}" if i == 0 else "then this one"
            stops.append(
                Stop(_span("Pod", part), StepState.NOW if reached and i == 0 else StepState.NEXT, held)
            )
    return tuple(stops)


def by_nodes(state: RolloutState) -> tuple[Stop, ...]:
    """A DaemonSet: node by node where they are few, else what must happen on all of them."""
    nodes: dict[str, list[Pod]] = {}
    for pod in state.pods:
        if pod.node:
            nodes.setdefault(pod.node, []).append(pod)
    if nodes and len(nodes) <= ONE_BY_ONE:
        ranked = sorted(nodes.items(), key=lambda item: (_rank(_newest(item[1])), item[0]))
        return tuple(_visited(state, [(node, [_newest(pods)]) for node, pods in ranked]))
    c, new = state.counts, state.revision
    wanted, ready = c.wanted, min(new.ready if new else 0, c.updated)
    failing = sum(p.new and p.condition is PodCondition.FAILING for p in state.pods)
    old = max(0, wanted - c.updated)
    made = ("Updated nodes", not old, f"{c.updated:,} of {wanted:,}")
    told = f", {failing:,} failing" if failing else ""
    up = ("Ready", not old and ready >= wanted, f"{ready:,} of {wanted:,}{told}")
    by_hand = state.strategy is Strategy.ON_DELETE
    left = f"{old:,} wait{'s' if old == 1 else ''} to be deleted" if by_hand else f"{old:,} left"
    gone = ("Old pods gone", not old, left if old else "all gone")
    parts = (made, up, gone) if state.pace.surge or by_hand else (gone, made, up)
    at = 2 if by_hand and old else next((i for i, part in enumerate(parts) if not part[1]), len(parts))
    return tuple(
        Stop(
            title,
            StepState.NOW if i == at else StepState.DONE if done else StepState.NEXT,
            note,
            trouble=i == at and bool(state.problems),
        )
        for i, (title, done, note) in enumerate(parts)
    )


def by_sides(state: RolloutState) -> tuple[Stop, ...]:
    """Two Deployments behind one Service: the other side comes up, the Service is switched, traffic follows."""
    moved = state.phase is Phase.PROMOTING
    up = bool(state.steps) and state.steps[0].state is StepState.DONE
    if not moved and not state.steps:
        return ()
    at = 2 if moved else 1 if up else 0
    c, weight = state.counts, state.weight
    notes = (
        f"{c.ready:,} of {c.wanted:,} ready",
        doing(state) if at == 1 else "by hand",
        f"{weight.actual} % there" if moved and weight else "then the endpoints follow" if not moved else "",
    )
    titles = ("Beside what serves", "Switch", "All traffic")
    return tuple(
        Stop(title, _at(i, at), note, trouble=i == at and bool(state.problems))
        for i, (title, note) in enumerate(zip(titles, notes, strict=True))
    )


def by_share(state: RolloutState) -> tuple[Stop, ...]:
    """A canary beside a Deployment: it comes up, holds its share for as long as a person wants, is promoted."""
    new = state.revision
    if state.phase not in (Phase.PROGRESSING, Phase.AWAITING_APPROVAL, Phase.FAILED) or state.weight is None:
        return ()
    up = state.phase is Phase.AWAITING_APPROVAL
    ready = f"{new.ready:,} of {new.wanted:,} ready" if new and new.wanted else ""
    return (
        Stop("Canary up", _at(0, 1 if up else 0), ready, trouble=not up and bool(state.problems)),
        Stop(f"{state.weight.wanted} %", _at(1, 1 if up else 0), doing(state) if up else "its share"),
        Stop("100 %", StepState.NEXT, "when a person promotes it"),
    )


def pace(state: RolloutState, engine: str) -> str:
    """How fast pods may be replaced, in words; empty where that is not told or is the strategy's own."""
    told = state.pace
    if state.strategy is Strategy.ON_DELETE:
        return "A pod is updated when somebody deletes it"
    if engine == "statefulset":
        if not told.ordered:
            return "All pods at once"
        many = told.unavailable and told.unavailable not in ("0", "1")
        return (
            f"From the highest ordinal down, {f'up to {told.unavailable}' if many else 'one pod'} at a time"
        )
    if engine == "daemonset":
        if told.surge:
            return f"A new pod beside the old one, on up to {_nodes(told.surge)} at a time"
        return f"An old pod ends first, on up to {_nodes(told.unavailable or '1')} at a time"
    return ""


def _nodes(limit: str) -> str:
    return "1 node" if limit == "1" else f"{limit} of the nodes" if limit.endswith("%") else f"{limit} nodes"


def _at(i: int, at: int) -> StepState:
    return StepState.DONE if i < at else StepState.NOW if i == at else StepState.NEXT


def _ordinal(pod: Pod) -> int | None:
    tail = pod.name.rpartition("-")[2]
    return int(tail) if tail.isascii() and tail.isdigit() and len(tail) < 7 else None


def _parts(ordinals: Sequence[int]) -> Iterable[Sequence[int]]:
    """Up to `ONE_BY_ONE` parts in order, of about the same size."""
    size = -(-len(ordinals) // ONE_BY_ONE) or 1
    return (ordinals[i : i + size] for i in range(0, len(ordinals), size))


def _span(noun: str, ordinals: Sequence[int]) -> str:
    """`ordinals` fall."""
    if len(ordinals) == 1:
        return f"{noun} {ordinals[0]}"
    return f"{noun}s {ordinals[0]}–{ordinals[-1]}"


def _newest(pods: Sequence[Pod]) -> Pod:
    """Of the pods on one node the one that tells how far it is: the new one where there is one."""
    return min(pods, key=lambda p: (not p.new, p.condition is PodCondition.ENDING, p.name))


def _rank(pod: Pod) -> int:
    """Updated nodes come first, then those that change, then those that wait."""
    if _done(pod):
        return 0
    return 1 if pod.new or pod.condition is PodCondition.ENDING else 2


def _done(pod: Pod | None) -> bool:
    return pod is not None and pod.new and pod.condition is PodCondition.READY


def _visited(state: RolloutState, places: Sequence[tuple[str, Sequence[Pod | None]]]) -> Iterable[Stop]:
    """Stops of places that are visited in order, by the pods they hold (None: there is none)."""
    by_hand = state.strategy is Strategy.ON_DELETE
    waits = True  # until the first place that is not done, which is where it stands
    for title, pods in places:
        if all(_done(pod) for pod in pods):
            yield Stop(title, StepState.DONE, "updated" if len(pods) == 1 else f"all {len(pods)} updated")
            continue
        touched = any(pod is None or pod.new or pod.condition is PodCondition.ENDING for pod in pods)
        here = by_hand or touched or (waits and (not state.pace.ordered or state.phase is Phase.PROGRESSING))
        waits = waits and not here
        bad = any(pod and pod.condition is PodCondition.FAILING for pod in pods)
        yield Stop(
            title, StepState.NOW if here else StepState.NEXT, _how(pods, by_hand), trouble=here and bad
        )


def _how(pods: Sequence[Pod | None], by_hand: bool) -> str:
    if len(pods) > 1:
        return f"{sum(map(_done, pods)):,} of {len(pods):,} updated"
    (pod,) = pods
    if pod is None:
        return "being made"
    if pod.condition is PodCondition.ENDING:
        return "ends"
    if not pod.new:
        if pod.condition is PodCondition.FAILING:
            return "old pod fails"
        return "delete it to update it" if by_hand else "waits its turn"
    return "fails" if pod.condition is PodCondition.FAILING else "starts"
