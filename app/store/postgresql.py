"""A PostgreSQL database, before anything is built on it: is it there, ours, and at the current schema?"""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.errors import DatabaseRefused
from app.store import migrations, schema

LIMITS: dict[str, object] = {
    "connect_timeout": 3,
    # A network that swallows packets must not hold a connection for the kernel's 15 minutes.
    "tcp_user_timeout": 5000,
    "application_name": "shipboard",
    "options": "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000",
}
"""Connection parameters of libpq; the times in `options` are milliseconds."""

_HINTS = (
    ("password authentication failed", "Check the user and the password in the database URL."),
    ("no password supplied", "Put a password into the database URL."),
    ("no pg_hba.conf entry", "Allow this host, user and database in the server's pg_hba.conf."),
    ("role ", "Create the user, or name another one in the database URL."),
    ("database ", "Create it (createdb), or name another one in the database URL."),
)


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
