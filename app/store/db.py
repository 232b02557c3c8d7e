"""The database: opened or refused, written by one at a time, read by many.

SQLite is a file of one process (WAL, immediate write transactions, a connection for writing and some that can
only read). PostgreSQL may be shared by several processes. What cannot be done just now raises
StoreUnavailable, whatever the driver called it; the next try gets a sound connection.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.errors import DatabaseRefused, StoreUnavailable
from app.store import audit, postgresql
from app.store.migrations import REVISIONS
from app.store.sqlite import InUse, SqliteFile

WAIT = 5.0
"""Seconds to wait for one's turn, for a lock or for a connection."""
_PRAGMAS = (
    "synchronous = NORMAL",
    "busy_timeout = 5000",
    "foreign_keys = ON",
    "journal_size_limit = 67108864",
)


class Database:
    """An open database at the current schema."""

    def __init__(
        self, writer: AsyncEngine, reader: AsyncEngine, file: SqliteFile | None, audit_key: bytes
    ) -> None:
        self.dialect = writer.dialect.name
        self._writer, self._reader, self._file = writer, reader, file
        self._sessions = async_sessionmaker(
            writer, class_=AsyncSession, expire_on_commit=False, info={audit.INFO: audit_key}
        )
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[object] | None = None
        self._durable = False

    @classmethod
    async def open(cls, url: str, *, new: bool = False, audit_key: str = "") -> Self:
        """Check, migrate and open the database at `url` ("sqlite:///PATH" or "postgresql://…").

        A SQLite file is made only where none has been before, or when `new`. Without an `audit_key` that of a SQLite
        file lies beside it, and PostgreSQL gets one for this process alone: what it writes cannot be checked later.
        Raises DatabaseRefused.
        """
        address = _address(url)
        if address.get_backend_name() == "sqlite":
            file = await asyncio.to_thread(SqliteFile.claim, Path(address.database or ""), new)
            address = address.set(database=str(file.path))
            try:
                key = audit.key_from(audit_key) if audit_key else audit.kept_key(audit.key_beside(file.path))
            except BaseException:
                file.release()
                raise
            return cls(_sqlite(address, "IMMEDIATE", 1), _sqlite(address, "DEFERRED", 4), file, key)
        writer = postgresql.engine(address, wait=WAIT)
        try:
            await postgresql.prepare(writer)
        except BaseException:
            await writer.dispose()
            raise
        key = audit.key_from(audit_key or secrets.token_hex(32))
        return cls(writer, postgresql.engine(address, wait=WAIT, read_only=True), None, key)

    @classmethod
    async def beside(cls, url: str, *, audit_key: str = "") -> Self:
        """The database at `url` though a running Shipboard may hold it: for a few rows that nothing is remembered of.

        SQLite itself lets several processes write, one after the other. Raises DatabaseRefused.
        """
        try:
            return await cls.open(url, audit_key=audit_key)
        except InUse:
            address = _address(url)
        beside = audit.key_beside(Path(address.database or ""))
        key = audit.key_from(audit_key) if audit_key else audit.kept_key(beside)
        found = cls(_sqlite(address, "IMMEDIATE", 1), _sqlite(address, "DEFERRED", 1), None, key)
        async with found.reading() as connection:
            version = (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar()
        if version != REVISIONS[-1]:
            await found.close()
            raise DatabaseRefused(
                f"{address.database} is at the schema {version}, and this version works with {REVISIONS[-1]}.",
                "The Shipboard that runs on it is another version.",
                "Use the command of that version, or restart it with this one.",
            )
        return found

    @classmethod
    def looking(cls, url: str) -> Self:
        """The database at `url` as it is, whoever holds it, to be read only: nothing is checked, migrated or made.

        Raises DatabaseRefused.
        """
        address = _address(url)
        if address.get_backend_name() != "sqlite":
            reader = postgresql.engine(address, wait=WAIT, read_only=True)
        elif Path(address.database or "").is_file():
            reader = _sqlite(address, "DEFERRED", 1)
        else:
            raise DatabaseRefused(f"There is no file {address.database}.", "", "Name another by --database.")
        return cls(reader, reader, None, b"")

    @asynccontextmanager
    async def writing(self, *, durable: bool = False) -> AsyncIterator[AsyncSession]:
        """One unit of work, committed after the block, undone by any exception; one at a time in a process.

        `durable`: on disk once committed, which PostgreSQL always does and SQLite only does when asked. Raises
        StoreUnavailable: nothing was kept, or (connection lost during commit) it cannot be told; RuntimeError: within
        a unit of work of the same task, which would wait for itself and keep everybody else waiting meanwhile.
        """
        if self._writing is not None and self._writing is asyncio.current_task():
            raise RuntimeError("A unit of work was begun within another one.")
        try:
            async with asyncio.timeout(WAIT):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(
                "The change was not stored.", f"Other writes kept it waiting for {WAIT:.0f} s.", "Try again."
            ) from error
        self._writing = asyncio.current_task()
        try:
            if self._file and not self._file.held():
                raise StoreUnavailable(
                    "The change was not stored.",
                    f"{self._file.path} is no longer the file that was opened: it was deleted, moved or replaced.",
                    "Stop Shipboard, put the file back (or restore a backup), and start it again.",
                )
            with _translated("The change was not stored."):
                await self._settle(durable)
                async with self._sessions.begin() as session:
                    yield session
        finally:
            self._writing = None
            self._turn.release()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that can only read, and sees one moment throughout. Raises StoreUnavailable."""
        with _translated("The database could not be read."):
            async with self._reader.connect() as connection:
                yield connection

    @property
    def address(self) -> URL:
        """Where it is, with the password."""
        return self._writer.url

    async def _settle(self, durable: bool) -> None:
        """Have SQLite's next commit wait for the disk, or not: a setting of the one connection that writes."""
        if self._file and durable is not self._durable:
            async with self._writer.connect() as connection:
                raw = await connection.get_raw_connection()
                cursor = await raw.driver_connection.execute(  # type: ignore[union-attr]
                    f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}"
                )
                await cursor.close()
            self._durable = durable

    async def close(self) -> None:
        """Close every connection and let go of the file."""
        await self._writer.dispose()
        await self._reader.dispose()
        if self._file:
            self._file.release()
            self._file = None


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise DatabaseRefused(
            "The database URL cannot be read.",
            "It is not of the form SCHEME://….",
            "Use sqlite:///PATH or postgresql://USER@HOST/NAME.",
        ) from error
    match address.drivername:
        case "sqlite" | "sqlite+aiosqlite" if address.database and address.database != ":memory:":
            return address.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return address.set(drivername="postgresql+psycopg")
    raise DatabaseRefused(
        f"Shipboard cannot keep its history in {address.drivername}.",
        "It knows SQLite files and PostgreSQL.",
        "Use sqlite:///PATH or postgresql://USER@HOST/NAME.",
    )


def _sqlite(address: URL, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(address, pool_size=connections, max_overflow=0, pool_timeout=WAIT)
    pragmas = (*_PRAGMAS, "query_only = ON") if begin == "DEFERRED" else _PRAGMAS

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        connection.isolation_level = (
            None  # the driver's own BEGIN is deferred, and fails at once under contention
        )
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except NoConnection as error:
        raise StoreUnavailable(what, f"No connection was free for {WAIT:.0f} s.", "Try again.") from error
    except (OperationalError, InterfaceError, InternalError) as error:
        raise StoreUnavailable(what, _reason(error), _TODO.get(_code(error), "It is tried again.")) from error
    except DBAPIError as error:
        if error.connection_invalidated or _code(error) in _TODO:
            raise StoreUnavailable(
                what, _reason(error), _TODO.get(_code(error), "It is tried again.")
            ) from error
        raise


_DAMAGED = "Stop Shipboard, keep a copy of the database and restore a backup."
_TODO = {
    "SQLITE_FULL": "Free some space on its disk; writing then goes on by itself.",
    "53100": "Free some space on the database server's disk; writing then goes on by itself.",
    "SQLITE_BUSY": "Close the other program that writes to the file.",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
}


def _code(error: DBAPIError) -> str:
    """SQLite's primary result code or PostgreSQL's SQLSTATE."""
    name = getattr(error.orig, "sqlite_errorname", None)
    if name:
        return "_".join(name.split("_")[:2])
    return getattr(error.orig, "sqlstate", None) or ""


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0].rstrip(".")[:300] + "."
