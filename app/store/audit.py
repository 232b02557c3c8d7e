"""The audit, written: entries are appended to one chain, in the caller's unit of work, and never changed.

The key is the database's (`Database.open`); it lies beside the file, or in SHIPBOARD_AUDIT_KEY, never in the database.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.audit import Entry, Link, Mark, code, seal
from app.domain.errors import DatabaseRefused
from app.store.mapping import AnyRow
from app.store.tables import AUDIT, AUDITMARK

INFO = "audit_key"
"""Under this name sessions carry the key."""
HEAD, CHECKPOINT = "head", "checkpoint"
_NAMES = tuple(field.name for field in fields(Entry))
_AT_ONCE = 1000


async def append(session: AsyncSession, entry: Entry) -> int:
    """Add `entry` in the session's unit of work; answers its number. Whoever appends waits for the one before to
    commit, so numbers have no gaps."""
    key: bytes = session.info[INFO]
    connection = await session.connection()
    head = (
        await connection.execute(select(AUDITMARK).where(AUDITMARK.c.name == HEAD).with_for_update())
    ).one()
    kept, seq = entry.fitted(), int(head.seq) + 1
    mac = code(key, head.mac, seq, kept)
    await connection.execute(insert(AUDIT), {"seq": seq, **asdict(kept), "mac": mac})
    moved = {"seq": seq, "mac": mac, "seal": seal(key, HEAD, seq, mac)}
    await connection.execute(update(AUDITMARK).where(AUDITMARK.c.name == HEAD).values(moved))
    return seq


async def links(connection: AsyncConnection, after: int = 0) -> AsyncIterator[Link]:
    """The chain after number `after`, in order, read in portions."""
    while True:
        query = select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(_AT_ONCE)
        rows = (await connection.execute(query)).all()
        for row in rows:
            yield link_of(row)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].seq


async def marks(connection: AsyncConnection) -> dict[str, Mark]:
    """The head, and the checkpoint if anything was pruned."""
    rows = await connection.execute(select(AUDITMARK))
    return {row.name: Mark(row.seq, row.mac, row.seal) for row in rows}


async def lines(connection: AsyncConnection) -> AsyncIterator[dict[str, Any]]:
    """The whole chain as the lines of a file that can be checked anywhere: the checkpoint, if there is one, then the
    entries, then the head."""
    found = await marks(connection)
    if CHECKPOINT in found:
        yield {"mark": CHECKPOINT, **asdict(found[CHECKPOINT])}
    async for link in links(connection):
        yield link.as_json()
    yield {"mark": HEAD, **asdict(found[HEAD])}


async def forget(session: AsyncSession, before: datetime, batch: int) -> int:
    """Delete the oldest entries if they are older than `before`, at most `batch`, and seal a checkpoint where the chain
    now begins; answers how many. The head always stays."""
    key: bytes = session.info[INFO]
    connection = await session.connection()
    found = await marks(connection)
    old = select(AUDIT.c.seq, AUDIT.c.mac, AUDIT.c.at).order_by(AUDIT.c.seq).limit(batch)
    gone = []
    for row in await connection.execute(old):
        if row.at >= before or row.seq == found[HEAD].seq:
            break
        gone.append(row)
    if not gone:
        return 0
    last = gone[-1]
    values = {"seq": last.seq, "mac": last.mac, "seal": seal(key, CHECKPOINT, last.seq, last.mac)}
    if CHECKPOINT in found:
        await connection.execute(update(AUDITMARK).where(AUDITMARK.c.name == CHECKPOINT).values(values))
    else:
        await connection.execute(insert(AUDITMARK), {"name": CHECKPOINT, **values})
    await connection.execute(delete(AUDIT).where(AUDIT.c.seq <= last.seq))
    return len(gone)


def link_of(row: AnyRow) -> Link:
    """A row of `audit`."""
    return Link(row.seq, Entry(**{name: getattr(row, name) for name in _NAMES}), row.mac)


def key_from(text: str) -> bytes:
    """The key that a text of any form stands for."""
    return sha256(text.strip().encode()).digest()


def kept_key(file: Path) -> bytes:
    """The key in `file`, made there if there is none. Raises DatabaseRefused."""
    try:
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return key_from(file.read_text())
        with os.fdopen(opened, "w") as new:
            new.write(text := secrets.token_hex(32))
            new.flush()
            os.fsync(new.fileno())
        return key_from(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DatabaseRefused(
            f"The audit's key {file} cannot be used.",
            f"{getattr(error, 'strerror', '') or type(error).__name__}.",
            "Give this user the file, or set SHIPBOARD_AUDIT_KEY.",
        ) from error


def key_beside(database: Path) -> Path:
    """Where the key of a SQLite file lies."""
    return database.with_name(database.name + ".audit-key")
