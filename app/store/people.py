"""Accounts, sessions, tokens and sign-ins, as rows. Secrets never come here, only their hashes.

Functions read on a connection of `Database.reading` and write in a session of `Database.writing`; times are told by
the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.store.people_tables import ACCOUNT, ATTEMPT, SESSION, SIGNIN, TOKEN

Row = RowMapping
LISTED = 500
"""Most rows of a list."""


async def one(connection: AsyncConnection, table: Table, **equals: object) -> Row | None:
    """The row of `table` whose columns equal these."""
    statement = select(table).where(*(table.c[name] == value for name, value in equals.items()))
    return (await connection.execute(statement)).mappings().first()


async def many(connection: AsyncConnection, table: Table, **equals: object) -> list[Row]:
    """Rows of `table` whose columns equal these, the newest first."""
    where = (table.c[name] == value for name, value in equals.items())
    statement = select(table).where(*where).order_by(table.c.created_at.desc()).limit(LISTED)
    return list((await connection.execute(statement)).mappings())


async def by_keys(connection: AsyncConnection, table: Table, keys: Collection[str]) -> dict[str, Row]:
    """Rows of `table` by their keys."""
    rows = (await connection.execute(select(table).where(table.c.key.in_(keys)))).mappings()
    return {row["key"]: row for row in rows}


async def add(session: AsyncSession, table: Table, values: Mapping[str, Any]) -> None:
    """A new row."""
    await (await session.connection()).execute(insert(table).values(**values))


async def change(session: AsyncSession, table: Table, values: Mapping[str, Any], **equals: object) -> int:
    """Change the rows whose columns equal these; answers how many there were."""
    where = (table.c[name] == value for name, value in equals.items())
    done = await (await session.connection()).execute(update(table).where(*where).values(**values))
    return done.rowcount


async def end_sessions(session: AsyncSession, now: datetime, **equals: object) -> int:
    """End the sessions whose columns equal these."""
    return await change(session, SESSION, {"ended_at": now}, **equals, ended_at=None)


async def take_signin(session: AsyncSession, key: str, now: datetime) -> str | None:
    """The content of a sign-in under way, which it is no longer: it can be taken once."""
    statement = delete(SIGNIN).where(SIGNIN.c.key == key).returning(SIGNIN.c.content, SIGNIN.c.expires_at)
    row = (await (await session.connection()).execute(statement)).first()
    return str(row[0]) if row and row[1] > now else None


async def tried(session: AsyncSession, account: str, source: str, since: datetime) -> tuple[int, int, int]:
    """Attempts that failed since then: on the account, from the source, and in all."""
    recent = ATTEMPT.c.at > since
    connection = await session.connection()

    async def count(*where: Any) -> int:
        return int((await connection.execute(select(func.count()).where(recent, *where))).scalar_one())

    return (
        await count(ATTEMPT.c.account == account),
        await count(ATTEMPT.c.source == source),
        await count(),
    )


async def attempt(session: AsyncSession, account: str, source: str, now: datetime) -> int:
    """Note an attempt; answers its id, by which `forgive` takes it back."""
    statement = insert(ATTEMPT).values(account=account, source=source, at=now).returning(ATTEMPT.c.id)
    return int((await (await session.connection()).execute(statement)).scalar_one())


async def forgive(session: AsyncSession, account: str, ident: int) -> None:
    """Take back the attempts on an account whose password was right at last."""
    statement = delete(ATTEMPT).where((ATTEMPT.c.account == account) | (ATTEMPT.c.id == ident))
    await (await session.connection()).execute(statement)


async def sweep(session: AsyncSession, now: datetime, kept: datetime, counted: datetime) -> None:
    """Delete sessions and tokens over since before `kept`, attempts before `counted`, and sign-ins out of date."""
    connection = await session.connection()
    await connection.execute(delete(SESSION).where((SESSION.c.seen_at < kept) | (SESSION.c.ended_at < kept)))
    await connection.execute(delete(TOKEN).where((TOKEN.c.expires_at < kept) | (TOKEN.c.revoked_at < kept)))
    await connection.execute(delete(ATTEMPT).where(ATTEMPT.c.at < counted))
    await connection.execute(delete(SIGNIN).where(SIGNIN.c.expires_at < now))


__all__ = [
    "ACCOUNT",
    "ATTEMPT",
    "SESSION",
    "SIGNIN",
    "TOKEN",
    "Row",
    "add",
    "attempt",
    "by_keys",
    "change",
    "end_sessions",
    "forgive",
    "many",
    "one",
    "sweep",
    "take_signin",
    "tried",
]
