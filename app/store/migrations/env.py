"""Runs Alembic, for `migrations.upgrade`, the tests and `alembic -x url=… revision --autogenerate`."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import create_engine, event, make_url, pool
from sqlalchemy.engine import Connection

from app.store import ci_tables as ci_tables
from app.store import gate_tables as gate_tables
from app.store import incident_tables as incident_tables
from app.store import notice_tables as notice_tables
from app.store import past_tables as past_tables
from app.store import people_tables as people_tables
from app.store import report_tables as report_tables
from app.store.tables import METADATA

ONE_AT_A_TIME = 0x5348_4950
"""Advisory lock: of several processes that start together on PostgreSQL, one migrates, the others wait."""

CONTRACTED = frozenset({"warning"})
"""Tables that only the version before knows; a step of the next release drops them."""


def configure(connection: Connection) -> None:
    """Migrate over `connection` in one transaction, which Alembic by itself would not do on SQLite."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=True,
        transactional_ddl=True,
        include_name=lambda name, kind, _: kind != "table" or name not in CONTRACTED,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})")
            connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        context.run_migrations()


def run() -> None:
    """Connect to the configured database and migrate it."""
    url = make_url(context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"])
    engine = create_engine(
        url.set(drivername=url.drivername.removesuffix("+aiosqlite")), poolclass=pool.NullPool
    )
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def no_implicit_transactions(connection: Any, _record: object) -> None:
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        configure(connection)


run()
