"""What a database needs while it serves: proof that it takes writes, its audit's head told, its old rows deleted. Each
goes on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.errors import StoreUnavailable

from . import audit
from .db import Database
from .retention import prune

WRITER_BEAT = 10.0
"""Seconds between two proofs that the database takes writes."""
RETENTION_EVERY = 3600.0
HEAD_EVERY = 60.0

log = structlog.get_logger("shipboard")


async def prove_writing(database: Database, wrote: Callable[[str], None]) -> None:
    """Come round the writer's lock and the database's every few seconds, however little is to be written; `wrote` is
    told what stood in the way, or nothing."""
    while True:
        try:
            async with database.writing() as session:
                await session.connection()  # where the transaction begins
            wrote("")
        except StoreUnavailable as error:
            wrote(str(error))
        await asyncio.sleep(WRITER_BEAT)


async def tell_head(database: Database) -> None:
    """Export the audit's head to the log each minute it moved: only what lies elsewhere shows a cut tail."""
    told = 0
    while True:
        async with database.reading() as connection:
            head = (await audit.marks(connection))[audit.HEAD]
        if head.seq != told:
            log.info("audit head", seq=head.seq, mac=head.mac)
            told = head.seq
        await asyncio.sleep(HEAD_EVERY)


async def forget(database: Database, days: int) -> None:
    """Delete history older than `days`, little by little, every hour; not at the start, which has more to
    do."""
    while True:
        await asyncio.sleep(RETENTION_EVERY)
        now = datetime.now(UTC)
        gone = await prune(database, now - timedelta(days=days), now)
        log.info("old history deleted", rows=gone)
