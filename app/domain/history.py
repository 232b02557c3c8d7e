"""How two looks at a workload become history: transitions, and rollouts that open and close. Pure.

A rollout is one attempt at bringing a workload from one revision to another:

- It opens when the desired revision changes; or when none is open and a move is seen: at first sight, after an
  aborted attempt at the same revision, or between two revisions. Scaling moves pods, not revisions, and opens
  none.
- It closes: PROMOTED when the workload settles on the revision, ROLLED_BACK when that revision is known to be
  older than the one before, ABORTED and FAILED when the engine says so, SUPERSEDED when another revision is
  asked for meanwhile.
- A failed one is kept at hand: if its revision moves or settles after all, it is the same attempt that goes on.
  Controllers show FAILED for an instant (an undo under an old condition, a blue-green that retries), and that
  must not make two rollouts of one.
- What happened while nobody looked is opened and closed in one fold; so is, at first sight, the last rollout
  that the cluster itself remembers (`RolloutState.settled_at`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from .revisions import Revision
from .rollout import CautionKind, Outcome, Phase, RolloutKind, RolloutState, Strategy

_MOVES = frozenset(
    {
        Phase.PENDING,
        Phase.PROGRESSING,
        Phase.PAUSED,
        Phase.AWAITING_APPROVAL,
        Phase.VERIFYING,
        Phase.PROMOTING,
    }
)
_ENDS = {
    Phase.SUCCEEDED: Outcome.PROMOTED,
    Phase.IDLE: Outcome.PROMOTED,
    Phase.ROLLED_BACK: Outcome.ROLLED_BACK,
    Phase.SUPERSEDED: Outcome.SUPERSEDED,
    Phase.ABORTED: Outcome.ABORTED,
    Phase.FAILED: Outcome.FAILED,
}
_LANDED = frozenset({Outcome.PROMOTED, Outcome.ROLLED_BACK})
_AT_REST = frozenset(phase for phase, outcome in _ENDS.items() if outcome in _LANDED)
_ENDED_UNSEEN = _AT_REST | {Phase.FAILED}
_NONE = Revision("")
CLOCKS = timedelta(minutes=1)
"""How far the clock of who asks for a restart may be from the cluster's."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt; `ended_at` and `outcome` are None while it runs. `back`: to something older. `cause` is what
    the new revision says of itself (change-cause)."""

    id: str
    strategy: Strategy
    from_key: str
    from_version: str
    to_key: str
    to_version: str
    back: bool
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    cause: str = ""
    kind: RolloutKind = RolloutKind.DEPLOYMENT


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What must be remembered of the last look: phase, step, desired revision (None: not told), `since` when
    those three hold, when a rollout last landed, and the rollout that is open or that failed."""

    phase: Phase
    step: int | None
    revision: Revision | None
    since: datetime
    landed_at: datetime | None = None
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A workload went from one phase, step or revision to another. `step` counts from 0, `label` is what that
    step is known by. First seen in the middle of a rollout, it came from UNKNOWN."""

    at: datetime
    before: Phase
    after: Phase
    revision: str
    version: str
    step: int | None
    message: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What one look adds: the new snapshot, the transition if there was one, and each rollout opened or
    closed, in order and as it now is (one that opened and closed at once appears once)."""

    snapshot: Snapshot
    transition: Transition | None = None
    rollouts: tuple[Rollout, ...] = ()


def fold(key: str, previous: Snapshot | None, state: RolloutState, at: datetime) -> Change:
    """What `state`, seen at `at`, means for the workload `key` last seen as `previous` (None: never)."""
    target = _core(state.revision)
    known = previous.revision if previous else None
    rollout = previous.rollout if previous else None
    landed_at = previous.landed_at if previous else None
    touched: dict[str, Rollout] = {}
    if rollout and target and target.key != rollout.to_key:
        if rollout.outcome is None:
            touched[rollout.id] = _close(rollout, Outcome.SUPERSEDED, at)
        rollout = None
    ended_at = at
    if target and (rollout is None or rollout.outcome):
        if previous is None and state.phase in _ENDED_UNSEEN:
            rollout, ended_at = _remembered(key, target, state), min(state.settled_at or at, at)
        elif _opens(previous, target, state):
            again = replace(rollout, ended_at=None, outcome=None) if rollout else None
            rollout = again or _open(key, previous, target, state, at)
        if rollout and rollout.outcome is None:
            touched[rollout.id] = rollout
    outcome = _ENDS.get(state.phase)
    if rollout and rollout.outcome is None and outcome and target:
        if outcome is Outcome.PROMOTED and rollout.back:
            outcome = Outcome.ROLLED_BACK
        touched[rollout.id] = closed = _close(rollout, outcome, ended_at)
        landed_at = closed.ended_at if outcome in _LANDED else landed_at
        rollout = closed if outcome is Outcome.FAILED else None
    revision = target or known
    since, transition = _since(previous, state, revision, landed_at, at), None
    named = revision or _NONE
    if previous and _mark(previous) == (state.phase, state.step_index, named.key):
        since = previous.since
    elif previous or (rollout and rollout.outcome is None):
        before = previous.phase if previous else Phase.UNKNOWN
        transition = Transition(
            at,
            before,
            state.phase,
            named.key,
            named.version,
            state.step_index,
            state.message,
            step_name(state),
        )
    snapshot = Snapshot(state.phase, state.step_index, revision, since, landed_at, rollout)
    return Change(snapshot, transition, tuple(touched.values()))


def end(previous: Snapshot, at: datetime) -> Rollout | None:
    """The open rollout of a deleted workload, closed: it will never complete, so it counts as ABORTED."""
    rollout = previous.rollout
    return _close(rollout, Outcome.ABORTED, at) if rollout and rollout.outcome is None else None


def endings(state: RolloutState) -> tuple[int, int]:
    """How many old pods, of those that `state` still shows, had to be killed, and took longer to stop than
    allowed."""
    pods = dict.fromkeys((CautionKind.KILLED, CautionKind.OVERRAN), 0)
    for caution in state.cautions:
        if caution.kind in pods:
            pods[caution.kind] += caution.pods
    return pods[CautionKind.KILLED], pods[CautionKind.OVERRAN]


def step_name(state: RolloutState) -> str:
    """What people call the step a strategy stands at: a pause is known by the weight it holds ("25 %"). Empty
    where there is none."""
    index = state.step_index
    if index is None or index >= len(state.steps):
        return ""
    step = state.steps[index]
    if step.kind == "pause":
        held = (s.label for s in reversed(state.steps[:index]) if s.weight is not None)
        return next(held, step.label)
    return step.label


def _core(revision: Revision | None) -> Revision | None:
    """What history compares of a revision; its pod counts change all the time. One without a key is only shown."""
    if revision is None or not revision.key:
        return None
    return Revision(revision.key, version=revision.version, created_at=revision.created_at)


def _mark(snapshot: Snapshot) -> tuple[Phase, int | None, str]:
    return snapshot.phase, snapshot.step, snapshot.revision.key if snapshot.revision else ""


def _remembered(key: str, target: Revision, state: RolloutState) -> Rollout | None:
    """The rollout that ended before anybody looked, as far as the cluster tells of it; without an older
    revision there was none."""
    older = state.stable or next((r for r in state.revisions if r.key != target.key), None)
    if state.settled_at is None or older is None or older.key == target.key:
        return None
    began = state.started_at or target.created_at or state.settled_at
    started_at = min(began, state.settled_at)
    return _rollout(key, target, _core(older) or _NONE, state, started_at, state.settled_at)


def _opens(previous: Snapshot | None, target: Revision, state: RolloutState) -> bool:
    moves = state.phase in _MOVES
    if previous is None or previous.revision is None:
        return moves
    if previous.revision.key != target.key:
        return True
    if state.phase is Phase.PENDING:
        return False  # something else was asked for; what it is shows when the controller has looked
    if previous.phase in (Phase.FAILED, Phase.ABORTED):
        return moves or state.phase in _AT_REST
    return moves and state.stable is not None and state.stable.key != target.key


def _open(
    key: str, previous: Snapshot | None, target: Revision, state: RolloutState, at: datetime
) -> Rollout:
    known = previous.revision if previous else None
    again = known is not None and known.key == target.key
    source = _core(state.stable) or (None if again else known) or _NONE
    if previous and again and state.phase in _AT_REST:
        started_at = previous.since  # the failure mended itself at some time after it was seen
    else:
        told = (state.started_at, target.created_at if previous else None)
        after = previous.since if previous else None
        started_at = next((t for t in told if t and t <= at and (after is None or t > after)), at)
    return _rollout(key, target, source, state, started_at, at)


def _rollout(
    key: str, target: Revision, source: Revision, state: RolloutState, started_at: datetime, at: datetime
) -> Rollout:
    return Rollout(
        id=blake2b(f"{key} {target.key} {at.isoformat()}".encode(), digest_size=8).hexdigest(),
        strategy=state.strategy,
        from_key=source.key,
        from_version=source.version,
        to_key=target.key,
        to_version=target.version,
        back=bool(target.created_at and source.created_at and target.created_at < source.created_at),
        started_at=started_at,
        cause=state.revision.cause if state.revision else "",
        kind=_kind(target, source, state, started_at),
    )


def _kind(target: Revision, source: Revision, state: RolloutState, started_at: datetime) -> RolloutKind:
    """A restart has the images of before, and was asked for when the revision was made (`kubectl rollout restart`
    writes its own clock's time into the template); a change of settings has the same images too, but not that."""
    asked, made = state.restarted_at, target.created_at or started_at
    if asked is None or abs(asked - made) > CLOCKS or not source.key or target.version != source.version:
        return RolloutKind.DEPLOYMENT
    known = [r for r in (state.revision, state.stable, *state.revisions) if r is not None]
    images = {r.key: sorted(r.images) for r in known if r.images}
    same = images.get(target.key) == images.get(source.key, images.get(target.key))
    return RolloutKind.RESTART if same else RolloutKind.DEPLOYMENT


def _close(rollout: Rollout, outcome: Outcome, at: datetime) -> Rollout:
    return replace(rollout, ended_at=max(at, rollout.started_at), outcome=outcome)


def _since(
    previous: Snapshot | None,
    state: RolloutState,
    revision: Revision | None,
    landed_at: datetime | None,
    at: datetime,
) -> datetime:
    """Since when it is as it is now. Coming out of the unknown is judged like a first sight, from what the
    source tells, or a service that was good all along would look as if it had just landed."""
    told = [state.waits_for.since]
    after = previous.since if previous and previous.phase is not Phase.UNKNOWN else None
    if after is None and state.phase in _AT_REST:
        told += [landed_at, revision.created_at if revision else None]
    elif after is None:
        told.append(state.settled_at if state.phase is Phase.FAILED else state.started_at)
    return next((t for t in told if t and t <= at and (after is None or t >= after)), at)
