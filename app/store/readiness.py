"""What is known of going back: which revisions were live, and whether a rollback would be accepted now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from app.domain.names import WorkloadRef
from app.domain.rollout import Outcome, Phase
from app.domain.targets import Record
from app.store.tables import READINESS, ROLLOUT, TRANSITION, WORKLOAD

_AT_REST = (Phase.IDLE.value, Phase.SUCCEEDED.value)
OWNER = "owner"
"""The rule that what manages a workload undoes a rollback: of several that block it, the one that is kept."""
_LANDED = (Outcome.PROMOTED.value, Outcome.FAST_PROMOTED.value)
_FAILED = 500
"""Most attempts read at revisions that never landed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One rehearsal of a rollback: of which workload (key), from which revision (key), whether it was accepted, else
    the rule that blocks and `said` why, and to which target (key) and version."""

    workload: str
    revision: str
    accepted: bool
    rule: str
    said: str
    target: str
    version: str
    checked_at: datetime


async def record(connection: AsyncConnection, ref: WorkloadRef, revisions: Iterable[str]) -> Record:
    """What is remembered of `revisions` (keys) by all that bore this name. Others are not asked for: a workload that
    ships all day has years of them, and its buttons wait for this."""
    life = WORKLOAD.c
    name = (
        life.cluster == ref.cluster,
        life.namespace == ref.namespace,
        life.kind == ref.kind,
        life.name == ref.name,
    )
    lives, kept, known, moves = select(life.key).where(*name), set(revisions), ROLLOUT.c, TRANSITION.c

    rest = select(moves.revision, func.max(moves.at)).where(
        moves.workload.in_(lives), moves.revision.in_(kept), moves.after.in_(_AT_REST)
    )
    landed = await _instants(connection, rest.group_by(moves.revision))
    mine = (known.workload.in_(lives), known.to_revision.in_(kept))
    there = known.outcome.in_(_LANDED) | (known.outcome == Outcome.ROLLED_BACK.value) & known.back
    came = select(known.to_revision, func.max(known.ended_at)).where(*mine, there)
    for key, at in (await _instants(connection, came.group_by(known.to_revision))).items():
        landed[key] = max(at, landed.get(key, at))

    # Nothing was before the eldest, so it is what served. Each life's own first is one step along an index.
    own = (known.workload == life.key, known.from_revision != "")
    first = select(known.id).where(*own).order_by(known.started_at, known.id).limit(1).scalar_subquery()
    eldest = select(known.from_revision, known.started_at).where(known.id.in_(select(first).where(*name)))
    row = (await connection.execute(eldest.order_by(known.started_at, known.id).limit(1))).first()
    if row and row.from_revision in kept:
        landed.setdefault(row.from_revision, row.started_at)

    failed = select(known.to_revision, known.outcome, known.ended_at).where(
        mine[0], known.to_revision.in_(kept - landed.keys()), known.outcome.is_not(None)
    )
    found = await connection.execute(failed.order_by(known.started_at.desc(), known.id.desc()).limit(_FAILED))
    ended = {row.to_revision: (Outcome(row.outcome), row.ended_at) for row in reversed(found.all())}
    looked = select(func.min(moves.at)).where(moves.workload == life.key).scalar_subquery()
    begun = select(func.min(looked)).where(*name)
    last = select(READINESS.c.rule).where(READINESS.c.workload.in_(lives))
    rule = await connection.scalar(last.order_by(READINESS.c.checked_at.desc()).limit(1))
    return Record(landed, ended, await connection.scalar(begun), rule == OWNER)


async def _instants(connection: AsyncConnection, query: Select[str, datetime]) -> dict[str, datetime]:
    return {row[0]: row[1] for row in await connection.execute(query)}


async def due(
    connection: AsyncConnection, before: datetime, changed_before: datetime, limit: int
) -> list[WorkloadRef]:
    """Workloads whose rehearsal is older than `before`, or of another revision and older than `changed_before`; those
    that were never rehearsed first, then the oldest."""
    table, known = WORKLOAD.c, READINESS.c
    stale = or_(
        known.checked_at.is_(None),
        known.checked_at < before,
        (known.revision != func.coalesce(table.revision, "")) & (known.checked_at < changed_before),
    )
    query = (
        select(table.cluster, table.namespace, table.kind, table.name)
        .outerjoin(READINESS, known.workload == table.key)
        .where(table.gone_at.is_(None), stale)
        .order_by(known.checked_at.is_not(None), known.checked_at, table.key)
        .limit(limit)
    )
    return [WorkloadRef(*row) for row in await connection.execute(query)]


async def put(session: AsyncSession, checked: Checked) -> None:
    """Keep a rehearsal in place of the one before it."""
    connection = await session.connection()
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(READINESS)
    values = asdict(checked)
    statement = insert.values(**values, drilled_at=None, drill_seconds=None, drill_version="")
    changes = {name: value for name, value in values.items() if name != "workload"}
    await connection.execute(statement.on_conflict_do_update(index_elements=["workload"], set_=changes))


async def proven(
    session: AsyncSession, workload: str, began: datetime, at: datetime, seconds: int, version: str
) -> None:
    """Keep that the drill which `began` then went back to `version` and landed there; the first time that is said
    counts."""
    values = {"drilled_at": at, "drill_seconds": seconds, "drill_version": version}
    new = or_(READINESS.c.drilled_at.is_(None), READINESS.c.drilled_at < began)
    connection = await session.connection()
    await connection.execute(update(READINESS).where(READINESS.c.workload == workload, new).values(values))
