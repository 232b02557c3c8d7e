"""An answer at a gate: a vote, a rejection, the broken glass, or a vote taken back.

Each is judged on evidence gathered at that moment and recorded with its audit entry in one unit of work; what it
leads to is the gatekeeper's. A constraint of the database, not this code, lets a gate have one answer only.
"""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex

from app.domain import audit
from app.domain.evidence import canonical, difference
from app.domain.gates import Answer, Basis, Gate, GatePhase, Vote, sheet, withdrawn
from app.domain.names import cut
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, permits
from app.domain.rulings import Ruling, missing
from app.store import gates as kept
from app.store.audit import append

from .ballots import Ballot, EvidenceChanged, Over
from .gates import Gates
from .recording import decision_of, entry, over, said_before
from .terms import MAX_REASON, Blocked, KeyReused

_NAMES = {
    Answer.APPROVE: "Approving against a freeze",
    Answer.REJECT: "Rejecting",
    Answer.BREAK_GLASS: "Breaking the glass",
    Answer.WITHDRAW: "Taking back",
}


async def cast_ballot(
    gates: Gates, ident: str, ballot: Ballot, who: Principal, *, dry_run: bool = False
) -> Gate:
    """Take somebody's answer to a gate. The same ballot again gives the same gate.

    Raises NotKnown, Over, EvidenceChanged, Blocked, KeyReused, StoreUnavailable; nothing happened then.
    """
    ballot = replace(ballot, reason=cut(ballot.reason.strip(), MAX_REASON))
    gate = await gates.one(ident)
    if said_before(gate, ballot, who):
        return gate
    gate = await gates.fresh(gate)
    if ballot.answer is Answer.WITHDRAW:
        return gate if dry_run else await _withdraw(gates, gate, ballot, who)
    if gate.phase is not GatePhase.OPEN:
        raise Over(over(gate), gate.message, "Nothing is left to decide here.")
    try:
        await _hold_against(gates, gate, ballot, who)
    except (Blocked, EvidenceChanged) as error:
        if not dry_run:
            await _refused(gates, gate, ballot, who, str(error))
        raise
    if dry_run:
        return gate
    cast = Vote(who, gate.digest, gates.clock(), ballot.reason, ballot.override)
    found = await gates.ruled(replace(gate, votes=(*withdrawn(gate.votes, who.identity), cast)))
    return await _record(gates, gate, ballot, cast, found)


async def _hold_against(gates: Gates, gate: Gate, ballot: Ballot, who: Principal) -> None:
    if ballot.digest != gate.digest:
        async with gates.database.reading() as connection:
            seen = await kept.sheet_of(connection, gate.id, ballot.digest)
        now = canonical(sheet(gate.subject, gate.evidence, gate.policy))
        raise EvidenceChanged(difference(seen, now) if seen else ())
    blocked = list(gates.barred(gate, who))
    if ballot.answer is Answer.REJECT:  # who had a part in it may well say no to it
        blocked = [b for b in blocked if b.rule not in ("four-eyes", "group")]
    if ballot.answer is Answer.BREAK_GLASS:
        blocked = [b for b in blocked if b.rule not in ("four-eyes", "group")]
        blocked += permits(who, Permission.ADMIN, gate.subject.environment).blocked_by
    due = ballot.answer is not Answer.APPROVE or ballot.override
    if due and not ballot.reason:
        blocked.append(Blocker("reason", f"{_NAMES[ballot.answer]} takes a reason.", "Say why."))
    if blocked:
        raise Blocked(tuple(dict.fromkeys(blocked)))


async def _record(gates: Gates, gate: Gate, ballot: Ballot, cast: Vote, found: tuple[Ruling, ...]) -> Gate:
    now, who = cast.at, cast.principal
    async with gates.database.writing() as session:
        locked = await kept.lock(session, gate.id)
        if locked is None or locked.phase is not GatePhase.OPEN:
            raise Over(over(locked or gate), "Somebody was faster.", "Nothing is left to decide here.")
        if locked.digest != gate.digest:
            raise EvidenceChanged(())
        if ballot.answer is Answer.APPROVE:
            if not await kept.vote(session, gate.id, cast, ballot.key or token_hex(8)):
                raise KeyReused("This key was used at another gate.", "", "Take a new one.")
            if (
                locked.votes != gate.votes
            ):  # somebody voted meanwhile: counted again, now that nobody else can
                votes = (*withdrawn(locked.votes, cast.person), cast)
                found = await gates.ruled(replace(gate, votes=votes))
            await append(session, entry(gate, who, "voted", now, ballot))
        decision = decision_of(gate, ballot, cast, found)
        if decision:
            await kept.decide(session, gate, decision)
            kind = Basis.BREAK_GLASS if decision.basis is Basis.BREAK_GLASS else decision.phase
            said = "; ".join(f"{r.name}: {r.said}" for r in missing(found))
            await append(session, entry(gate, who, kind.value, now, ballot, result=said))
    gates.tell(gate)
    gates.wake()
    return await gates.one(gate.id)


async def _withdraw(gates: Gates, gate: Gate, ballot: Ballot, who: Principal) -> Gate:
    if gate.phase not in (GatePhase.OPEN, GatePhase.APPROVED):
        raise Over(over(gate), "It is too late to take anything back.", "")
    now = gates.clock()
    async with gates.database.writing() as session:
        locked = await kept.lock(session, gate.id)
        assert locked is not None
        if locked.phase not in (GatePhase.OPEN, GatePhase.APPROVED):
            raise Over(over(locked), "It is too late to take anything back.", "")
        if not await kept.withdraw(session, gate.id, who.identity):
            blocker = Blocker("vote", "You have no vote here to take back.", "")
            raise Blocked((blocker,))
        if locked.phase is GatePhase.APPROVED and not await kept.reopen(session, locked, now):
            raise Over(over(locked), "It is too late to take anything back.", "")
        await append(session, entry(gate, who, "withdrawn", now, ballot))
    gates.tell(gate)
    return await gates.one(gate.id)


async def _refused(gates: Gates, gate: Gate, ballot: Ballot, who: Principal, said: str) -> None:
    async with gates.database.writing() as session:
        await append(session, entry(gate, who, audit.Kind.REFUSED.value, gates.clock(), ballot, result=said))
