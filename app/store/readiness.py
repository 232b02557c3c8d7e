"""What is known of going back: which revisions were live, and whether a rollback would be accepted now."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
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


async def record(connection: AsyncConnection, ref: WorkloadRef) -> Record:
    """What is remembered of the revisions of all that bore this name."""
    lives = select(WORKLOAD.c.key).where(
        WORKLOAD.c.cluster == ref.cluster,
        WORKLOAD.c.namespace == ref.namespace,
        WORKLOAD.c.kind == ref.kind,
        WORKLOAD.c.name == ref.name,
    )
    ended: dict[str, tuple[Outcome, datetime]] = {}
    moves, at = TRANSITION.c, func.max(TRANSITION.c.at)
    rest = select(moves.revision, at).where(moves.workload.in_(lives), moves.after.in_(_AT_REST))
    seen = await connection.execute(rest.group_by(moves.revision))
    landed: dict[str, datetime] = {row[0]: row[1] for row in seen}
    known = ROLLOUT.c
    rows = select(
        known.from_revision, known.to_revision, known.outcome, known.back, known.started_at, known.ended_at
    ).where(known.workload.in_(lives))
    eldest = ""
    for row in await connection.execute(rows.order_by(known.started_at, known.id)):
        if not eldest and row.from_revision:  # nothing was before it, so it is what served
            eldest = row.from_revision
            landed.setdefault(eldest, row.started_at)
        if row.outcome in _LANDED or (row.outcome == Outcome.ROLLED_BACK and row.back):
            landed[row.to_revision] = max(row.ended_at, landed.get(row.to_revision, row.ended_at))
        elif row.outcome:
            ended[row.to_revision] = Outcome(row.outcome), row.ended_at
    first = select(func.min(moves.at)).where(moves.workload.in_(lives))
    last = select(READINESS.c.rule).where(READINESS.c.workload.in_(lives))
    rule = await connection.scalar(last.order_by(READINESS.c.checked_at.desc()).limit(1))
    return Record(landed, ended, await connection.scalar(first), rule == OWNER)


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
