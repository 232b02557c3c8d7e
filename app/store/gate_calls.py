"""Calls to the forges of gates, written: each is there as soon as its gate is, and stays until it was taken.

Whoever works on one pushes its `due_at` ahead first, so that several processes seldom do the same; one that must not
happen twice is SENT before it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.forges import CallPhase, CallState
from app.domain.gates import GatePhase
from app.store.gate_tables import GATE, GATECALL

OPEN = (CallPhase.DUE, CallPhase.SENT)
DECIDED = (GatePhase.EXECUTING, GatePhase.REJECTED, GatePhase.EXPIRED)
"""Phases in which a forge is owed its answer."""


async def put(connection: AsyncConnection, gate: str, thread: str, now: datetime) -> None:
    """Put the call of a new gate down."""
    values = {"gate": gate, "thread": thread, "phase": CallPhase.DUE, "tries": 0, "due_at": now, "said": ""}
    await connection.execute(insert(GATECALL).values(told_at=None, **values))


async def states(connection: AsyncConnection, gates: Sequence[str]) -> dict[str, CallState]:
    """How the calls of these gates stand, as far as they have one."""
    rows = await connection.execute(select(GATECALL).where(GATECALL.c.gate.in_(gates)))
    return {
        row.gate: CallState(CallPhase(row.phase), row.tries, row.due_at, row.told_at, row.said)
        for row in rows
    }


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Gates that are decided and whose forge is to be told by now, the longest due first."""
    query = (
        select(GATECALL.c.gate)
        .join(GATE, GATE.c.id == GATECALL.c.gate)
        .where(GATECALL.c.phase.in_(OPEN), GATECALL.c.due_at <= now, GATE.c.phase.in_(DECIDED))
        .order_by(GATECALL.c.due_at)
        .limit(limit)
    )
    return list(await connection.scalars(query))


async def waiting(connection: AsyncConnection, thread: str, before: datetime) -> list[str]:
    """Gates of a thread that were opened before `before` and are still to be decided."""
    query = (
        select(GATECALL.c.gate)
        .join(GATE, GATE.c.id == GATECALL.c.gate)
        .where(GATECALL.c.thread == thread, GATE.c.phase == GatePhase.OPEN, GATE.c.opened_at < before)
    )
    return list(await connection.scalars(query))


async def note(session: AsyncSession, gate: str, was: CallState, now: CallState) -> bool:
    """Keep how a call stands; False when somebody else got ahead."""
    where = (GATECALL.c.gate == gate, GATECALL.c.phase == was.phase, GATECALL.c.tries == was.tries)
    values = {"phase": now.phase, "tries": now.tries, "told_at": now.told_at, "said": now.said}
    statement = update(GATECALL).where(*where).values(due_at=now.due_at or was.due_at, **values)
    return (await (await session.connection()).execute(statement)).rowcount == 1
