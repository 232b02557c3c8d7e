"""Which revision a workload may go back to: only one that was live and healthy there, the last such first.

Going back is never blocked by a freeze, and never a way round a gate: what never became healthy here is no target.
What was there before anybody looked counts as live, since nothing speaks against it; the choice then says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from .policy import Blocker
from .revisions import Revision
from .rollout import Outcome, RolloutState

RULE = "never-live"
"""Name of the rule that blocks."""
_ENDED = {
    Outcome.FAILED: "it failed",
    Outcome.ABORTED: "it was aborted",
    Outcome.ROLLED_BACK: "it was rolled back",
    Outcome.SUPERSEDED: "another took its place before it was ready",
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of the revisions of a workload, by key: when each landed last, how and when the last attempt
    at one that never landed ended, and since when anybody looks (None: not at all). `undone`: its last rehearsal
    showed that what manages it takes back whatever is changed beside it."""

    landed: Mapping[str, datetime] = field(default_factory=dict)
    ended: Mapping[str, tuple[Outcome, datetime]] = field(default_factory=dict)
    since: datetime | None = None
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A revision that could be gone back to: when it last landed here, as far as that is known, what speaks against
    it, and a note."""

    revision: Revision
    landed_at: datetime | None = None
    blocked_by: tuple[Blocker, ...] = ()
    note: str = ""


def ranked(keys: Sequence[str], state: RolloutState, record: Record) -> tuple[Target, ...]:
    """The kept revisions among `keys`, in whose order the engine prefers them: what serves still, then the one that was
    live last, and those that were never live at the end."""
    kept = {revision.key: revision for revision in state.revisions}
    found = [_target(kept[key], state, record) for key in keys if key in kept]
    return tuple(sorted(found, key=lambda target: _place(target, state)))


def preferred(state: RolloutState, record: Record) -> RolloutState:
    """`state` with its revisions in the order in which it would be gone back to them, in place of the engine's: so that
    an offer made from it names the very revision that a rollback without one goes to."""
    order = ranked([revision.key for revision in state.revisions], state, record)
    return replace(state, revisions=tuple(target.revision for target in order))


def _place(target: Target, state: RolloutState) -> tuple[bool, bool, bool, float]:
    key = target.revision.key
    # The one asked for now is among them only where broken pods are to be freed, which comes first.
    now = state.revision is not None and key == state.revision.key
    stable = state.stable is not None and key == state.stable.key
    landed = target.landed_at.timestamp() if target.landed_at else 0.0
    return bool(target.blocked_by), not now, not stable, -landed


def _target(revision: Revision, state: RolloutState, record: Record) -> Target:
    landed = record.landed.get(revision.key)
    if landed is not None:
        return Target(revision, landed)
    if _serves(revision, state):
        return Target(revision, note="It serves still.")
    name = revision.version or "This revision"
    if ended := record.ended.get(revision.key):
        how, at = ended
        said = f"{name} never became healthy here: {_ENDED.get(how, 'it did not land')} on {at:%b} {at.day}."
        return Target(revision, None, (_blocker(said),))
    late = record.since is not None and revision.created_at is not None
    if late and revision.created_at > record.since:  # type: ignore[operator]
        return Target(revision, None, (_blocker(f"{name} was never seen healthy here."),))
    return Target(revision, note="It was there before Shipboard looked.")


def _serves(revision: Revision, state: RolloutState) -> bool:
    served = state.stable.key if state.stable else ""
    now = state.revision.key if state.revision else ""
    return revision.key in (served, now) or "active" in revision.roles


def _blocker(said: str) -> Blocker:
    return Blocker(RULE, said, "Choose one that was live here, or release it again.")
