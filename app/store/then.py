"""What was so at a past instant, as rows: states that held, freshness, watches, rollouts, gates and freezes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.freezes import Freeze
from app.domain.gates import Gate, GatePhase
from app.store import gates
from app.store.gate_tables import FREEZE, GATE
from app.store.mapping import AnyRow
from app.store.past_tables import SOURCE_CHANGE, STATE_CHANGE, WATCH
from app.store.tables import ROLLOUT, TRANSITION, WORKLOAD


async def states(connection: AsyncConnection, at: datetime) -> list[AnyRow]:
    """The workloads that were there, each with the `state` that held and since when (`at`)."""
    own = STATE_CHANGE.c
    held = own.id == _latest(STATE_CHANGE, "workload", WORKLOAD.c.key, at)
    names = ("key", "cluster", "namespace", "kind", "name", "service", "environment", "team", "engine")
    told = select(*(WORKLOAD.c[name] for name in names), own.at, own.state)
    query = told.select_from(WORKLOAD).join(STATE_CHANGE, held).where(own.state != "")
    return list(await connection.execute(query))


async def sources(connection: AsyncConnection, at: datetime) -> list[AnyRow]:
    """The sources that were listened to, each as it was."""
    own = SOURCE_CHANGE.c
    names = select(own.source).distinct().subquery()
    held = own.id == _latest(SOURCE_CHANGE, "source", names.c.source, at)
    query = select(SOURCE_CHANGE).select_from(names).join(SOURCE_CHANGE, held)
    return list(await connection.execute(query.where(own.freshness != "")))


async def first(connection: AsyncConnection) -> datetime | None:
    """The first instant that is kept; None: nothing is."""
    found = (await connection.execute(select(WATCH.c.began_at).order_by(WATCH.c.began_at).limit(1))).first()
    return found.began_at if found else None


async def watch(
    connection: AsyncConnection, cluster: str, at: datetime
) -> tuple[datetime | None, datetime | None]:
    """The end of the last watch over `cluster` that began by `at`, and the beginning of the one after it; None: there
    is none."""
    own = WATCH.c
    before = select(own.last_at).where(own.cluster == cluster, own.began_at <= at)
    after = select(own.began_at).where(own.cluster == cluster, own.began_at > at)
    last = (await connection.execute(before.order_by(own.began_at.desc()).limit(1))).first()
    next_ = (await connection.execute(after.order_by(own.began_at).limit(1))).first()
    return (last.last_at if last else None), (next_.began_at if next_ else None)


async def rollouts(connection: AsyncConnection, since: datetime, until: datetime) -> list[AnyRow]:
    """Rollouts that ran at some time between the two, or ended then."""
    own = ROLLOUT.c
    query = select(ROLLOUT).where(own.started_at <= until, or_(own.ended_at.is_(None), own.ended_at > since))
    return list(await connection.execute(query))


async def open_gates(connection: AsyncConnection, at: datetime, since: datetime) -> list[Gate]:
    """Gates as they stood at `at`, without those over by `since`. One that was answered later is OPEN."""
    own = GATE.c
    idents = await connection.scalars(
        select(own.id).where(own.opened_at <= at, or_(own.ended_at.is_(None), own.ended_at > since))
    )
    return [_stood(gate, at) for gate in await gates.some(connection, list(idents))]


async def freezes(connection: AsyncConnection, at: datetime) -> tuple[Freeze, ...]:
    """Freezes by hand that were made by `at`, and neither lifted nor over then."""
    own = FREEZE.c
    lasted: tuple[ColumnElement[bool], ...] = (
        or_(own.lifted_at.is_(None), own.lifted_at > at),
        or_(own.until.is_(None), own.until > at),
    )
    rows = await connection.execute(
        select(FREEZE).where(own.since <= at, *lasted).order_by(own.since, own.id)
    )
    return tuple(
        Freeze(r.id, r.reason, r.environment, r.service, None, r.since, r.until, r.by or "somebody")
        for r in rows
    )


async def moves(connection: AsyncConnection, before: datetime, after: datetime) -> tuple[Any, Any]:
    """When something last moved up to `before`, and first after `after`; None where nothing did."""
    own = TRANSITION.c
    last = await connection.scalar(select(func.max(own.at)).where(own.at <= before))
    next_ = await connection.scalar(select(func.min(own.at)).where(own.at > after))
    return last, next_


def _stood(gate: Gate, at: datetime) -> Gate:
    if (gate.decision and gate.decision.at <= at) or (gate.ended_at and gate.ended_at <= at):
        return gate
    votes = tuple(vote for vote in gate.votes if vote.at <= at)
    return replace(gate, phase=GatePhase.OPEN, decision=None, ended_at=None, votes=votes)


def _latest(table: Table, of: str, key: Any, at: datetime) -> Any:
    """The id of what held of `key`, a column of the query around it."""
    own = table.alias().c
    newest = (
        select(own.id).where(own[of] == key, own.at <= at).order_by(own.at.desc(), own.id.desc()).limit(1)
    )
    return newest.correlate(key.table).scalar_subquery()
