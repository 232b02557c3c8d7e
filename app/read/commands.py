"""Commands as they are looked at: the newest first, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.commands import VERBS, CommandPhase, Verb
from app.domain.names import WorkloadRef
from app.read.landing import AskedCommand, Landing, Whither, asked
from app.store.commands import LASTS, Kept, kept_of
from app.store.db import Database
from app.store.tables import COMMAND, WORKLOAD

Position = tuple[datetime, str]
"""Where a command stands in the list: when it was asked, its id."""


@dataclass(frozen=True, slots=True)
class CommandQuery:
    """Which commands: of a workload (by key), by verb, those that are (not) over; all if empty."""

    workload: str = ""
    verb: str = ""
    running: bool | None = None


LINES = 6
"""Commands shown with their workload."""


@dataclass(frozen=True, slots=True)
class Line:
    """A command in one line: what, by whom, why, and how it stands. `seconds` is how long it took, once it is over,
    with the pods that moved; `landing` is how those stand."""

    id: str
    verb: str
    label: str
    by: str
    reason: str
    sentence: str
    phase: CommandPhase
    message: str
    asked_at: datetime
    over: bool
    seconds: float | None
    landing: Landing | None = None


@dataclass(frozen=True, slots=True)
class Took:
    """How long a verb took last, and when that was."""

    seconds: float
    at: datetime


def line_of(kept: Kept, landing: Landing | None = None) -> Line:
    """A command in one line, with how its pods stand."""
    command = kept.command
    took = (kept.ended_at - command.asked_at).total_seconds() if kept.ended_at else None
    if landing and landing.state in (Whither.MOVING, Whither.WAITING, Whither.STUCK):
        took = None
    elif landing and landing.seconds is not None:
        took = landing.seconds
    return Line(
        command.id,
        command.verb.value,
        VERBS[command.verb].label,
        command.by,
        command.reason,
        kept.intended.sentence,
        kept.phase,
        kept.message,
        command.asked_at,
        kept.final,
        took,
        landing,
    )


async def latest(connection: AsyncConnection, keys: Sequence[str]) -> tuple[AskedCommand, ...]:
    """The latest commands about workloads with these keys, newest first."""
    newest = (COMMAND.c.asked_at.desc(), COMMAND.c.id.desc())
    query = select(COMMAND).where(COMMAND.c.workload.in_(keys)).order_by(*newest).limit(LINES)
    return await asked(connection, [kept_of(row) for row in await connection.execute(query)])


async def took(database: Database, ref: WorkloadRef, verb: Verb) -> Took | None:
    """How long `verb` took here the last time that it worked, with the pods that moved; None when it never did."""
    mine = select(WORKLOAD.c.key).where(
        WORKLOAD.c.cluster == ref.cluster,
        WORKLOAD.c.namespace == ref.namespace,
        WORKLOAD.c.kind == ref.kind,
        WORKLOAD.c.name == ref.name,
    )
    done = (
        COMMAND.c.workload.in_(mine),
        COMMAND.c.verb == verb.value,
        COMMAND.c.phase == CommandPhase.DONE.value,
    )
    query = select(COMMAND).where(*done).order_by(COMMAND.c.ended_at.desc()).limit(LINES)
    async with database.reading() as connection:
        several = await asked(connection, [kept_of(row) for row in await connection.execute(query)])
    for each in several:
        moves = VERBS[verb].moves and each.kept.sent_at is not None
        landed = each.way.end is Whither.LANDED
        at = each.way.at if moves and landed else None if moves else each.kept.ended_at
        if at is not None:
            return Took((at - each.kept.command.asked_at).total_seconds(), at)
    return None


async def page(
    database: Database, query: CommandQuery, after: Position | None, limit: int
) -> tuple[tuple[Kept, ...], Position | None]:
    """Up to `limit` commands that come after `after`, and the position to go on from (None: that was all)."""
    statement = select(COMMAND)
    if query.workload:
        statement = statement.where(COMMAND.c.workload == query.workload)
    if query.verb:
        statement = statement.where(COMMAND.c.verb == query.verb)
    if query.running is not None:
        lasts = COMMAND.c.phase.in_(LASTS)
        statement = statement.where(lasts if query.running else ~lasts)
    if after is not None:
        same = and_(COMMAND.c.asked_at == after[0], COMMAND.c.id < after[1])
        statement = statement.where(or_(COMMAND.c.asked_at < after[0], same))
    statement = statement.order_by(COMMAND.c.asked_at.desc(), COMMAND.c.id.desc()).limit(limit + 1)
    async with database.reading() as connection:
        rows = [kept_of(row) for row in await connection.execute(statement)]
    last = rows[limit - 1].command if len(rows) > limit else None
    return tuple(rows[:limit]), (last.asked_at, last.id) if last else None
