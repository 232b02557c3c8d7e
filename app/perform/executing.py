"""Approved gates, carried out: one command a gate, under a key of its own, so that it is asked for once however often
this is begun; and its end, as the gate tells it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from app.domain.commands import CommandPhase, Verb
from app.domain.errors import ShipboardError, StoreUnavailable
from app.domain.gates import Gate, GatePhase
from app.domain.names import ImageRef
from app.domain.people import SYSTEM
from app.domain.refusals import ClusterError
from app.store import gates as kept
from app.store.audit import append

from .door import Perform
from .freezer import BY_GATE
from .gates import Gates
from .look import ClusterLike, look, relevant
from .recording import decider, entry
from .terms import Ask, Blocked, Moved, NotKnown

PATIENCE = timedelta(minutes=10)
"""How long an approval is tried to be carried out on a cluster that cannot be reached."""

NONE = "none"
"""In place of a command that could not even be asked."""

log = structlog.get_logger("shipboard.gates")


class Executor:
    """Carries gates out, side by side."""

    def __init__(self, gates: Gates, perform: Perform, clusters: Mapping[str, ClusterLike]) -> None:
        self._gates, self._perform, self._clusters = gates, perform, clusters
        self._carrying: dict[str, asyncio.Task[None]] = {}

    def carry(self, gate: Gate) -> None:
        """Set about a gate that is EXECUTING, or what follows a REJECTED one, unless somebody here has."""
        if gate.id not in self._carrying:
            task = asyncio.create_task(self._carried(gate), name=f"gate {gate.id}")
            self._carrying[gate.id] = task
            task.add_done_callback(lambda _: self._carrying.pop(gate.id, None))

    async def _carried(self, gate: Gate) -> None:
        """Ask for what was approved, and see what becomes of it."""
        try:
            await self._ended(gate, *await self._asked(gate))
        except StoreUnavailable as error:
            log.warning("a gate has to wait", gate=gate.id, reason=str(error))
        except Exception:
            log.exception("a gate could not be carried out", gate=gate.id)
            with suppress(StoreUnavailable):
                await self._ended(
                    gate, GatePhase.FAILED, "A fault of Shipboard's own; look whether it was done.", ""
                )

    async def _asked(self, gate: Gate) -> tuple[GatePhase, str, str]:
        subject, decision = gate.subject, gate.decision
        assert subject.target is not None
        assert decision is not None
        rejected = gate.phase is GatePhase.REJECTED
        verb = subject.otherwise if rejected else subject.verb
        assert verb is not None
        by = decider(gate)
        reason = (
            f"Gate {gate.id}, {'rejected' if rejected else 'approved'} by {decision.by}"
            f"{': ' if decision.reason else ''}{decision.reason}"
        )
        try:
            ask = Ask(
                verb,
                subject.target,
                expected=relevant(verb, subject.expected),
                reason=reason,
                key=f"{BY_GATE}{gate.id}",
            )
            if verb is Verb.SET_IMAGE:
                ask = replace(ask, arguments=replace(ask.arguments, images=await self._images(gate)))
            receipt = await self._perform.ask(ask, by)
        except (Blocked, Moved, NotKnown, _NoImages) as error:
            return GatePhase.FAILED, str(error), ""
        except ClusterError as error:
            if self._gates.clock() - decision.at < PATIENCE:
                raise StoreUnavailable("The cluster cannot be asked.", str(error), "") from None
            return GatePhase.FAILED, str(error), ""
        while receipt.phase in (CommandPhase.PENDING, CommandPhase.RUNNING, CommandPhase.SENT):
            receipt = await self._perform.receipt(receipt.id, unlike=receipt.phase, within=30.0)
        done = receipt.phase is CommandPhase.DONE
        return GatePhase.EXECUTED if done else GatePhase.FAILED, receipt.message, receipt.id

    async def _images(self, gate: Gate) -> Mapping[str, str]:
        """The images approved, by the containers of the target that run the same repositories."""
        target = gate.subject.target
        assert target is not None
        cluster = self._clusters.get(target.cluster)
        if cluster is None:
            raise ClusterError(f"Could not reach {target.cluster}", "Shipboard is not connected to it")
        seen = await look(cluster, target)
        wanted = {ImageRef.parse(image).repository: image for image in gate.subject.after.images}
        spec = seen.look.root.get("spec", {}).get("template", {}).get("spec", {})
        found = {
            str(c.get("name")): wanted[repository]
            for c in spec.get("containers") or ()
            if (repository := ImageRef.parse(str(c.get("image", ""))).repository) in wanted
        }
        if not found:
            raise _NoImages(f"{target} runs none of {', '.join(wanted)}.", "Nothing was changed.", "")
        return found

    async def _ended(self, gate: Gate, phase: GatePhase, said: str, command: str) -> None:
        now = self._gates.clock()
        if gate.phase is GatePhase.REJECTED:
            async with self._gates.database.writing() as session:
                await kept.follow(session, gate, said, command or NONE)
            self._gates.tell(gate)
            return
        async with self._gates.database.writing() as session:
            if await kept.move(session, gate, phase, now, said, command):
                gate = replace(gate, command=command)
                await append(session, entry(gate, SYSTEM, phase.value, now, result=said))
        self._gates.tell(gate)

    async def stop(self) -> None:
        """Let go of all; another process, or the next start, takes them up."""
        for task in self._carrying.values():
            task.cancel()
        await asyncio.gather(*self._carrying.values(), return_exceptions=True)


class _NoImages(ShipboardError):
    """The target does not run what was promoted."""
