"""How two looks at a workload become history: transitions, and rollouts that open and close. Pure.

A rollout is one attempt at bringing a workload from one revision to another:

- It opens when the desired revision changes; or when none is open and a move is seen: at first sight, after a
  failed or aborted attempt at the same revision, or between two revisions. Scaling moves pods, not revisions,
  and opens none.
- It closes once, for good: PROMOTED when the workload settles on the revision, ROLLED_BACK when that revision
  is known to be older than the one before, ABORTED and FAILED when the engine says so, SUPERSEDED when
  another revision is asked for meanwhile. A deadline passed is a failure even if the pods come up later; that
  is then a rollout of its own.
- What happened while nobody looked is opened and closed in one fold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from .rollout import Outcome, Phase, Revision, RolloutState, Strategy

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
_NONE = Revision("")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt; `ended_at` and `outcome` are None while it runs. `back`: to something older."""

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What must be remembered of the last look: phase, step, desired revision (None: not told), `since` when
    those three hold, when a rollout last landed, and the rollout that is open."""

    phase: Phase
    step: int | None
    revision: Revision | None
    since: datetime
    landed_at: datetime | None = None
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A workload went from one phase, step or revision to another. `step` counts from 0."""

    at: datetime
    before: Phase
    after: Phase
    revision: str
    version: str
    step: int | None
    message: str


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
        touched[rollout.id] = _close(rollout, Outcome.SUPERSEDED, at)
        rollout = None
    if target and rollout is None and _opens(previous, target, state):
        rollout = _open(key, previous, target, state, at)
        touched[rollout.id] = rollout
    outcome = _ENDS.get(state.phase)
    if rollout and outcome and target:
        if outcome is Outcome.PROMOTED and rollout.back:
            outcome = Outcome.ROLLED_BACK
        touched[rollout.id] = _close(rollout, outcome, at)
        rollout, landed_at = None, at if outcome in _LANDED else landed_at
    revision = target or known
    since, transition = _since(previous, state, revision, landed_at, at), None
    if previous and _mark(previous) == (state.phase, state.step_index, revision.key if revision else ""):
        since = previous.since
    elif previous:
        named = revision or _NONE
        transition = Transition(
            at, previous.phase, state.phase, named.key, named.version, state.step_index, state.message
        )
    snapshot = Snapshot(state.phase, state.step_index, revision, since, landed_at, rollout)
    return Change(snapshot, transition, tuple(touched.values()))


def end(previous: Snapshot, at: datetime) -> Rollout | None:
    """The open rollout of a deleted workload, closed: it will never complete, so it counts as ABORTED."""
    return _close(previous.rollout, Outcome.ABORTED, at) if previous.rollout else None


def _core(revision: Revision | None) -> Revision | None:
    """What history compares of a revision; its pod counts change all the time."""
    if revision is None:
        return None
    return Revision(revision.key, version=revision.version, created_at=revision.created_at)


def _mark(snapshot: Snapshot) -> tuple[Phase, int | None, str]:
    return snapshot.phase, snapshot.step, snapshot.revision.key if snapshot.revision else ""


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
    return Rollout(
        id=blake2b(f"{key} {target.key} {at.isoformat()}".encode(), digest_size=8).hexdigest(),
        strategy=state.strategy,
        from_key=source.key,
        from_version=source.version,
        to_key=target.key,
        to_version=target.version,
        back=bool(target.created_at and source.created_at and target.created_at < source.created_at),
        started_at=started_at,
    )


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
        told.append(state.deadline_at if state.phase is Phase.FAILED else state.started_at)
    return next((t for t in told if t and t <= at and (after is None or t >= after)), at)
