"""Freezes by hand, written and read: begun once, ended once, kept for as long as the audit speaks of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.freezes import Freeze
from app.store.gate_tables import FREEZE


async def freeze(session: AsyncSession, made: Freeze, identity: str) -> None:
    """Put a freeze by hand down."""
    values = {
        "id": made.id,
        "environment": made.environment,
        "service": made.service,
        "reason": made.reason,
        "identity": identity,
        "by": made.by,
        "since": made.since,
        "until": made.until,
        "lifted_at": None,
    }
    await (await session.connection()).execute(insert(FREEZE).values(values))


async def lift(session: AsyncSession, ident: str, now: datetime) -> bool:
    """End a freeze; False when it is not there or was lifted already."""
    where = (FREEZE.c.id == ident, FREEZE.c.lifted_at.is_(None))
    statement = update(FREEZE).where(*where).values(lifted_at=now)
    return (await (await session.connection()).execute(statement)).rowcount == 1


async def freezes(connection: AsyncConnection, now: datetime) -> tuple[Freeze, ...]:
    """Freezes by hand that were not lifted and have not ended."""
    where = (FREEZE.c.lifted_at.is_(None), or_(FREEZE.c.until.is_(None), FREEZE.c.until > now))
    rows = await connection.execute(select(FREEZE).where(*where).order_by(FREEZE.c.since, FREEZE.c.id))
    return tuple(
        Freeze(r.id, r.reason, r.environment, r.service, None, r.since, r.until, r.by or "somebody")
        for r in rows
    )
