"""A SQLite file, before anything is built on it: is it there, ours, whole, local and not in use?

Everything here blocks, and refuses rather than guesses: an empty database where there used to be a full one
looks like a calm fleet. Beside `x.db` lie `x.db.lock` (held while a process uses it) and `x.db.created` (it
existed once).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from app.domain.errors import DatabaseRefused
from app.store import migrations, schema

CHECK_FOR = 2.0
"""Seconds that the check for damage may take; what it has not reached by then is taken to be good."""
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "afs", "fuse.sshfs", "fuse.glusterfs"}
)
_RECOVER = (
    "Move it away together with its -wal and -shm files and restore a backup, or try `sqlite3 FILE .recover` "
    "on a copy of it."
)
_RESTORE = "Restore a backup to this path, or start with --new-database to begin without the old history."


class InUse(DatabaseRefused):
    """Another process of ours holds the file."""


class SqliteFile:
    """A database file held by this process, at the current schema, until `release`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self._lock, self._inode = path, lock, 0

    @classmethod
    def claim(cls, path: Path, new: bool) -> Self:
        """Lock, check and migrate the file; make it if it never existed, or if `new`.

        Raises DatabaseRefused.
        """
        path = path.absolute()
        if not path.parent.is_dir():
            raise DatabaseRefused(
                f"The directory {path.parent} does not exist.",
                "The database is to be kept there.",
                "Create it, or configure another path. Is a volume not mounted?",
            )
        if (kind := _filesystem(path.parent)) in _REMOTE:
            raise DatabaseRefused(
                f"{path} lies on a network filesystem ({kind}).",
                "SQLite's locks and its shared memory do not work there; the file would be damaged.",
                "Keep it on a local disk, or use PostgreSQL.",
            )
        file = cls(path, _lock(path))
        try:
            file._prepare(new)
            file._inode = os.stat(path).st_ino
        except BaseException:
            file.release()
            raise
        return file

    def held(self) -> bool:
        """Whether the path still leads to the file that was opened. A deleted one goes on taking writes, and all
        of them are lost."""
        try:
            return os.stat(self.path).st_ino == self._inode
        except OSError:
            return False

    def release(self) -> None:
        """Let other processes have the file."""
        os.close(self._lock)

    def _prepare(self, new: bool) -> None:
        marker = self.path.with_name(self.path.name + ".created")
        must_hold = not new and (marker.exists() or self.path.with_name(self.path.name + "-wal").exists())
        if must_hold and not (self.path.exists() and self.path.stat().st_size):
            raise _lost(self.path)
        try:
            self._check_and_migrate(must_hold)
            marker.write_text(
                f"Shipboard keeps its database in {self.path.name}. While this file exists, Shipboard takes "
                "a missing database for a loss and not for a first start.\n"
            )
        except (sqlite3.Error, DBAPIError, OSError) as error:
            raise _refusal(self.path, error) from error

    def _check_and_migrate(self, must_hold: bool) -> None:
        with closing(sqlite3.connect(self.path, timeout=2.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _check(connection)
            connection.execute("BEGIN IMMEDIATE")  # that it can be written now, not only read
            connection.execute("ROLLBACK")
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in names}
            found = None
            if "alembic_version" in tables:
                versions = connection.execute("SELECT version_num FROM alembic_version")
                found = next((version for (version,) in versions), None)
            if must_hold and not tables:
                raise _lost(self.path)
            if not schema.must_upgrade(str(self.path), found, empty=not tables - {"alembic_version"}):
                return
            if found:
                back_up(self.path, connection, found)
        migrations.upgrade(URL.create("sqlite", database=str(self.path)).render_as_string())


def back_up(path: Path, connection: sqlite3.Connection, found: str) -> None:
    """Copy the database at `path`, of schema `found`, to a file beside it. Raises sqlite3.Error."""
    backup = path.with_name(f"{path.name}.schema-{found}")
    partial = backup.with_name(backup.name + ".partial")
    partial.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(partial),))
    partial.replace(backup)


def _lock(path: Path) -> int:
    file = path.with_name(path.name + ".lock")
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DatabaseRefused(
            f"{path.parent} cannot be written to.",
            f"Creating {file.name} failed: {error.strerror}.",
            "Give this user the directory, free some space, or configure another path.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
    except OSError as error:
        holder = os.pread(lock, 20, 0).decode(errors="replace")
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            raise DatabaseRefused(
                f"{file} cannot be locked.",
                f"{error.strerror}.",
                "Keep the database on an ordinary local disk.",
            ) from error
        raise InUse(
            f"{path} is in use.",
            f"Process {holder or 'unknown'} has it open, and two would overwrite each other.",
            "Stop the other process, or use PostgreSQL to run several.",
        ) from error
    return lock


def _filesystem(folder: Path) -> str:
    """Type of the filesystem that holds `folder`, as Linux tells it; empty where it does not."""
    best, kind = "", ""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            mount, _, details = line.partition(" - ")
            point = mount.split()[4].replace("\\040", " ")
            if folder.resolve().is_relative_to(point) and len(point) >= len(best):
                best, kind = point, details.split()[0]
    return kind


def _check(connection: sqlite3.Connection) -> None:
    # By a thread: SQLite asks no progress handler on its way through a table, which may be ten gigabytes.
    ends = threading.Timer(CHECK_FOR, connection.interrupt)
    ends.start()
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        found = "ok"
    finally:
        ends.cancel()
        ends.join()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _lost(path: Path) -> DatabaseRefused:
    state = "empty" if path.exists() else "missing"
    return DatabaseRefused(
        f"The database {path} is {state}.", "Files beside it show that it was in use here.", _RESTORE
    )


def _refusal(path: Path, error: Exception) -> DatabaseRefused:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseRefused(
            f"{path} is in use.",
            f"Another program has locked it: {cause}.",
            "Stop that program, then start again.",
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return DatabaseRefused(
            f"{path} cannot be opened for writing.", f"{cause}.", "Give this user the file and its directory."
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or isinstance(cause, OSError):
        return DatabaseRefused(
            f"{path} cannot be written.",
            f"{cause}.",
            "Free some space on its disk, or mend the disk, and start again.",
        )
    return DatabaseRefused(f"{path} is damaged or not a SQLite database.", f"{cause}.", _RECOVER)
