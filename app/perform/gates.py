"""The door for decisions: questions are put down, looked at, waited for and concluded. What people answer them is
`answers`'s."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from secrets import token_hex

from app.domain.delivery import Delivery
from app.domain.freezes import exempting
from app.domain.gates import (
    Decision,
    Gate,
    GatePhase,
    Origin,
    may_move,
)
from app.domain.names import Topic, WorkloadRef
from app.domain.people import Principal
from app.domain.policy import Blocker
from app.domain.rulings import Around, Ruling, barred, rulings
from app.live import Live
from app.store import commands
from app.store import freezes as frost
from app.store import gates as kept
from app.store.audit import append
from app.store.commands import Known
from app.store.db import Database
from app.store.ended import ended_after

from .asking import Question, moving
from .ballots import Gather
from .freezer import Freezer
from .recording import decider, entry
from .terms import KeyReused, NotKnown, Rules

POLL = 2.0
"""Seconds between two looks at the database while somebody waits for an answer: another process may give it."""


class Gates:
    """Puts questions down and knows how they stand. `gather` finds the evidence; `freezer` knows what is frozen."""

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
