"""Gates, written: asked once by their key, one vote a person, one decision, each by a constraint of the database.

`lock` comes first in every unit of work that counts votes: on PostgreSQL two of them could else each see only their
own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.evidence import Evidence
from app.domain.forges import CallState
from app.domain.gates import (
    MOVES,
    Basis,
    Decision,
    Gate,
    GatePhase,
    Origin,
    Subject,
    Vote,
    may_move,
    sheet,
)
from app.domain.people import Principal
from app.store import gate_calls
from app.store.gate_tables import GATE, GATECALL, GATEDECISION, GATESHEET, GATEVOTE
from app.store.mapping import AnyRow

LASTS = tuple(MOVES)
"""Phases that are not final."""
_encode = msgspec.json.Encoder(order="deterministic").encode
_subject = msgspec.json.Decoder(Subject)
_evidence = msgspec.json.Decoder(Evidence)
_principal = msgspec.json.Decoder(Principal)


async def ask(session: AsyncSession, gate: Gate, thread: str = "") -> bool:
    """Put a new gate down, with its call where it has one; False when there is one with its key, whatever became of
    it."""
    connection = await session.connection()
    into = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(GATE)
    subject = gate.subject
    values = {
        "id": gate.id,
        "key": gate.key,
        "origin": gate.origin,
        "phase": gate.phase,
        "service": subject.service,
        "environment": subject.environment,
        "workload": subject.workload,
        "subject": _encode(subject).decode(),
        "opened_at": gate.opened_at,
        "expires_at": gate.expires_at,
        "message": gate.message,
        "command": gate.command,
        "ended_at": None,
        **_shown(gate),
    }
    statement = into.values(values).on_conflict_do_nothing(index_elements=["key"])
    if (await connection.scalar(statement.returning(GATE.c.id))) is None:
        return False
    await _keep_sheet(connection, gate, gate.opened_at)
    if subject.call:
        await gate_calls.put(connection, gate.id, thread, gate.opened_at)
    return True


async def show(session: AsyncSession, gate: Gate, now: datetime) -> None:
    """Keep the gate's evidence as it is now."""
    connection = await session.connection()
    await connection.execute(update(GATE).where(GATE.c.id == gate.id).values(_shown(gate)))
    await _keep_sheet(connection, gate, now)


async def lock(session: AsyncSession, ident: str) -> Gate | None:
    """The gate, which nobody else writes until the unit of work ends."""
    connection = await session.connection()
    await connection.execute(select(GATE.c.id).where(GATE.c.id == ident).with_for_update())
    return await one(connection, ident)


async def vote(session: AsyncSession, ident: str, cast: Vote, key: str) -> bool:
    """Keep somebody's yes in place of an older one of theirs; False when its key was theirs at another gate."""
    connection = await session.connection()
    mine = (GATEVOTE.c.gate == ident, GATEVOTE.c.person == cast.person)
    used = select(GATEVOTE.c.gate).where(
        GATEVOTE.c.person == cast.person, GATEVOTE.c.key == key, GATEVOTE.c.gate != ident
    )
    if (await connection.scalar(used)) is not None:
        return False
    await connection.execute(delete(GATEVOTE).where(*mine))
    values = {
        "gate": ident,
        "person": cast.person,
        "key": key,
        "principal": _encode(cast.principal).decode(),
        "digest": cast.digest,
        "reason": cast.reason,
        "override": cast.override,
        "at": cast.at,
    }
    await connection.execute(insert(GATEVOTE).values(values))
    return True


async def withdraw(session: AsyncSession, ident: str, person: str) -> bool:
    """Take somebody's vote away; False when there is none."""
    where = (GATEVOTE.c.gate == ident, GATEVOTE.c.person == person)
    return (await (await session.connection()).execute(delete(GATEVOTE).where(*where))).rowcount == 1


async def decide(session: AsyncSession, gate: Gate, decision: Decision) -> bool:
    """Give the gate its one answer, if it still has none and stands where it stood."""
    if not await move(session, gate, decision.phase, decision.at, gate.message):
        return False
    values = {
        "gate": gate.id,
        "phase": decision.phase,
        "basis": decision.basis,
        "identity": decision.identity,
        "by": decision.by,
        "reason": decision.reason,
        "digest": decision.digest,
        "at": decision.at,
    }
    connection = await session.connection()
    if (
        gate.phase is GatePhase.APPROVED
    ):  # what was approved and not carried out is answered otherwise in the end
        await connection.execute(delete(GATEDECISION).where(GATEDECISION.c.gate == gate.id))
    try:
        await connection.execute(insert(GATEDECISION).values(values))
    except IntegrityError as error:  # unreachable while `move` guards; the constraint is the last word
        raise AssertionError(f"gate {gate.id} has a decision already") from error
    return True


async def reopen(session: AsyncSession, gate: Gate, now: datetime, why: str = "") -> bool:
    """Take an approval back that was not carried out."""
    if not await move(session, gate, GatePhase.OPEN, now, why):
        return False
    await (await session.connection()).execute(delete(GATEDECISION).where(GATEDECISION.c.gate == gate.id))
    return True


async def move(
    session: AsyncSession, gate: Gate, to: GatePhase, now: datetime, message: str, command: str = ""
) -> bool:
    """Bring a gate from its phase to the next; False when somebody was faster."""
    assert may_move(gate.phase, to), (gate.phase, to)
    values: dict[str, Any] = {"phase": to, "message": message}
    if command:
        values["command"] = command
    if to not in MOVES:
        values["ended_at"] = now
    where = (GATE.c.id == gate.id, GATE.c.phase == gate.phase)
    return (
        await (await session.connection()).execute(update(GATE).where(*where).values(values))
    ).rowcount == 1


async def follow(session: AsyncSession, gate: Gate, message: str, command: str) -> None:
    """Keep what came of a gate that is over."""
    where = (GATE.c.id == gate.id, GATE.c.command == "")
    values = {"message": message, "command": command}
    await (await session.connection()).execute(update(GATE).where(*where).values(values))


async def one(connection: AsyncConnection, ident: str) -> Gate | None:
    """The gate of an id."""
    found = await _gates(connection, GATE.c.id == ident)
    return found[0] if found else None


async def by_key(connection: AsyncConnection, key: str) -> Gate | None:
    """The gate of a key."""
    found = await _gates(connection, GATE.c.key == key)
    return found[0] if found else None


async def current(connection: AsyncConnection, since: datetime) -> list[Gate]:
    """Gates that are not over, and those that ended after `since`, oldest first."""
    return await _gates(connection, or_(GATE.c.phase.in_(LASTS), GATE.c.ended_at > since))


async def some(connection: AsyncConnection, idents: Sequence[str]) -> list[Gate]:
    """The gates of these ids, as far as they exist."""
    return await _gates(connection, GATE.c.id.in_(idents))


async def sheet_of(connection: AsyncConnection, ident: str, digest: str) -> Mapping[str, Any] | None:
    """What a digest stood for at a gate; None: it was never shown there."""
    where = (GATESHEET.c.gate == ident, GATESHEET.c.digest == digest)
    found = await connection.scalar(select(GATESHEET.c.body).where(*where))
    return msgspec.json.decode(found) if found else None


async def answered(connection: AsyncConnection, key_like: str) -> list[Gate]:
    """Gates whose key begins with `key_like`."""
    return await _gates(connection, func.substr(GATE.c.key, 1, len(key_like)) == key_like)


async def forget(session: AsyncSession, before: datetime, batch: int) -> int:
    """Delete at most `batch` gates that ended before `before`, with all that belongs to them; answers how many."""
    connection = await session.connection()
    old = select(GATE.c.id).where(GATE.c.ended_at < before).order_by(GATE.c.ended_at).limit(batch)
    idents = list(await connection.scalars(old))
    for table in (GATESHEET, GATEVOTE, GATEDECISION, GATECALL):
        await connection.execute(delete(table).where(table.c.gate.in_(idents)))
    await connection.execute(delete(GATE).where(GATE.c.id.in_(idents)))
    return len(idents)


def _shown(gate: Gate) -> dict[str, Any]:
    evidence = _encode(gate.evidence).decode()
    return {"evidence": evidence, "digest": gate.digest, "policy": gate.policy}


async def _keep_sheet(connection: AsyncConnection, gate: Gate, now: datetime) -> None:
    into = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(GATESHEET)
    body = _encode(sheet(gate.subject, gate.evidence, gate.policy)).decode()
    values = {"gate": gate.id, "digest": gate.digest, "body": body, "at": now}
    await connection.execute(into.values(values).on_conflict_do_nothing(index_elements=["gate", "digest"]))


async def _gates(connection: AsyncConnection, where: ColumnElement[bool]) -> list[Gate]:
    rows = (await connection.execute(select(GATE).where(where).order_by(GATE.c.opened_at, GATE.c.id))).all()
    if not rows:
        return []
    idents = [row.id for row in rows]
    cast: dict[str, list[Vote]] = {}
    voted = select(GATEVOTE).where(GATEVOTE.c.gate.in_(idents)).order_by(GATEVOTE.c.at, GATEVOTE.c.person)
    for row in await connection.execute(voted):
        cast.setdefault(row.gate, []).append(_vote(row))
    decided = select(GATEDECISION).where(GATEDECISION.c.gate.in_(idents))
    decisions = {row.gate: _decision(row) for row in await connection.execute(decided)}
    told = await gate_calls.states(connection, idents)
    return [_gate(row, tuple(cast.get(row.id, ())), decisions.get(row.id), told.get(row.id)) for row in rows]


def _gate(row: AnyRow, votes: tuple[Vote, ...], decision: Decision | None, told: CallState | None) -> Gate:
    return Gate(
        row.id,
        row.key,
        Origin(row.origin),
        _subject.decode(row.subject),
        row.opened_at,
        row.expires_at,
        GatePhase(row.phase),
        _evidence.decode(row.evidence),
        row.digest,
        row.policy,
        votes,
        decision,
        row.message,
        row.command,
        row.ended_at,
        told,
    )


def _vote(row: AnyRow) -> Vote:
    return Vote(_principal.decode(row.principal), row.digest, row.at, row.reason, bool(row.override))


def _decision(row: AnyRow) -> Decision:
    return Decision(
        GatePhase(row.phase), Basis(row.basis), row.at, row.identity, row.by, row.reason, row.digest
    )
