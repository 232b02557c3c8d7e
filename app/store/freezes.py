"""Freezes by hand and who is let out of them or of those of the configuration, written and read: begun once, ended
once, kept for as long as the audit speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.freezes import Freeze
from app.store.gate_tables import EXEMPTION, FREEZE


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


async def exempt(
    session: AsyncSession, ident: str, freeze: Freeze, service: str, why: tuple[str, str, str], now: datetime
) -> None:
    """Let `service` (a pattern) out of a freeze until it next ends; `why` is reason, identity and name."""
    reason, identity, by = why
    values: dict[str, Any] = {"id": ident, "freeze": freeze.id, "service": service, "reason": reason}
    values |= {"identity": identity, "by": by, "at": now, "until": freeze.ends(now)}
    await (await session.connection()).execute(insert(EXEMPTION).values(values))


async def exemptions(connection: AsyncConnection, now: datetime) -> dict[str, tuple[str, ...]]:
    """The services that are let out of freezes at `now`, by the freeze's id."""
    where = or_(EXEMPTION.c.until.is_(None), EXEMPTION.c.until > now)
    rows = await connection.execute(select(EXEMPTION).where(where).order_by(EXEMPTION.c.at, EXEMPTION.c.id))
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row.freeze] = (*found.get(row.freeze, ()), row.service)
    return found
