"""What a rollout is, whatever engine runs it: phase, strategy, steps, pods, and what it waits for.

Engines produce a `RolloutState` from cluster objects; everything after them (history, store, pages, API) knows only
these words. Equal inputs give equal states, so nothing in here ticks: times are instants, never ages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .owners import Owner
from .revisions import Lane, Revision, Weight


class Phase(StrEnum):
    """Where a rollout is. The mapping from each engine is in the engine; the order is that of a normal life."""

    PENDING = "pending"  # the controller has not yet looked at the newest spec
    PROGRESSING = "progressing"
    PAUSED = "paused"
    AWAITING_APPROVAL = "awaiting_approval"
    VERIFYING = "verifying"
    PROMOTING = "promoting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    IDLE = "idle"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """How what serves now is, apart from any move."""

    HEALTHY = "healthy"
    SUSPENDED = "suspended"
    PROGRESSING = "progressing"
    MISSING = "missing"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


class Strategy(StrEnum):
    """How an engine moves from one revision to the next."""

    ROLLING = "rolling"
    RECREATE = "recreate"
    PARTITIONED = "partitioned"
    ON_DELETE = "on_delete"
    CANARY = "canary"
    BLUE_GREEN = "blue_green"
    AB_TEST = "ab_test"
    MANUAL_SWITCH = "manual_switch"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    FAST_PROMOTED = "fast_promoted"
    ABORTED = "aborted"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


class Attention(StrEnum):
    """The five states a person tells apart from across the room, worst first."""

    FAILED = "failed"
    WAITING = "waiting"
    MOVING = "moving"
    UNKNOWN = "unknown"
    GOOD = "good"


class WaitKind(StrEnum):
    """Who or what has to act next."""

    NOTHING = "nothing"
    CONTROLLER = "controller"  # the cluster's own controller or kubelet
    PERSON = "person"
    TIMER = "timer"
    ANALYSIS = "analysis"


class PodCondition(StrEnum):
    """One pod, as one square."""

    READY = "ready"
    STARTING = "starting"
    FAILING = "failing"
    ENDING = "ending"


class StepState(StrEnum):
    """Where a step stands in the strategy."""

    DONE = "done"
    NOW = "now"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """What a rollout waits for: who, why in words, until when (None: no end of its own), and since when."""

    kind: WaitKind = WaitKind.NOTHING
    what: str = ""
    until: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a strategy. `label` is short ("25 %", "pause", "switch"); `seconds` is its set duration, if any."""

    kind: str
    label: str
    state: StepState
    weight: int | None = None
    seconds: int | None = None


class RolloutKind(StrEnum):
    """What a rollout brings. A restart brings the images that ran before, because somebody asked for new pods: it is no
    deployment."""

    DEPLOYMENT = "deployment"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: which revision it runs, whether that is the new one, how it is and why."""

    name: str
    revision: str
    new: bool
    condition: PodCondition
    reason: str = ""
    message: str = ""
    restarts: int = 0
    node: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodCounts:
    """Replica counts: wanted by the spec, of the new revision, ready, available, and all there are."""

    wanted: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How pods may be replaced, as set: by how many there may be more (`surge`) or fewer (`unavailable`), numbers or
    percents, empty where not told; one after another if `ordered`; not the `partition` lowest ordinals, which begin at
    `first`."""

    surge: str = ""
    unavailable: str = ""
    ordered: bool = False
    partition: int = 0
    first: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is stuck: a category ("image", "crash", "oom", "unschedulable", "quota", "deadline" …), the reason
    word of the source, one sentence, how many pods it touches, since when, and as `evidence` the source's own words."""

    category: str
    reason: str
    message: str
    pods: int = 0
    since: datetime | None = None
    evidence: str = ""


class CautionKind(StrEnum):
    """What a state that looks good, or an end that looks clean, may hide."""

    NO_PROBE = "no_probe"  # ready means only that it runs
    NO_REPLICAS = "no_replicas"
    NO_ENDPOINTS = "no_endpoints"  # a Service chooses its pods and has no ready endpoint
    RESTARTS = "restarts"  # pods that are ready now keep restarting
    MISPLACED = "misplaced"  # daemon pods on nodes where they do not belong
    KILLED = "killed"  # old pods were ended by SIGKILL
    OVERRAN = "overran"  # old pods took longer to end than they were given
    LEFT_BEHIND = "left_behind"  # pods of a revision that nobody asked for are still there


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know about a state, which is no failure of it: one sentence, pods touched, since when (of restarts
    the last one), `who`: names of pods that will soon be gone, and `evidence`: the source's own words."""

    kind: CautionKind
    message: str
    pods: int = 0
    since: datetime | None = None
    who: tuple[str, ...] = ()
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A status condition as a controller states it: `status` is "True", "False" or "Unknown", `since` when that last
    changed. `of` is empty for the workload's own object, else "Kind/name"."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    of: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One metric that an analysis decides by. `phase` is "pending", "running", "successful", "failed", "error" or
    "inconclusive"; `value` is the newest measurement; `condition` what it must fulfil; `bad` of `limit` tolerated
    measurements went wrong (None: not told)."""

    name: str
    phase: str
    value: str = ""
    condition: str = ""
    bad: int = 0
    limit: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """All that one look at a workload says. `message` is one sentence a person can act on, empty only when idle
    and good.

    `revision` is the one asked for, `stable` the one that served before it (None when they are the same);
    `revisions` are all that are kept, newest first; `progress` is 0–100 and 100 only when done. `settled_at` is
    when the last rollout ended (IDLE) or failed (FAILED), where the cluster itself remembers.

    For commands: `aborted`, the move was given up; `restarted_at`, the newest restart that was asked for; `lanes`, the
    sides of a switch; `router`, the object that splits the traffic as it is told ("HTTPRoute/web"; empty: none does);
    `owner`, who else writes the workload.
    """

    phase: Phase
    health: Health
    message: str = ""
    strategy: Strategy = Strategy.UNKNOWN
    revision: Revision | None = None
    stable: Revision | None = None
    revisions: tuple[Revision, ...] = ()
    steps: tuple[Step, ...] = ()
    step_index: int | None = None
    weight: Weight | None = None
    counts: PodCounts = PodCounts()
    waits_for: WaitsFor = WaitsFor()
    progress: int = 0
    paused: bool = False
    pods: tuple[Pod, ...] = ()
    problems: tuple[Problem, ...] = ()
    started_at: datetime | None = None
    deadline_at: datetime | None = None
    cautions: tuple[Caution, ...] = ()
    checks: tuple[Check, ...] = ()
    settled_at: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    pace: Pace = Pace()
    aborted: bool = False
    restarted_at: datetime | None = None
    lanes: tuple[Lane, ...] = ()
    router: str = ""
    owner: Owner | None = None


_MOVING = frozenset({Phase.PENDING, Phase.PROGRESSING, Phase.VERIFYING, Phase.PROMOTING})
_FAILED = frozenset({Phase.FAILED, Phase.ABORTED})
_WAITING = frozenset({Phase.PAUSED, Phase.AWAITING_APPROVAL})
SETTLED = frozenset({Phase.SUCCEEDED, Phase.IDLE, Phase.ROLLED_BACK, Phase.SUPERSEDED})
"""Phases in which nothing is on its way."""


def attention(state: RolloutState) -> Attention:
    """Which of the five states a person should see for `state`. A timed pause goes on by itself, so it is moving."""
    if state.phase is Phase.UNKNOWN:
        return Attention.UNKNOWN
    if state.phase in _FAILED or state.health in (Health.DEGRADED, Health.MISSING):
        return Attention.FAILED
    if state.phase in _WAITING:
        return Attention.MOVING if state.waits_for.kind is WaitKind.TIMER else Attention.WAITING
    if state.phase in _MOVING:
        return Attention.MOVING
    if state.health is Health.UNKNOWN:
        return Attention.UNKNOWN
    return Attention.GOOD
