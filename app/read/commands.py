"""Commands as they are looked at: the newest first, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from app.store.commands import LASTS, Kept, kept_of
from app.store.db import Database
from app.store.tables import COMMAND

Position = tuple[datetime, str]
"""Where a command stands in the list: when it was asked, its id."""


@dataclass(frozen=True, slots=True)
class CommandQuery:
    """Which commands: of a workload (by key), by verb, those that are (not) over; all if empty."""

    workload: str = ""
    verb: str = ""
    running: bool | None = None


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
