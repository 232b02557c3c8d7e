"""What a workload went through: the rollouts of everything that bore its name, read from the database.

Keys are uids, so what was deleted and created anew under the same name has another key; its rollouts stand
together, and each tells which one it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.course import Sample
from app.domain.history import Transition
from app.domain.names import WorkloadRef
from app.domain.stages import Stage, Typical, stages, stood, typical
from app.domain.targets import Record
from app.store import mapping
from app.store.readiness import record
from app.store.tables import EVENT, LOGTAIL, ROLLOUT, SAMPLE, TRANSITION, WORKLOAD

from .commands import latest
from .landing import AskedCommand
from .readiness import Readiness, readiness
from .rows import RolloutRow

SHOWN = 20
"""Rollouts read of a workload, the latest to start."""
EVENTS = 50
"""Events read of a workload, the latest to be seen."""
LOGS = 2
"""Log tails read of a workload, the latest."""
SAMPLES = 600
"""Samples read of the newest rollout, the latest."""
_TRANSITIONS = 2000
"""Most transitions read for them."""


@dataclass(frozen=True, slots=True)
class PastRollout:
    """A rollout with its stages. `seconds` is how long it took and `waited` how much of that it stood still
    on purpose; both None while it runs. `recreated`: it is the first of a workload that was created anew
    under this name, after the one before was deleted at `deleted_at` (None: not known)."""

    rollout: RolloutRow
    stages: tuple[Stage, ...]
    seconds: int | None
    waited: int | None
    recreated: bool = False
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PastEvent:
    """What the cluster said of an object ("Pod/name"), `times` so far; it may have forgotten it. `warning`: that
    something is wrong."""

    warning: bool
    about: str
    reason: str
    message: str
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LogTail:
    """The last lines that a container wrote before it crashed last, as read at `read_at`."""

    pod: str
    container: str
    text: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Rollouts newest first, `total` of all there are; `gone_at` when the workload of that name was deleted,
    if none is there now; the latest `events`, newest first, and `logs` of the one that
    is there. `known`: a workload of that name is or was there. `asked` are the latest commands, newest first, and
    `readiness` what is known of a way back, `record` what of its revisions; `course` is how far the newest rollout was,
    in order."""

    rollouts: tuple[PastRollout, ...] = ()
    total: int = 0
    typical: Typical | None = None
    known: bool = False
    gone_at: datetime | None = None
    events: tuple[PastEvent, ...] = ()
    logs: tuple[LogTail, ...] = ()
    asked: tuple[AskedCommand, ...] = ()
    readiness: Readiness | None = None
    record: Record = field(default_factory=Record)
    course: tuple[Sample, ...] = ()


class Past:
    """What was `told` of the name `ref`. The fleet keeps it up for as long as somebody holds it."""

    __slots__ = ("__weakref__", "ref", "told")

    def __init__(self, ref: WorkloadRef, told: Told) -> None:
        self.ref, self.told = ref, told


async def told(connection: AsyncConnection, ref: WorkloadRef, at: datetime | None = None) -> Told:
    """All that is known of the past of `ref`; as it was at `at`, if that is given, without commands (the audit has
    them) and what an event or a log said later."""
    known = (
        await connection.execute(
            select(WORKLOAD.c.key, WORKLOAD.c.gone_at, WORKLOAD.c.state).where(
                WORKLOAD.c.cluster == ref.cluster,
                WORKLOAD.c.kind == ref.kind,
                WORKLOAD.c.namespace == ref.namespace,
                WORKLOAD.c.name == ref.name,
            )
        )
    ).all()
    lives = {row.key: row.gone_at for row in known}
    if not lives:
        return Told()
    kept = {
        one.key
        for row in known
        if row.gone_at is None and not at
        for one in mapping.decode_state(row.state).revisions
    }
    mine: ColumnElement[bool] = ROLLOUT.c.workload.in_(lives)
    if at:
        mine &= ROLLOUT.c.started_at <= at
    newest = (ROLLOUT.c.started_at.desc(), ROLLOUT.c.id.desc())
    rows = [
        rollout_of(row) if at is None else as_of(rollout_of(row), at)
        for row in await connection.execute(select(ROLLOUT).where(mine).order_by(*newest).limit(SHOWN))
    ]
    total = await connection.scalar(select(func.count()).select_from(ROLLOUT).where(mine))
    moves = await _transitions(connection, rows, at)
    gone = list(lives.values())
    there = [key for key, ended in lives.items() if ended is None or (at and ended > at)]
    return Told(
        rollouts=tuple(
            _past(row, moves.get(row.workload, ()), rows[i + 1] if i + 1 < len(rows) else None, lives)
            for i, row in enumerate(rows)
        ),
        total=total or 0,
        typical=typical([(r.outcome, r.ended_at - r.started_at) for r in rows if r.ended_at]),
        known=True,
        gone_at=None if None in gone else max(at for at in gone if at),
        events=await _events(connection, lives, at),
        logs=await _logs(connection, there, at),
        asked=() if at else await latest(connection, list(lives)),
        readiness=None if at else await readiness(connection, there),
        record=Record() if at else await record(connection, ref, kept),
        course=await _course(connection, rows[0].id, at) if rows else (),
    )


async def one(connection: AsyncConnection, ident: str) -> tuple[WorkloadRef, PastRollout] | None:
    """The rollout `ident` and whose it is; None when there is none."""
    found = (await connection.execute(select(ROLLOUT).where(ROLLOUT.c.id == ident))).first()
    if found is None:
        return None
    row = rollout_of(found)
    where = WORKLOAD.c.key == row.workload
    workload = (await connection.execute(select(WORKLOAD).where(where))).one()
    moves = await _transitions(connection, [row])
    return mapping.ref_of(workload), _past(row, moves.get(row.workload, ()), None, {})


def rollout_of(row: mapping.AnyRow) -> RolloutRow:
    """A row of `rollout`."""
    return RolloutRow(
        id=row.id,
        workload=row.workload,
        place=mapping.place_of(row),
        strategy=mapping.strategy_of(row),
        from_version=row.from_version,
        to_version=row.to_version,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=mapping.outcome_of(row),
        from_revision=row.from_revision,
        to_revision=row.to_revision,
        back=row.back,
        cause=row.cause,
        killed=row.killed,
        overran=row.overran,
        kind=mapping.rollout_kind_of(row),
    )


def as_of(row: RolloutRow, at: datetime) -> RolloutRow:
    """A rollout that had begun by `at`, as it stood then."""
    if row.ended_at is None or row.ended_at <= at:
        return row
    return replace(row, ended_at=None, outcome=None, killed=0, overran=0)


def _past(
    row: RolloutRow,
    moves: Sequence[Transition],
    before: RolloutRow | None,
    lives: dict[str, datetime | None],
) -> PastRollout:
    parts = stages(row.started_at, row.ended_at, row.to_revision, moves)
    again = before is not None and before.workload != row.workload
    took = row.ended_at - row.started_at if row.ended_at else None
    return PastRollout(
        rollout=row,
        stages=parts,
        seconds=round(took.total_seconds()) if took is not None else None,
        waited=round(stood(parts, row.ended_at).total_seconds()) if row.ended_at else None,
        recreated=again,
        deleted_at=lives.get(before.workload) if before and again else None,
    )


async def _course(connection: AsyncConnection, rollout: str, at: datetime | None) -> tuple[Sample, ...]:
    columns = [SAMPLE.c[f.name] for f in fields(Sample)]
    mine = SAMPLE.c.rollout == rollout
    if at:
        mine &= SAMPLE.c.at <= at
    newest = select(*columns).where(mine).order_by(SAMPLE.c.at.desc(), SAMPLE.c.id.desc()).limit(SAMPLES)
    return tuple(Sample(*row) for row in reversed(list(await connection.execute(newest))))


async def _events(
    connection: AsyncConnection, lives: Iterable[str], at: datetime | None
) -> tuple[PastEvent, ...]:
    table = EVENT.c
    statement = (
        select(*(table[f.name] for f in fields(PastEvent)))
        .where(table.workload.in_(lives), table.last_at <= at if at else true())
        .order_by(table.last_at.desc(), table.key)
        .limit(EVENTS)
    )
    return tuple(PastEvent(*row) for row in await connection.execute(statement))


async def _logs(
    connection: AsyncConnection, lives: Iterable[str], at: datetime | None
) -> tuple[LogTail, ...]:
    table = LOGTAIL.c
    statement = (
        select(table.pod, table.container, table.text, table.read_at)
        .where(table.workload.in_(lives), table.read_at <= at if at else true())
        .order_by(table.read_at.desc(), table.key)
        .limit(LOGS)
    )
    return tuple(LogTail(*row) for row in await connection.execute(statement))


async def _transitions(
    connection: AsyncConnection, rows: Sequence[RolloutRow], until: datetime | None = None
) -> dict[str, list[Transition]]:
    """Transitions of the workloads of `rows` since the first of these began, in order."""
    found: dict[str, list[Transition]] = {}
    if not rows:
        return found
    statement = (
        select(TRANSITION)
        .where(
            TRANSITION.c.workload.in_({row.workload for row in rows}),
            TRANSITION.c.at >= min(row.started_at for row in rows),
            TRANSITION.c.at <= until if until else true(),
        )
        .order_by(TRANSITION.c.at.desc(), TRANSITION.c.id.desc())
        .limit(_TRANSITIONS)
    )
    for row in reversed(list(await connection.execute(statement))):
        found.setdefault(row.workload, []).append(mapping.transition_of(row))
    return found
