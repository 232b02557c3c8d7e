"""A PostgreSQL database, before anything is built on it: is it there, ours, and at the current schema?"""

from __future__ import annotations

import asyncio
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.domain.errors import DatabaseRefused
from app.store import migrations, schema

_LIMITS = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    # Or a network that swallows packets would hold it: 15 minutes for what was sent, hours for an answer.
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "shipboard",
}
_HINTS = (
    ("password authentication failed", "Check the user and the password in the database URL."),
    ("no password supplied", "Put a password into the database URL."),
    ("no pg_hba.conf entry", "Allow this host, user and database in the server's pg_hba.conf."),
    ("role ", "Create the user, or name another one in the database URL."),
    ("database ", "Create it (createdb), or name another one in the database URL."),
)


def engine(address: URL, *, wait: float, read_only: bool = False) -> AsyncEngine:
    """A pool of connections with limits on everything that could hang; waits `wait` seconds for a free one.

    With `read_only` its transactions see one moment and cannot write. That is set once a connection and not
    for each use, where a cancelled task would lose the connection.
    """
    options = f"{_LIMITS} -c default_transaction_read_only=on" if read_only else _LIMITS
    return create_async_engine(
        address,
        connect_args={**_CONNECT, "options": options},
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        pool_pre_ping=True,
        pool_timeout=wait,
        pool_recycle=1800,
    )


async def connected(address: URL) -> AsyncConnection[TupleRow]:
    """A connection of its own, outside of any pool, where each statement stands alone. Raises psycopg.Error."""
    _, arguments = address.get_dialect()().create_connect_args(address)
    return await AsyncConnection.connect(**{**arguments, **_CONNECT}, autocommit=True)


async def prepare(engine: AsyncEngine) -> None:
    """Check the database and bring it to the current schema. Raises DatabaseRefused."""
    name = engine.url.render_as_string(hide_password=True)
    try:
        async with engine.connect() as connection:
            found = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            revision = (
                await connection.scalar(text("SELECT max(version_num) FROM alembic_version"))
                if found
                else None
            )
            ours = await connection.scalar(text("SELECT to_regclass('workload') IS NOT NULL"))
        if schema.must_upgrade(name, revision, empty=not ours):
            await asyncio.to_thread(migrations.upgrade, engine.url.render_as_string(hide_password=False))
    except DBAPIError as error:
        lines = [line for line in str(error.orig).splitlines() if line.strip()]
        why = lines[0][:300] if lines else type(error.orig).__name__
        todo = next(
            (hint for word, hint in _HINTS if word in why), "Check that it runs and that the URL is right."
        )
        raise DatabaseRefused(f"The database {name} cannot be used.", why, todo) from error
