"""One workload in words: its sentence, what is asked of a person, since when, and how it stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..domain.counts import among
from ..domain.names import cut
from ..domain.rollout import (
    Attention,
    Health,
    Phase,
    RolloutState,
    StepState,
    Strategy,
    WaitKind,
)
from .board import Clause, Sentence
from .query import version_of
from .road import segments
from .rows import WorkloadRow
from .words import HOLLOW

MESSAGE = 300
"""Longest piece of a sentence taken from a source, in characters."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What runs at the right of the sentence, and what it counts. `until` is when it ends by itself."""

    at: datetime
    caption: str
    until: datetime | None = None


def ask(state: RolloutState) -> str:
    """What a person is asked, as a question: "Go on from 25 % to 50 %?"."""
    new, old = _versions(state)
    if state.phase is Phase.PAUSED and state.paused:
        return f"Resume {new}?" if new else "Resume it?"
    if state.strategy is Strategy.BLUE_GREEN:
        return f"Switch from {old} to {new}?" if old and new else "Switch to the preview?"
    if state.weight and state.strategy is Strategy.CANARY:
        return f"Go on from {state.weight.wanted} % to {_next_weight(state)} %?"
    return cut(state.waits_for.what or state.message, MESSAGE)


def stands(state: RolloutState) -> str:
    """Where that is on the way: "Canary step 2 of 4"."""
    if state.phase is Phase.PAUSED and state.paused:
        return f"Paused by a person, {_new(state)}"
    steps = segments(state.steps)
    if state.strategy is Strategy.BLUE_GREEN:
        return "Blue-green, the preview is ready"
    at = next((i for i, s in enumerate(steps, 1) if s.state is StepState.NOW), None)
    if at is None:
        return _new(state)
    return f"{STRATEGIES[state.strategy]} step {at} of {len(steps)}"


STRATEGIES = {
    Strategy.ROLLING: "Rolling",
    Strategy.RECREATE: "Recreate",
    Strategy.PARTITIONED: "Partitioned",
    Strategy.ON_DELETE: "On delete",
    Strategy.CANARY: "Canary",
    Strategy.BLUE_GREEN: "Blue-green",
    Strategy.AB_TEST: "A/B test",
    Strategy.MANUAL_SWITCH: "Manual switch",
    Strategy.UNKNOWN: "Unknown strategy",
}


def sentence(row: WorkloadRow, attention: Attention, unseen: str | None) -> Sentence:
    """The state in words. `unseen` is why it cannot be seen, None when it can."""
    state, version = row.state, version_of(row)
    rest = ""
    match attention:
        case Attention.UNKNOWN if unseen is not None:
            text = f"{version} cannot be seen"
            rest = unseen.rstrip(".") or "Not looked at yet"
        case Attention.UNKNOWN:
            text, rest = "Nothing is known of it", state.message
        case Attention.FAILED:
            text, rest = _failed(row, version), _serves(state)
        case Attention.WAITING:
            text, rest = _waits(state, version), ask(state)
        case Attention.MOVING:
            text, rest = _moves(state, version), _trouble(state)
        case Attention.GOOD:
            text, rest = _good(state, version), _beside(state)
    clauses = [Clause(attention, cut(text, MESSAGE), ".")]
    if rest and rest.rstrip(".") != text:
        rest = cut(rest, MESSAGE)
        clauses.append(Clause(None, rest.rstrip("."), "" if rest.endswith("?") else "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))


def clock(row: WorkloadRow, attention: Attention, heard_at: datetime | None) -> Clock | None:
    """What is worth counting; None when it is at rest."""
    state = row.state
    waits = state.waits_for
    match attention:
        case Attention.UNKNOWN:
            return Clock(heard_at, "since it was heard") if heard_at else None
        case Attention.FAILED:
            if state.phase in (Phase.FAILED, Phase.ABORTED):
                what = "failed" if state.phase is Phase.FAILED else "was aborted"
                return Clock(row.since, f"since it {what}")
            if row.rollout_started_at is None:
                return Clock(row.since, "since it went wrong")
            return Clock(row.rollout_started_at, "since it began")
        case Attention.WAITING:
            return Clock(waits.since or row.since, "waiting, no time limit")
        case Attention.MOVING if waits.kind is WaitKind.TIMER:
            return Clock(waits.since or row.since, "goes on by itself", waits.until)
        case Attention.MOVING:
            return Clock(row.rollout_started_at or state.started_at or row.since, "since it began")
    return None


def standing(state: RolloutState) -> tuple[tuple[str, str], ...]:
    """How it stands: what the conditions and counts of the source say, in words."""
    c, waits = state.counts, state.waits_for
    said = [("Rollout", _PHASES[state.phase]), ("What serves", _HEALTHS[state.health])]
    if state.phase in (Phase.IDLE, Phase.SUCCEEDED):
        said.append(("Pods", f"{c.ready:,} of {c.wanted:,} ready, {c.available:,} available"))
    else:
        said.append(("New pods", f"{c.updated:,} of {c.wanted:,} made, {_new_ready(state):,} ready"))
        said.append(("All pods", f"{c.total:,}, of which {c.available:,} available"))
        said.append(("Progress", f"{state.progress} %"))
    if waits.kind is not WaitKind.NOTHING:
        said.append(("Waits for", _WAITS[waits.kind]))
    if waits.what and waits.kind in (WaitKind.PERSON, WaitKind.ANALYSIS):
        said.append(("Next", cut(waits.what, MESSAGE)))
    if state.paused:
        said.append(("Paused", "yes, by a person"))
    return tuple(said)


def _new(state: RolloutState) -> str:
    made, wanted = state.counts.updated, state.counts.wanted
    return "its one pod is new" if (made, wanted) == (1, 1) else f"{among(made, wanted)} new"


def _new_ready(state: RolloutState) -> int:
    return state.revision.ready if state.revision else 0


def _versions(state: RolloutState) -> tuple[str, str]:
    return (
        state.revision.version if state.revision else "",
        state.stable.version if state.stable else "",
    )


def _next_weight(state: RolloutState) -> int:
    ahead = (s.weight for s in state.steps if s.state is StepState.NEXT and s.weight is not None)
    return next(ahead, 100)


def _failed(row: WorkloadRow, version: str) -> str:
    state = row.state
    why = state.problems[0].message if state.problems else state.message
    what = {Phase.ABORTED: "was aborted", Phase.FAILED: "failed"}.get(state.phase, "")
    if not what:
        # what is on its way has begun, or comes after something: all else are pods that have to come back
        on_its_way = row.rollout_started_at and (state.started_at or state.stable)
        landed = state.phase in (Phase.IDLE, Phase.SUCCEEDED) or not on_its_way
        falls = landed and state.problems and state.problems[0].category in ("crash", "oom")
        what = "does not stay up" if falls else "runs badly" if landed else "does not come up"
    if state.health is Health.MISSING:
        what = "is missing"
    return f"{version} {what}: {_lower(why)}" if why else f"{version} {what}"


def _serves(state: RolloutState) -> str:
    stable = state.stable
    if stable is None or not stable.version:
        return ""
    if not stable.available:
        return f"Nothing of {stable.version} serves"
    if stable.available >= state.counts.wanted:
        return f"{stable.version} still serves everything"
    return f"{stable.version} serves with {among(stable.available, state.counts.wanted)}"


def _waits(state: RolloutState, version: str) -> str:
    if state.phase is Phase.PAUSED and state.paused:
        return f"{version} is paused with {_new(state)}"
    if state.strategy in (Strategy.BLUE_GREEN, Strategy.MANUAL_SWITCH):
        return f"{version} is ready as a preview and waits for a person"
    if state.weight:
        return f"{version} waits at {state.weight.wanted} % for a person"
    return f"{version} waits for a person"


def _moves(state: RolloutState, version: str) -> str:
    at = f" at {state.weight.wanted} %" if state.weight and state.strategy is Strategy.CANARY else ""
    if state.waits_for.kind is WaitKind.TIMER:
        return f"{version} holds{at} for a set time"
    match state.phase:
        case Phase.VERIFYING:
            return f"{version} is verified{at}"
        case Phase.PENDING:
            return f"{version} is about to move"
        case Phase.PROMOTING:
            return f"{version} is promoted"
    return (
        f"{version} rolls out{at}: {_lower(state.message)}" if state.message else f"{version} rolls out{at}"
    )


def _trouble(state: RolloutState) -> str:
    said = state.problems[0].message if state.problems else ""
    return "" if said == state.message else said


def _beside(state: RolloutState) -> str:
    """What a good state has to add: its message, or what it may hide."""
    said = state.message if state.counts.wanted else ""
    return said or next((c.message for c in state.cautions if c.kind in HOLLOW), "")


def _good(state: RolloutState, version: str) -> str:
    if state.phase is Phase.ROLLED_BACK:
        return f"{version} is good again after a rollback"
    if not state.counts.wanted and state.revision:
        return f"{version} is scaled to zero"
    return f"{version} {'looks' if any(c.kind in HOLLOW for c in state.cautions) else 'is'} good"


def _lower(text: str) -> str:
    """A sentence as the second half of another: names in capitals stay."""
    text = text.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


_PHASES = {
    Phase.PENDING: "not yet noticed by the controller",
    Phase.PROGRESSING: "on its way",
    Phase.PAUSED: "paused",
    Phase.AWAITING_APPROVAL: "waits for approval",
    Phase.VERIFYING: "being verified",
    Phase.PROMOTING: "being promoted",
    Phase.SUCCEEDED: "done",
    Phase.FAILED: "failed",
    Phase.ABORTED: "aborted",
    Phase.ROLLED_BACK: "rolled back",
    Phase.SUPERSEDED: "superseded",
    Phase.IDLE: "nothing is on its way",
    Phase.UNKNOWN: "not known",
}
_HEALTHS = {
    Health.HEALTHY: "well",
    Health.SUSPENDED: "well, held on purpose",
    Health.PROGRESSING: "changing",
    Health.MISSING: "missing",
    Health.DEGRADED: "degraded",
    Health.UNKNOWN: "not known",
}
_WAITS = {
    WaitKind.CONTROLLER: "the cluster",
    WaitKind.PERSON: "a person",
    WaitKind.TIMER: "a set time",
    WaitKind.ANALYSIS: "an analysis",
}
