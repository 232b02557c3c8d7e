"""What the database knows of the thing a gate asks about: CI, tests, scan and signature of its version, how long it ran
in the environment before, and the way back.

What nobody reports stays unknown, and closes the gates that ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.counts import every
from app.domain.delivery import Delivery
from app.domain.evidence import Evidence, Person, Rollback, graced
from app.domain.gates import Gate, Origin
from app.domain.rollout import SETTLED, Health, Outcome, PodCondition, RolloutState
from app.store import mapping
from app.store.db import Database
from app.store.tables import READINESS, ROLLOUT, WORKLOAD

from .reported import reported

NO_RULES = Delivery()
LANDED = (Outcome.PROMOTED, Outcome.FAST_PROMOTED, Outcome.ROLLED_BACK)


async def evidence(
    database: Database,
    gate: Gate,
    *,
    delivery: Delivery = NO_RULES,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Evidence:
    """All that is known for `gate`, now. Raises StoreUnavailable."""
    async with database.reading() as connection:
        found = await reported(connection, gate)
        soak = await _soaking(connection, gate)
        back = await _way_back(connection, gate)
    grace = delivery.of(gate.subject.environment).soak_grace
    since, said, broke_at = graced(gate.evidence, *soak, grace, clock())
    people = found.people
    if gate.origin is Origin.FORGE:
        people = _started(people, gate.subject.starter)
    elif gate.subject.asker and people is not None:
        people = (*people, Person("asker", identity=gate.subject.asker))
    return replace(
        found, soaking_since=since, soak=said, soak_broke_at=broke_at, rollback=back, people=people
    )


def _started(people: tuple[Person, ...] | None, starter: str) -> tuple[Person, ...] | None:
    """Those who had a part, with whoever set off the pipeline that asks (an address of their login's); where nobody
    told who wrote it, that author stays somebody unknown."""
    if not starter:
        return people
    return (*(people or (Person("author"),)), Person("starter", starter.partition("@")[0], starter))


async def _soaking(connection: AsyncConnection, gate: Gate) -> tuple[datetime | None, str, bool]:
    """Since when the version runs in the environment before with all pods ready, that in words, and whether it runs
    there at all."""
    subject = gate.subject
    if not subject.source:
        place = subject.came_from or "an environment before"
        outside = gate.origin in (Origin.PIPELINE, Origin.FORGE)
        return None, "" if outside else f"this version is not seen in {place}", False
    where = WORKLOAD.c.key == subject.source, WORKLOAD.c.gone_at.is_(None)
    row = (await connection.execute(select(WORKLOAD).where(*where))).first()
    if row is None:
        return None, f"it is gone from {subject.came_from}", False
    state = mapping.decode_state(row.state)
    if not state.revision or set(state.revision.images) != set(subject.after.images):
        return None, f"{row.environment} runs another version by now", False
    if state.phase not in SETTLED or state.health is not Health.HEALTHY or _not_ready(state):
        return None, f"not all of it is good in {row.environment}", True
    moments = [pod.since for pod in state.pods if pod.since]
    begun = [at for at in (row.landed_at, state.settled_at, row.revision_at) if at]
    since = max(moments + begun[:1], default=row.since)
    return since, f"{every(state.counts.wanted)} ready in {row.environment}", True


def _not_ready(state: RolloutState) -> bool:
    broken = any(p.condition is not PodCondition.READY for p in state.pods)
    return broken or not state.counts.wanted or state.counts.ready < state.counts.wanted


async def _way_back(connection: AsyncConnection, gate: Gate) -> Rollback:
    """What there is to go back to, and when going back was last seen to work."""
    subject = gate.subject
    if not subject.workload:
        return Rollback(subject.before.name)
    row = (
        await connection.execute(select(WORKLOAD.c.state).where(WORKLOAD.c.key == subject.workload))
    ).first()
    state = mapping.decode_state(row.state) if row else None
    keys = {r.key for r in state.revisions} if state else set()
    stable = subject.expected.stable or subject.expected.revision
    seen = (
        select(ROLLOUT.c.started_at, ROLLOUT.c.ended_at)
        .where(ROLLOUT.c.workload == subject.workload, ROLLOUT.c.back.is_(True))
        .where(ROLLOUT.c.outcome.in_(LANDED), ROLLOUT.c.ended_at.is_not(None))
        .order_by(ROLLOUT.c.ended_at.desc())
        .limit(1)
    )
    last = (await connection.execute(seen)).first()
    took = last.ended_at - last.started_at if last else None
    proven_at = last.ended_at if last else None
    return Rollback(subject.before.name, stable in keys, proven_at, took, *await _drill(connection, gate))


async def _drill(connection: AsyncConnection, gate: Gate) -> tuple[datetime | None, timedelta | None, str]:
    """When a drill of the workload, or of the one it comes from, last went well, how long it took, and where."""
    keys = [key for key in (gate.subject.workload, gate.subject.source) if key]
    query = (
        select(READINESS.c.drilled_at, READINESS.c.drill_seconds, WORKLOAD.c.environment)
        .join(WORKLOAD, WORKLOAD.c.key == READINESS.c.workload)
        .where(READINESS.c.workload.in_(keys), READINESS.c.drilled_at.is_not(None))
        .order_by(READINESS.c.drilled_at.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None, None, ""
    took = timedelta(seconds=row.drill_seconds) if row.drill_seconds is not None else None
    return row.drilled_at, took, row.environment
