"""Brings the answers of gates to the forges that wait for them, and starts there what a yes starts.

Answers are tried with growing waits until they are taken, or for a day; the gate tells how it stands. What starts
something is SENT first, and is not tried again where it may have been done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from app.domain.forges import CallPhase, CallState, ForgeCall
from app.domain.gates import Gate, GatePhase
from app.domain.refusals import ClusterError, Lost, Misconfigured, Throttled
from app.domain.repositories import within
from app.live import Listener
from app.perform import Gates
from app.perform.recording import decider, entry
from app.store import gate_calls
from app.store import gates as kept
from app.store.audit import append

from .forges import Forge

EVERY = 2.0
AT_ONCE = 20
CLAIM = timedelta(seconds=60)
"""How long a call is left to whoever began it: longer than any call takes."""
LONGEST = 300.0
ANSWERS_FOR, STARTS_FOR = timedelta(days=1), timedelta(minutes=30)
"""How long an answer is tried to be given, and something to be started: nobody expects that a day later."""
log = structlog.get_logger("shipboard.gates")


class Answering:
    """The worker. `forges` are by hook, with the globs of the repositories that each may speak of."""

    def __init__(
        self, gates: Gates, forges: Mapping[str, tuple[Forge, tuple[str, ...]]], address: str
    ) -> None:
        self._gates, self._forges, self._address = gates, forges, address

    async def run(self) -> None:
        """For ever. Raises StoreUnavailable."""
        try:
            with self._gates.live.listening() as listener:
                while True:
                    await self.round()
                    await _heard(listener)
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of all connections."""
        for forge, _ in self._forges.values():
            await forge.api.close()

    async def round(self) -> int:
        """Make every call that is due; how many. Raises StoreUnavailable."""
        now = self._gates.clock()
        async with self._gates.database.reading() as connection:
            idents = await gate_calls.due(connection, now, AT_ONCE)
            found = await kept.some(connection, idents)
        await asyncio.gather(*(self._make(gate, gate.subject.call, gate.told, now) for gate in found))
        return len(found)

    async def _make(self, gate: Gate, call: ForgeCall | None, was: CallState | None, now: datetime) -> None:
        assert call is not None
        assert was is not None
        yes = gate.phase is GatePhase.EXECUTING
        if call.starts and not yes:
            await self._note(gate, was, replace(was, phase=CallPhase.MOOT, said="there is nothing to start"))
            return
        if was.phase is CallPhase.SENT:
            said = f"It is not known whether {call.forge} took it: Shipboard ended meanwhile. Look there."
            await self._note(gate, was, replace(was, phase=CallPhase.FAILED, said=said))
            return
        phase = CallPhase.SENT if call.starts else CallPhase.DUE
        begun = replace(was, phase=phase, tries=was.tries + 1, due_at=now + CLAIM)
        if not await self._note(gate, was, begun):
            return  # another process has it
        forge, scope = self._forges.get(call.hook, (None, ()))
        try:
            if forge is None:
                raise Misconfigured(f"The hook {call.hook} has no `gates` in the settings any more")
            if not within(call.repo, scope):
                raise Misconfigured(f"{call.repo} was not asked", f"The hook {call.hook} is not for it")
            said = await forge.tell(call, yes, _comment(gate, self._address))
            done = replace(begun, phase=CallPhase.TOLD, told_at=self._gates.clock(), said=said)
        except ClusterError as error:
            done = self._after(gate, call, begun, error)
            log.warning("a forge was not told", gate=gate.id, tries=done.tries, reason=str(error))
        except Exception as error:
            log.exception("a forge could not be told", gate=gate.id)
            said = f"A fault of Shipboard's own ({type(error).__name__}); look there whether it was done."
            done = replace(begun, phase=CallPhase.FAILED, said=said)
        await self._note(gate, begun, done)

    def _after(self, gate: Gate, call: ForgeCall, begun: CallState, error: ClusterError) -> CallState:
        """How it goes on after a call that failed: again, unless that is of no use or may do it twice."""
        now = self._gates.clock()
        since = gate.decision.at if gate.decision else now
        lost = isinstance(error, Lost) or error.status >= 500
        refused = isinstance(error, Misconfigured) or 400 <= error.status < 500
        if call.starts and lost:
            said = f"It is not known whether {call.forge} took it; look there. {error}"
        elif refused or now - since > (STARTS_FOR if call.starts else ANSWERS_FOR):
            said = str(error)
        else:
            wait = min(2.0**begun.tries, LONGEST)
            if isinstance(error, Throttled):
                wait = max(wait, error.retry_after)
            due = now + timedelta(seconds=wait)
            return replace(begun, phase=CallPhase.DUE, due_at=due, said=str(error))
        return replace(begun, phase=CallPhase.FAILED, said=said)

    async def _note(self, gate: Gate, was: CallState, now: CallState) -> bool:
        """Keep how a call stands, and what that makes of the gate; False when somebody else got ahead."""
        at, forge = self._gates.clock(), gate.subject.call.forge if gate.subject.call else ""
        async with self._gates.database.writing() as session:
            if not await gate_calls.note(session, gate.id, was, now):
                return False
            if now.phase in (CallPhase.TOLD, CallPhase.FAILED):
                done = now.phase is CallPhase.TOLD
                said = f"{forge}: {now.said}" if done else f"{forge} was not told. {now.said}"
                if gate.phase is GatePhase.EXECUTING:
                    to = GatePhase.EXECUTED if done else GatePhase.FAILED
                    await kept.move(session, gate, to, at, said)
                kind = "told" if done else GatePhase.FAILED.value
                await append(session, entry(gate, decider(gate), kind, at, result=said))
        self._gates.tell(gate)
        return True


def _comment(gate: Gate, address: str) -> str:
    """What the forge shows beside the answer."""
    decision = gate.decision
    by = f" by {decision.by}" if decision and decision.by else ""
    how = "Approved" if gate.phase is GatePhase.EXECUTING else "Rejected"
    if gate.phase is GatePhase.EXPIRED:
        how, by = "Not answered in time", ""
    why = f": {decision.reason}" if decision and decision.reason else ""
    return f"{how}{by} via Shipboard{why} ({address}/gates/{gate.id})"


async def _heard(listener: Listener) -> None:
    """Wait until a gate changed, or a little."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + EVERY
    while (left := ends - loop.time()) > 0:
        if any(topic.sort == "gate" for topic in await listener.changes(left)):
            return
