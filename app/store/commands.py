"""Commands, written: an intent is put down before anything is touched, and each move of its life is one guarded UPDATE.

Whoever loses such an UPDATE (no row, since another process or an earlier move came first) has to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.commands import MOVES, Command, CommandPhase, Expected
from app.domain.names import Place, WorkloadRef
from app.domain.people import Principal
from app.domain.policy import Blocker
from app.domain.rollout import RolloutState
from app.engines.acting import Difference, Effect
from app.store import mapping
from app.store.mapping import AnyRow
from app.store.tables import COMMAND, WORKLOAD

LASTS = (CommandPhase.PENDING, CommandPhase.RUNNING, CommandPhase.SENT)
"""Phases that are not final."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One write of a plan, as shown: HTTP method, path, media type and body."""

    method: str
    path: str
    content: str
    body: Any


@dataclass(frozen=True, slots=True)
class Intended:
    """What a command was going to do when it was asked: one sentence, the writes, what changes, the state it was based
    on, and what proves success."""

    sentence: str
    sendings: tuple[Sending, ...]
    difference: tuple[Difference, ...]
    basis: Expected
    effect: Effect


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of `command`. `principal` is who asked, with the roles of then; `owner` the process that has it and `beat`
    its sign of life; `tries` how often somebody set about it."""

    command: Command
    principal: Principal
    digest: str
    intended: Intended
    phase: CommandPhase = CommandPhase.PENDING
    message: str = ""
    blocked_by: tuple[Blocker, ...] = ()
    owner: str = ""
    beat: int = 0
    tries: int = 0
    sent_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will become of it."""
        return self.phase not in MOVES


@dataclass(frozen=True, slots=True)
class Known:
    """A workload as the database has it."""

    key: str
    ref: WorkloadRef
    place: Place
    engine: str
    state: RolloutState
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Body:
    command: Command
    principal: Principal


_encode = msgspec.json.Encoder(order="deterministic").encode
_body = msgspec.json.Decoder(_Body)
_intended = msgspec.json.Decoder(Intended)
_blockers = msgspec.json.Decoder(tuple[Blocker, ...])


async def put_down(session: AsyncSession, kept: Kept) -> bool:
    """Record an intent; False when its principal has used its key before."""
    connection = await session.connection()
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(COMMAND)
    command = kept.command
    values = {
        "id": command.id,
        "principal": command.principal,
        "key": command.key,
        "digest": kept.digest,
        "verb": command.verb,
        "workload": command.workload,
        "environment": command.environment,
        "asked_at": command.asked_at,
        "deadline": command.deadline,
        "body": _encode(_Body(command, kept.principal)).decode(),
        "phase": kept.phase,
        "message": kept.message,
        "blocked_by": "[]",
        "owner": "",
        "beat": 0,
        "tries": 0,
        "written": _encode(kept.intended).decode(),
        "sent_at": None,
        "ended_at": None,
    }
    statement = insert.values(values).on_conflict_do_nothing(index_elements=["principal", "key"])
    # Not the row count: a driver may not tell it for an INSERT.
    return (await connection.scalar(statement.returning(COMMAND.c.id))) is not None


async def claim(session: AsyncSession, ident: str, owner: str, now: datetime) -> bool:
    """Take a command that nobody has begun and that is still to be tried."""
    return await _update(
        session,
        (COMMAND.c.id == ident, COMMAND.c.phase == CommandPhase.PENDING, COMMAND.c.deadline > now),
        {"phase": CommandPhase.RUNNING, "owner": owner, "tries": COMMAND.c.tries + 1},
    )


async def adopt(session: AsyncSession, kept: Kept, owner: str) -> bool:
    """Take a command over from a process that gives no sign of life."""
    same = (COMMAND.c.owner == kept.owner, COMMAND.c.beat == kept.beat, COMMAND.c.phase == kept.phase)
    values = {"owner": owner, "tries": COMMAND.c.tries + 1}
    return await _update(session, (COMMAND.c.id == kept.command.id, *same), values)


async def move(
    session: AsyncSession,
    kept: Kept,
    to: CommandPhase,
    owner: str,
    now: datetime,
    message: str,
    blocked_by: Sequence[Blocker] = (),
    intended: Intended | None = None,
) -> bool:
    """Bring a command from its phase to the next, if `owner` still has it there."""
    assert to in MOVES[kept.phase], (kept.phase, to)
    values: dict[str, Any] = {"phase": to, "message": message, "blocked_by": _encode(blocked_by).decode()}
    if to is CommandPhase.SENT or (to is CommandPhase.DONE and kept.sent_at is None):
        values["sent_at"] = now
    if to not in MOVES:
        values["ended_at"] = now
    if intended:
        values["written"] = _encode(intended).decode()
    held = (COMMAND.c.id == kept.command.id, COMMAND.c.phase == kept.phase, COMMAND.c.owner == owner)
    return await _update(session, held, values)


async def live(session: AsyncSession, owner: str) -> None:
    """Give a sign of life for all commands that `owner` has."""
    held = (COMMAND.c.owner == owner, COMMAND.c.phase.in_((CommandPhase.RUNNING, CommandPhase.SENT)))
    await (await session.connection()).execute(update(COMMAND).where(*held).values(beat=COMMAND.c.beat + 1))


async def forget(session: AsyncSession, before: datetime, batch: int) -> int:
    """Delete at most `batch` commands that ended before `before`; answers how many."""
    old = select(COMMAND.c.id).where(COMMAND.c.ended_at < before).limit(batch)
    return (await (await session.connection()).execute(delete(COMMAND).where(COMMAND.c.id.in_(old)))).rowcount


async def unfinished(connection: AsyncConnection) -> list[Kept]:
    """All commands that are not over, in the order they were asked."""
    query = select(COMMAND).where(COMMAND.c.phase.in_(LASTS)).order_by(COMMAND.c.asked_at, COMMAND.c.id)
    return [kept_of(row) for row in await connection.execute(query)]


async def one(connection: AsyncConnection, ident: str) -> Kept | None:
    """The command of an id."""
    return await _first(connection, COMMAND.c.id == ident)


async def by_key(connection: AsyncConnection, principal: str, key: str) -> Kept | None:
    """The command that a principal asked under an idempotency key."""
    return await _first(connection, (COMMAND.c.principal == principal) & (COMMAND.c.key == key))


async def workload(connection: AsyncConnection, ref: WorkloadRef) -> Known | None:
    """The workload that is there under this name."""
    table = WORKLOAD.c
    where = (
        table.cluster == ref.cluster,
        table.namespace == ref.namespace,
        table.kind == ref.kind,
        table.name == ref.name,
        table.gone_at.is_(None),
    )
    row = (await connection.execute(select(WORKLOAD).where(*where))).first()
    return None if row is None else _known(row)


async def workloads(connection: AsyncConnection, keys: Sequence[str]) -> Mapping[str, Known]:
    """Workloads by key, as far as they are there."""
    query = select(WORKLOAD).where(WORKLOAD.c.key.in_(keys), WORKLOAD.c.gone_at.is_(None))
    return {row.key: _known(row) for row in await connection.execute(query)}


async def keyed(connection: AsyncConnection, prefix: str, since: datetime) -> list[Kept]:
    """Commands asked since then under a key that begins so."""
    where = (COMMAND.c.key.startswith(prefix, autoescape=True), COMMAND.c.asked_at > since)
    return [kept_of(row) for row in await connection.execute(select(COMMAND).where(*where))]


async def held(connection: AsyncConnection) -> list[Known]:
    """Workloads whose owner is held."""
    where = (WORKLOAD.c.gone_at.is_(None), WORKLOAD.c.state.contains('"held_until":"'))
    return [_known(row) for row in await connection.execute(select(WORKLOAD).where(*where))]


async def of_services(connection: AsyncConnection, services: Sequence[str] | None) -> list[Known]:
    """The workloads of some services (None: of all), as far as they are there."""
    query = select(WORKLOAD).where(WORKLOAD.c.gone_at.is_(None)).order_by(WORKLOAD.c.key)
    if services is not None:
        query = query.where(WORKLOAD.c.service.in_(services))
    return [_known(row) for row in await connection.execute(query)]


def kept_of(row: AnyRow) -> Kept:
    """A row of `command`."""
    body = _body.decode(row.body)
    return Kept(
        body.command,
        body.principal,
        row.digest,
        _intended.decode(row.written),
        CommandPhase(row.phase),
        row.message,
        _blockers.decode(row.blocked_by),
        row.owner,
        row.beat,
        row.tries,
        row.sent_at,
        row.ended_at,
    )


def _known(row: AnyRow) -> Known:
    place, state = mapping.place_of(row), mapping.decode_state(row.state)
    return Known(row.key, mapping.ref_of(row), place, row.engine, state, row.seen_at)


async def _first(connection: AsyncConnection, where: ColumnElement[bool]) -> Kept | None:
    row = (await connection.execute(select(COMMAND).where(where))).first()
    return None if row is None else kept_of(row)


async def _update(
    session: AsyncSession, where: Sequence[ColumnElement[bool]], values: Mapping[str, Any]
) -> bool:
    statement = update(COMMAND).where(*where).values(values)
    return (await (await session.connection()).execute(statement)).rowcount == 1
