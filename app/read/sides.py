"""Revisions side by side: the one that serves and the new one, each with its pods as squares. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from ..domain.names import ImageRef
from ..domain.revisions import Revision
from ..domain.rollout import SETTLED, Attention, Pod, PodCondition, RolloutState, Strategy
from .words import slug

DRAWN = 60
"""Most squares drawn of a revision; of more pods each square is several."""
LISTED = 40
"""Most pods listed one by one."""
BEFORE = "Before it"
"""The role of a revision that no longer runs."""


@dataclass(frozen=True, slots=True)
class Squares:
    """Pods of one revision as (how, number of squares); `each` is how many pods a square stands for. "how" is
    "ready", "starting", "failing", "ending" or "unmade" (wanted, but not there)."""

    drawn: tuple[tuple[str, int], ...]
    each: int
    label: str


@dataclass(frozen=True, slots=True)
class Side:
    """One revision: what it is to the workload ("Stable", "Canary"), since when, and how many pods it has.
    `attention` is what its squares wear."""

    role: str
    since: datetime | None
    version: str
    attention: Attention
    squares: Squares
    images: tuple[str, ...]
    digest: str
    number: int | None
    key: str
    cause: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lane:
    """Traffic (or, where no router sets it, pods) of one revision, in percent: set and measured."""

    version: str
    attention: Attention
    wanted: int
    measured: int


@dataclass(frozen=True, slots=True)
class PodLine:
    """A pod in the table; `rank` orders them worst first. `attention` is its shape, `word` its condition."""

    slug: str
    rank: str
    name: str
    version: str
    attention: Attention
    word: str
    why: str
    restarts: int
    node: str
    since: datetime | None


def sides(state: RolloutState, attention: Attention, landed_at: datetime | None) -> tuple[Side, ...]:
    """The revision that serves, then the new one; at rest what serves and, beside it, what was before."""
    new, stable = state.revision, state.stable
    if new is None:
        return ()
    worn = Attention.UNKNOWN if attention is Attention.UNKNOWN else Attention.GOOD
    if stable is not None and stable.key != new.key:
        each = _each(state, stable, new)
        return (
            _side(state, stable, _role(stable, "Serves"), worn, stable.created_at, each),
            _side(state, new, _role(new, "New"), attention, state.started_at or new.created_at, each),
        )
    new = _promoted(state, new)
    role = "Serves" if state.phase in SETTLED or new.ready else _role(new, "New")
    before = next((r for r in state.revisions if r.key != new.key), None)
    each = _each(state, new, before or new)
    mine = _side(state, new, role, attention, landed_at or new.created_at, each)
    if before is None:
        return (mine,)
    return mine, _side(state, before, BEFORE, Attention.UNKNOWN, before.created_at, each)


def _promoted(state: RolloutState, new: Revision) -> Revision:
    """At rest, what serves in place of what was asked for: Flagger has another object run what it promoted."""
    if state.phase not in SETTLED or any(r.key == new.key for r in state.revisions):
        return new
    return next((r for r in state.revisions if r.images == new.images and r.ready), new)


def traffic(state: RolloutState, attention: Attention) -> tuple[Lane, ...]:
    """How traffic is shared between the two; empty where it is not."""
    weight, new, stable = state.weight, state.revision, state.stable
    if weight is None or new is None or stable is None or state.strategy is not Strategy.CANARY:
        return ()
    worn = Attention.UNKNOWN if attention is Attention.UNKNOWN else Attention.GOOD
    return (
        Lane(stable.version, worn, 100 - weight.wanted, 100 - weight.actual),
        Lane(new.version, attention, weight.wanted, weight.actual),
    )


def pod_lines(state: RolloutState, *, unseen: bool) -> tuple[PodLine, ...]:
    """Pods worst first, at most LISTED."""
    versions = {r.key: r.version for r in state.revisions}
    order = sorted(state.pods, key=lambda p: (_ORDER[p.condition], not p.new, p.name))
    return tuple(
        PodLine(
            slug=slug(pod.name),
            rank=f"{_ORDER[pod.condition]}{0 if pod.new else 1}-{pod.name}",
            name=pod.name,
            version=versions.get(pod.revision, ""),
            attention=Attention.UNKNOWN if unseen else _WORN[pod.condition],
            word=_WORDS[pod.condition],
            why=_why(pod),
            restarts=pod.restarts,
            node=pod.node,
            since=pod.since,
        )
        for pod in order[:LISTED]
    )


def _side(
    state: RolloutState,
    revision: Revision,
    role: str,
    attention: Attention,
    since: datetime | None,
    each: int,
) -> Side:
    image = revision.images[0] if revision.images else ""
    return Side(
        role=role,
        since=since,
        version=revision.version or "?",
        attention=attention,
        squares=_squares(state, revision, each),
        images=revision.images,
        digest=ImageRef.parse(image).digest or next(iter(revision.digests), ""),
        number=revision.number,
        key=revision.key,
        cause=revision.cause,
        created_at=revision.created_at,
    )


def _role(revision: Revision, otherwise: str) -> str:
    told = next((r for r in ("canary", "preview", "active", "stable") if r in revision.roles), "")
    return told.capitalize() or otherwise


def _goal(state: RolloutState, revision: Revision) -> int:
    """How many pods it is to have; while a Deployment rolls, its ReplicaSet is told only of the next few."""
    whole = state.strategy in (Strategy.ROLLING, Strategy.RECREATE) and state.phase not in SETTLED
    new = state.revision is not None and revision.key == state.revision.key
    return max(revision.wanted, state.counts.wanted) if whole and new else revision.wanted


def _each(state: RolloutState, *revisions: Revision) -> int:
    """How many pods a square is, so that both sides are drawn alike."""
    there = Counter(p.revision for p in state.pods)
    most = max(max(there[r.key], _goal(state, r)) for r in revisions)
    return max(1, -(-most // DRAWN))


def _squares(state: RolloutState, revision: Revision, each: int) -> Squares:
    counted: Counter[str] = Counter(_SQUARES[p.condition] for p in state.pods if p.revision == revision.key)
    if not counted and revision.wanted and not state.pods:  # pods could not be looked at
        counted = Counter(ready=revision.ready, starting=max(0, revision.wanted - revision.ready))
    goal = _goal(state, revision)
    counted["unmade"] = max(0, goal - sum(counted.values()) + counted["ending"])
    drawn = tuple((how, -(-counted[how] // each)) for how in _KINDS if counted[how])
    return Squares(drawn, each, _counted(counted, goal))


def _counted(counted: Counter[str], goal: int) -> str:
    """ "9 ready of 9", "0 ready of 6, 2 failing, 4 not made"."""
    if not goal and not sum(counted.values()):
        return "none"
    said = [f"{counted['ready']:,} ready of {goal:,}"]
    said += [f"{counted[how]:,} {word}" for how, word in _COUNTED if counted[how]]
    return ", ".join(said)


def _why(pod: Pod) -> str:
    return pod.message or (pod.reason if pod.reason != "Running" else "")


_KINDS = ("failing", "starting", "ready", "ending", "unmade")
_COUNTED = (("starting", "starting"), ("failing", "failing"), ("ending", "ending"), ("unmade", "not made"))
_SQUARES = {
    PodCondition.READY: "ready",
    PodCondition.STARTING: "starting",
    PodCondition.FAILING: "failing",
    PodCondition.ENDING: "ending",
}
_ORDER = {
    PodCondition.FAILING: 0,
    PodCondition.STARTING: 1,
    PodCondition.ENDING: 2,
    PodCondition.READY: 3,
}
_WORN = {
    PodCondition.FAILING: Attention.FAILED,
    PodCondition.STARTING: Attention.MOVING,
    PodCondition.ENDING: Attention.UNKNOWN,
    PodCondition.READY: Attention.GOOD,
}
_WORDS = {
    PodCondition.FAILING: "Failing",
    PodCondition.STARTING: "Starting",
    PodCondition.ENDING: "Ending",
    PodCondition.READY: "Ready",
}
