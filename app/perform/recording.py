"""What is written down of an answer: its audit entry, and the decision it comes to. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain import audit
from app.domain.gates import Answer, Basis, Decision, Gate, GatePhase, Vote
from app.domain.people import SYSTEM, Principal
from app.domain.rulings import Ruling, missing

from .ballots import Ballot


def entry(
    gate: Gate,
    who: Principal,
    kind: str,
    now: datetime,
    ballot: Ballot | None = None,
    reason: str = "",
    result: str = "",
) -> audit.Entry:
    """The audit entry of what happened at a gate."""
    subject = gate.subject
    about = str(subject.target) if subject.target else f"{subject.service}, gate {gate.id}"
    return audit.Entry.of(
        who,
        kind,
        now,
        object=about,
        environment=subject.environment,
        verb=ballot.answer.value if ballot else "gate",
        reason=ballot.reason if ballot else reason,
        digest=gate.digest,
        before=subject.before.name,
        after=subject.after.name,
        command=gate.command,
        request=ballot.request if ballot else "",
        result=result or f"Gate {gate.id}.",
    )


def decision_of(gate: Gate, ballot: Ballot, cast: Vote, found: tuple[Ruling, ...]) -> Decision | None:
    """What an answer decides; None: more is needed."""
    who = cast.principal

    def to(phase: GatePhase, basis: Basis) -> Decision:
        return Decision(phase, basis, cast.at, who.identity, who.name, ballot.reason, gate.digest)

    if ballot.answer is Answer.REJECT:
        return to(GatePhase.REJECTED, Basis.VOTES)
    if ballot.answer is Answer.BREAK_GLASS:
        return to(GatePhase.APPROVED, Basis.BREAK_GLASS)
    if missing(found):
        return None
    frozen = any(r.rule == "freeze" and r.aside for r in found)
    return to(GatePhase.APPROVED, Basis.OVERRIDE if frozen else Basis.VOTES)


def said_before(gate: Gate, ballot: Ballot, who: Principal) -> bool:
    """Whether this very answer is in already."""
    decision = gate.decision
    if ballot.answer is Answer.APPROVE:
        mine = next((v for v in gate.votes if v.person == who.identity), None)
        return mine is not None and (mine.digest, mine.reason, mine.override) == (
            ballot.digest, ballot.reason, ballot.override
        )  # fmt: skip
    if decision is None or decision.identity != who.identity or decision.reason != ballot.reason:
        return False
    if ballot.answer is Answer.REJECT:
        return decision.phase is GatePhase.REJECTED
    return ballot.answer is Answer.BREAK_GLASS and decision.basis is Basis.BREAK_GLASS


def over(gate: Gate) -> str:
    """That it is decided, in words."""
    by = f" by {gate.decision.by}" if gate.decision and gate.decision.by else ""
    return f"This gate is {gate.phase.value}{by}."


def decider(gate: Gate) -> Principal:
    """The board itself, on behalf of whoever decided."""
    return replace(SYSTEM, name=f"Shipboard, for {gate.decision.by}") if gate.decision else SYSTEM
