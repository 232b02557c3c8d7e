"""The worker beside the gates: asks what is observed to wait, keeps evidence new, closes what is no longer so, decides
by rule, and lets be carried out what was approved.

What it does is guarded in the database and by the key of the command it asks for ("gate:ID"), so several processes may
do it at once, and a crash at any point loses and doubles nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog

from app.domain.delivery import Mode
from app.domain.errors import StoreUnavailable
from app.domain.gates import Basis, Decision, Gate, GatePhase, Origin
from app.domain.names import EVERYTHING
from app.domain.people import SYSTEM
from app.domain.policy import Permission, permits
from app.domain.rulings import Ruling, missing
from app.live import Listener, Live
from app.store import commands
from app.store import freezes as frost
from app.store import gates as kept
from app.store.audit import append
from app.store.commands import Known

from .asking import Question, holds_still, questions
from .ballots import Standing, as_then
from .door import Perform
from .executing import PATIENCE, Executor
from .gates import Gates
from .look import ClusterLike
from .recording import entry

EVERY = 5.0
"""Seconds between two rounds when nothing is heard: soaks end, freezes begin, questions expire."""
REST = 0.1
AGAIN = 15.0
"""Seconds after which every service is asked about again."""
WHOLE = 60.0
"""Seconds after which everything is read again: another process may have written it."""

log = structlog.get_logger("shipboard.gates")


class Gatekeeper:
    """Runs for ever; `wake` it when there is something to do."""

    def __init__(
        self,
        gates: Gates,
        perform: Perform,
        clusters: Mapping[str, ClusterLike],
        live: Live,
        standing: Standing = as_then,
        asks: Callable[[], bool] = lambda: True,
    ) -> None:
        self._gates, self._live = gates, live
        self._standing, self._asks = standing, asks
        self._bell = asyncio.Event()
        self._dirty: set[str] = set()
        self._seen: dict[str, Known] = {}
        self._raised: dict[str, Mapping[str, Question]] = {}
        self._answered: set[str] = set()
        self._read_at = self._asked_at = float("-inf")
        self._executor = Executor(gates, perform, clusters)
        gates.wake = self._bell.set

    async def run(self) -> None:
        """Work for ever."""
        with self._live.listening() as listener:
            listening = asyncio.create_task(self._listen(listener), name="gates: what changed")
            try:
                while not listening.done():
                    self._bell.clear()
                    began = time.monotonic()
                    try:
                        await self.round()
                    except StoreUnavailable as error:
                        log.warning("gates cannot be read", reason=str(error))
                    await asyncio.sleep(max(REST, time.monotonic() - began))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(EVERY):
                            await self._bell.wait()
                listening.result()
            finally:
                listening.cancel()
                await self._executor.stop()

    async def look(self) -> list[Gate]:
        """Read what changed, so that the rules know what is frozen and asked; the gates that stand. Raises
        StoreUnavailable."""
        gates, now = self._gates, self._gates.clock()
        dirty, self._dirty = self._dirty, set()
        whole = time.monotonic() - self._read_at > WHOLE
        try:
            async with gates.database.reading() as connection:
                if whole:
                    found = {k.key: k for k in await commands.of_services(connection, None)}
                else:
                    found = dict(await commands.workloads(connection, tuple(dirty))) if dirty else {}
                gates.freezer.by_hand = await frost.freezes(connection, now)
                gates.freezer.exempt = await frost.exemptions(connection, now)
                current = await kept.current(connection, now - PATIENCE)
        except StoreUnavailable:
            self._dirty |= dirty
            raise
        self._take_in(found, None if whole else dirty)
        self._tell(current)
        return current

    async def round(self) -> None:
        """Look at what changed, and at every gate that is not over. Raises StoreUnavailable."""
        current = await self.look()
        raised = {key: q for several in self._raised.values() for key, q in several.items()}
        for gate in current:
            if gate.phase is GatePhase.REJECTED and gate.subject.otherwise and not gate.command:
                self._executor.carry(gate)
        current = [gate for gate in current if not gate.final]
        asked = {gate.key.partition("#")[0] for gate in current}
        if self._asks():
            for question in raised.values():
                if question.key not in asked and question.key not in self._answered:
                    gate = await self._open(question)
                    if gate.final:
                        self._answered.add(question.key)
                    else:
                        current.append(gate)
        self._answered &= raised.keys()
        self._tell(current)
        for gate in current:
            await self._settle(gate, raised)

    def _tell(self, current: Iterable[Gate]) -> None:
        """Let the rules know which gate is asked about which workload."""
        self._gates.freezer.gates = {
            g.subject.workload: g.id for g in current if g.phase is GatePhase.OPEN and g.subject.workload
        }

    def _take_in(self, found: Mapping[str, Known], keys: set[str] | None) -> None:
        """Remember what was read of `keys` (None: of all there are), and what their services ask by now."""
        if keys is None:
            self._seen, self._raised, self._read_at = {}, {}, time.monotonic()
        touched = {self._seen[key].place.service for key in keys or () if key in self._seen}
        for key in keys or ():
            self._seen.pop(key, None)
        self._seen.update(found)
        touched |= {known.place.service for known in found.values()}
        if (
            time.monotonic() - self._asked_at > AGAIN
        ):  # what is calm for long enough raises a question by that alone
            touched, self._asked_at = {known.place.service for known in self._seen.values()}, time.monotonic()
        several: dict[str, list[Known]] = {service: [] for service in touched}
        for known in self._seen.values():
            if known.place.service in touched:
                several[known.place.service].append(known)
        for service, members in several.items():
            self._raised[service] = questions(members, self._gates.delivery, self._gates.clock())
        self._gates.freezer.services = {known.key: known.place.service for known in self._seen.values()}

    async def _listen(self, listener: Listener) -> None:
        while True:
            changed = await listener.changes(60.0)
            self._dirty |= {topic.key for topic in changed if topic.sort == "workload"}
            if EVERYTHING in changed:
                self._read_at = float("-inf")
                self._bell.set()
            if any(topic.sort in ("workload", "gate", "freeze") for topic in changed):
                self._bell.set()

    async def _open(self, question: Question) -> Gate:
        """The question as a gate. What still stands after its gate came to nothing is asked about again; but what
        failed by rule alone would fail for ever."""
        gate = await self._gates.ask(question, SYSTEM)
        alone = self._gates.delivery.of(question.subject.environment).mode is Mode.AUTOMATIC
        n = 1
        while gate.phase in _AGAIN and n < 100 and not (alone and gate.phase is GatePhase.FAILED):
            n += 1
            gate = await self._gates.ask(replace(question, key=f"{question.key}#{n}"), SYSTEM)
        return gate

    async def _settle(self, gate: Gate, raised: Mapping[str, Question]) -> None:
        now = self._gates.clock()
        if gate.phase is GatePhase.EXECUTING:
            if not gate.subject.call:  # else it is on its way to the forge
                self._executor.carry(gate)
            return
        ours = gate.origin in (Origin.PROMOTION, Origin.ROLLOUT)
        if ours and not holds_still(gate, raised, self._seen):
            await self._end(
                gate, GatePhase.VOID, "It is no longer so: it moved on, or something newer took its place."
            )
            return
        if now >= gate.expires_at:
            await self._end(gate, GatePhase.EXPIRED, "Nobody answered in time, and no answer is a no.")
            return
        gate = await self._standing_now(await self._gates.fresh(gate))
        if gate.phase is GatePhase.OPEN:
            await self._by_rule(gate)
        elif ours or gate.subject.call:
            await self._begin(gate)

    async def _by_rule(self, gate: Gate) -> None:
        """Let a gate through once its last rule is met without another click."""
        found = await self._gates.ruled(gate)
        if missing(found):
            return
        automatic = self._gates.delivery.of(gate.subject.environment).mode is Mode.AUTOMATIC
        last = max(gate.counting, key=lambda v: v.at, default=None)
        if not automatic and last is None:
            return
        who, basis = (SYSTEM, Basis.RULE) if automatic or last is None else (last.principal, Basis.VOTES)
        reason = last.reason if last else "Every rule holds."
        now = self._gates.clock()
        decision = Decision(GatePhase.APPROVED, basis, now, who.identity, who.name, reason, gate.digest)
        await self._gates.conclude(gate, decision, SYSTEM if automatic else who, "Every rule holds.")

    async def _begin(self, gate: Gate) -> None:
        """Hold an approval against everything once more, and let it be carried out."""
        decision, now = gate.decision, self._gates.clock()
        assert decision is not None
        why = ""
        if decision.digest != gate.digest:
            why = "What was approved changed before it was carried out; it has to be decided again."
        elif decision.basis is not Basis.BREAK_GLASS and (left := missing(await self._gates.ruled(gate))):
            why = f"A rule no longer holds. {_said(left)}"
        async with self._gates.database.writing() as session:
            if why:
                moved = await kept.reopen(session, gate, now, why)
            else:
                moved = await kept.move(session, gate, GatePhase.EXECUTING, now, "It is being carried out.")
            if moved and why:
                await append(session, entry(gate, SYSTEM, "reopened", now, result=why))
        if moved:
            self._gates.tell(gate)
            if not why and not gate.subject.call:
                self._executor.carry(replace(gate, phase=GatePhase.EXECUTING))

    async def _end(self, gate: Gate, phase: GatePhase, said: str) -> None:
        decision = Decision(
            phase, Basis.RULE, self._gates.clock(), SYSTEM.identity, SYSTEM.name, "", gate.digest
        )
        await self._gates.conclude(gate, decision, SYSTEM, said)

    async def _standing_now(self, gate: Gate) -> Gate:
        """The gate without the votes of those who may no longer decide here."""
        votes, gone = [], []
        for cast in gate.votes:
            who = await self._standing(cast.principal)
            if who is None or permits(who, Permission.DECIDE, gate.subject.environment).blocked_by:
                gone.append(cast)
            else:
                votes.append(replace(cast, principal=who))
        if gone:
            async with self._gates.database.writing() as session:
                for cast in gone:
                    await kept.withdraw(session, gate.id, cast.person)
                    said = "May no longer decide here, so the vote does not count."
                    await append(
                        session, entry(gate, cast.principal, "struck", self._gates.clock(), result=said)
                    )
            self._gates.tell(gate)
        return replace(gate, votes=tuple(votes))


_AGAIN = (GatePhase.FAILED, GatePhase.EXPIRED, GatePhase.VOID)


def _said(left: tuple[Ruling, ...]) -> str:
    return " ".join(f"{r.name}: {r.said}." for r in left)
