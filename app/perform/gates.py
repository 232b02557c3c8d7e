"""The door for decisions: questions are put down, voted on, answered once; and freezes by hand.

Every answer is judged on evidence gathered at that moment, recorded with its audit entry in one unit of work, and
carried out by the gatekeeper. A constraint of the database, not this code, lets a gate have one answer only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from secrets import token_hex

from app.domain import audit
from app.domain.delivery import Delivery
from app.domain.evidence import canonical, difference
from app.domain.freezes import exempting
from app.domain.gates import (
    Answer,
    Basis,
    Decision,
    Gate,
    GatePhase,
    Origin,
    Vote,
    may_move,
    sheet,
    withdrawn,
)
from app.domain.names import Topic, WorkloadRef, cut
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, permits
from app.domain.rulings import Around, Ruling, barred, missing, rulings
from app.live import Live
from app.store import commands
from app.store import freezes as frost
from app.store import gates as kept
from app.store.audit import append
from app.store.commands import Known
from app.store.db import Database
from app.store.ended import ended_after

from .asking import Question, moving
from .ballots import Ballot, EvidenceChanged, Gather, Over
from .freezer import Freezer
from .recording import decider, decision_of, entry, over, said_before
from .terms import MAX_REASON, Blocked, KeyReused, NotKnown, Rules

POLL = 2.0
"""Seconds between two looks at the database while somebody waits for an answer: another process may give it."""


class Gates:
    """Puts questions down and takes answers. `gather` finds the evidence; `freezer` knows what is frozen."""

    def __init__(
        self,
        database: Database,
        live: Live,
        freezer: Freezer,
        gather: Gather,
        clock: Callable[[], datetime],
        wake: Callable[[], None] = lambda: None,
        rules: Rules | None = None,
    ) -> None:
        self.database, self.live, self.freezer, self.clock = database, live, freezer, clock
        self._gather, self._rules = gather, rules or Rules()
        self.wake = wake

    @property
    def delivery(self) -> Delivery:
        """The rules."""
        return self.freezer.delivery

    async def ask(self, question: Question, by: Principal, expires_at: datetime | None = None) -> Gate:
        """Put a question down; the same key gives the same gate. Raises KeyReused where a pipeline asks something else
        with it, StoreUnavailable."""
        now, subject = self.clock(), question.subject
        rules = self.delivery.of(subject.environment)
        since, ends = min(question.since or now, now), expires_at or now + rules.expires
        gate = Gate(token_hex(8), question.key, question.origin, subject, since, ends)
        gate = gate.showing(await self._gather(gate), rules.version)
        async with self.database.writing() as session:
            if new := await kept.ask(session, gate, question.thread):
                await append(session, entry(gate, by, "opened", now, result=subject.question))
        if not new:
            async with self.database.reading() as connection:
                found = await kept.by_key(connection, question.key)
            assert found is not None
            if question.origin is Origin.PIPELINE and found.subject != subject:
                raise KeyReused(
                    "This key was used to ask something else.",
                    f"It asked: {found.subject.question}",
                    "Take a key for each run, such as the run's number.",
                )
            return found
        self.tell(gate)
        return gate

    async def one(self, ident: str) -> Gate:
        """A gate as it is kept. Raises NotKnown, StoreUnavailable."""
        async with self.database.reading() as connection:
            found = await kept.one(connection, ident)
        if found is None:
            raise NotKnown(
                "There is no such gate.", "Old ones are forgotten.", "See /gates for those that wait."
            )
        return found

    async def open(self) -> list[Gate]:
        """Gates that wait for a decision, oldest first. Raises StoreUnavailable."""
        now = self.clock()
        async with self.database.reading() as connection:
            return [gate for gate in await kept.current(connection, now) if gate.phase is GatePhase.OPEN]

    def barred(self, gate: Gate, who: Principal) -> tuple[Blocker, ...]:
        """Why `who` may not approve a gate, whatever the evidence; empty: they may."""
        stale = self._rules.stale(who, gate.subject.environment, self.clock())
        return (*barred(gate, who, self.delivery), *stale)

    async def of_key(self, beginning: str) -> list[Gate]:
        """Gates whose key begins so, oldest first. Raises StoreUnavailable."""
        async with self.database.reading() as connection:
            return await kept.answered(connection, beginning)

    async def over_since(self, workload: str, at: datetime) -> bool:
        """Whether a rollout of it ended later than `at`. Raises StoreUnavailable."""
        async with self.database.reading() as connection:
            return await ended_after(connection, workload, at)

    async def known(self, ref: WorkloadRef) -> Known:
        """A workload as the database has it. Raises NotKnown, StoreUnavailable."""
        async with self.database.reading() as connection:
            found = await commands.workload(connection, ref)
        if found is None:
            raise NotKnown(f"Nothing is known of {ref}.", "", "See /api/v1/workloads for all there are.")
        return found

    async def fresh(self, gate: Gate) -> Gate:
        """The gate with the evidence of now, which is kept where it is another. Raises StoreUnavailable."""
        if gate.phase not in (GatePhase.OPEN, GatePhase.APPROVED):
            return gate
        rules = self.delivery.of(gate.subject.environment)
        now = gate.showing(await self._gather(gate), rules.version)
        if now.evidence != gate.evidence or now.digest != gate.digest:
            async with self.database.writing() as session:
                await kept.show(session, now, self.clock())
            self.tell(now)
        return now

    async def ruled(self, gate: Gate) -> tuple[Ruling, ...]:
        """Every rule of a gate, as it stands now. Raises StoreUnavailable."""
        async with self.database.reading() as connection:
            seen = await commands.of_services(connection, [gate.subject.service])
            by_hand = await frost.freezes(connection, self.clock())
            exempt = await frost.exemptions(connection, self.clock())
        frozen = exempting((*self.delivery.freezes, *by_hand), exempt)
        around = Around(frozen, moving(seen, gate))
        return rulings(gate, self.delivery, around, self.clock())

    async def answer(self, ident: str, ballot: Ballot, who: Principal, *, dry_run: bool = False) -> Gate:
        """Take somebody's answer. The same ballot again gives the same gate.

        Raises NotKnown, Over, EvidenceChanged, Blocked, KeyReused, StoreUnavailable; nothing happened then.
        """
        ballot = replace(ballot, reason=cut(ballot.reason.strip(), MAX_REASON))
        gate = await self.one(ident)
        if said_before(gate, ballot, who):
            return gate
        gate = await self.fresh(gate)
        if ballot.answer is Answer.WITHDRAW:
            return gate if dry_run else await self._withdraw(gate, ballot, who)
        if gate.phase is not GatePhase.OPEN:
            raise Over(over(gate), gate.message, "Nothing is left to decide here.")
        try:
            await self._hold_against(gate, ballot, who)
        except (Blocked, EvidenceChanged) as error:
            if not dry_run:
                await self._refused(gate, ballot, who, str(error))
            raise
        if dry_run:
            return gate
        cast = Vote(who, gate.digest, self.clock(), ballot.reason, ballot.override)
        found = await self.ruled(replace(gate, votes=(*withdrawn(gate.votes, who.identity), cast)))
        return await self._record(gate, ballot, cast, found)

    async def waited(self, ident: str, within: float) -> Gate:
        """The gate as soon as it has an answer, but at most `within` seconds later. Raises NotKnown,
        StoreUnavailable."""
        ends = time.monotonic() + within
        with self.live.listening() as listener:
            while True:
                gate = await self.one(ident)
                left = ends - time.monotonic()
                if gate.phase is not GatePhase.OPEN or left <= 0:
                    return gate
                pause = time.monotonic() + min(left, POLL)
                about = Topic("gate", ident)
                while (rest := pause - time.monotonic()) > 0 and about not in await listener.changes(rest):
                    pass

    async def told(self, gate: Gate) -> Gate:
        """The asker has its answer: from now on it cannot be withdrawn. Raises StoreUnavailable."""
        if gate.phase is not GatePhase.APPROVED or gate.subject.target is not None:
            return gate
        said, now = "The asker has its answer.", self.clock()
        async with self.database.writing() as session:
            if moved := await kept.move(session, gate, GatePhase.EXECUTED, now, said):
                await append(session, entry(gate, decider(gate), "told", now, result=said))
        if not moved:
            return await self.one(gate.id)
        self.tell(gate)
        return replace(gate, phase=GatePhase.EXECUTED, message=said, ended_at=now)

    async def conclude(self, gate: Gate, decision: Decision, who: Principal, said: str) -> bool:
        """Give a gate an answer that no person gave; False when it has another. Raises StoreUnavailable."""
        async with self.database.writing() as session:
            locked = await kept.lock(session, gate.id)
            if locked is None or locked.phase is not gate.phase or not may_move(gate.phase, decision.phase):
                return False
            if decision.phase is GatePhase.APPROVED and locked.digest != gate.digest:
                return False
            if not await kept.decide(session, replace(gate, message=said), decision):
                return False
            kind = decision.phase.value
            await append(session, entry(gate, who, kind, decision.at, reason=decision.reason, result=said))
        self.tell(gate)
        self.wake()
        return True

    def tell(self, gate: Gate) -> None:
        """Let everybody know who watches."""
        topics = [Topic("gate", gate.id)]
        if gate.subject.workload:
            topics.append(Topic("workload", gate.subject.workload))
        self.live.publish(topics)

    async def _hold_against(self, gate: Gate, ballot: Ballot, who: Principal) -> None:
        if ballot.digest != gate.digest:
            async with self.database.reading() as connection:
                seen = await kept.sheet_of(connection, gate.id, ballot.digest)
            now = canonical(sheet(gate.subject, gate.evidence, gate.policy))
            raise EvidenceChanged(difference(seen, now) if seen else ())
        blocked = list(barred(gate, who, self.delivery))
        if ballot.answer is Answer.REJECT:  # who had a part in it may well say no to it
            blocked = [b for b in blocked if b.rule not in ("four-eyes", "group")]
        if ballot.answer is Answer.BREAK_GLASS:
            blocked = [b for b in blocked if b.rule not in ("four-eyes", "group")]
            blocked += permits(who, Permission.ADMIN, gate.subject.environment).blocked_by
        blocked += self._rules.stale(who, gate.subject.environment, self.clock())
        due = ballot.answer is not Answer.APPROVE or ballot.override
        if due and not ballot.reason:
            blocked.append(Blocker("reason", f"{_NAMES[ballot.answer]} takes a reason.", "Say why."))
        if blocked:
            raise Blocked(tuple(dict.fromkeys(blocked)))

    async def _record(self, gate: Gate, ballot: Ballot, cast: Vote, found: tuple[Ruling, ...]) -> Gate:
        now, who = cast.at, cast.principal
        async with self.database.writing() as session:
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
                    found = await self.ruled(replace(gate, votes=votes))
                await append(session, entry(gate, who, "voted", now, ballot))
            decision = decision_of(gate, ballot, cast, found)
            if decision:
                await kept.decide(session, gate, decision)
                kind = Basis.BREAK_GLASS if decision.basis is Basis.BREAK_GLASS else decision.phase
                said = "; ".join(f"{r.name}: {r.said}" for r in missing(found))
                await append(session, entry(gate, who, kind.value, now, ballot, result=said))
        self.tell(gate)
        self.wake()
        return await self.one(gate.id)

    async def _withdraw(self, gate: Gate, ballot: Ballot, who: Principal) -> Gate:
        if gate.phase not in (GatePhase.OPEN, GatePhase.APPROVED):
            raise Over(over(gate), "It is too late to take anything back.", "")
        now = self.clock()
        async with self.database.writing() as session:
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
        self.tell(gate)
        return await self.one(gate.id)

    async def _refused(self, gate: Gate, ballot: Ballot, who: Principal, said: str) -> None:
        async with self.database.writing() as session:
            await append(
                session, entry(gate, who, audit.Kind.REFUSED.value, self.clock(), ballot, result=said)
            )


_NAMES = {
    Answer.APPROVE: "Approving against a freeze",
    Answer.REJECT: "Rejecting",
    Answer.BREAK_GLASS: "Breaking the glass",
    Answer.WITHDRAW: "Taking back",
}
