"""What is told of a way back: rehearsals that grow old, proofs that decay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.facts import WorkloadObserved
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, PodCounts, RolloutState, Strategy
from app.read import past
from app.read.readiness import Proof, Readiness
from app.store import ledger, readiness
from app.store.db import Database
from app.store.readiness import Checked
from tests.databases import fresh

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REF = WorkloadRef("east", "shop", "Deployment", "cart")
KEY = "east:u1"
pytestmark = pytest.mark.anyio


def ready(**changes: object) -> Readiness:
    return Readiness(True, "", "", "1.0", NOW, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "proof"), [(None, Proof.NONE), (0, Proof.GOOD), (30, Proof.GOOD), (31, Proof.DECAYED)]
)
def test_a_drill_proves_for_thirty_days(days, proof):
    at = None if days is None else NOW - timedelta(days=days)
    assert ready(drilled_at=at).proof(NOW) is proof


def test_a_rehearsal_is_believed_for_half_an_hour():
    assert ready().fresh(NOW + timedelta(minutes=30))
    assert not ready().fresh(NOW + timedelta(minutes=31))


def seen(key: str, at: datetime, phase: Phase = Phase.IDLE, kept: str = "12") -> WorkloadObserved:
    made = {"1": NOW - timedelta(days=9), "2": NOW - timedelta(days=2), "3": NOW - timedelta(days=1)}
    kept_ = tuple(
        Revision(k, int(k), version=f"{k}.0", created_at=made[k]) for k in sorted(kept, reverse=True)
    )
    here = next(r for r in kept_ if r.key == key)
    health = Health.HEALTHY if phase is Phase.IDLE else Health.DEGRADED
    state = RolloutState(
        phase,
        health,
        strategy=Strategy.ROLLING,
        revision=here,
        revisions=kept_,
        counts=PodCounts(2, 2, 2, 2, 2),
    )
    return WorkloadObserved(REF, "u1", Place("cart", "staging"), "deployment", state, at)


async def told(database: Database) -> past.Told:
    async with database.reading() as connection:
        return await past.told(connection, REF)


async def test_the_record_knows_what_landed_and_what_did_not(tmp_path: Path):
    database = await Database.open(fresh(tmp_path))
    minute = timedelta(minutes=1)
    steps = [
        seen("1", NOW, kept="1"),
        seen("2", NOW + minute, Phase.PROGRESSING),
        seen("2", NOW + 2 * minute),
        seen("3", NOW + 3 * minute, Phase.PROGRESSING, "123"),
        seen("3", NOW + 4 * minute, Phase.FAILED, "123"),
        seen("2", NOW + 5 * minute, Phase.PROGRESSING, "123"),
        seen("2", NOW + 6 * minute, kept="123"),
    ]
    for fact in steps:
        async with database.writing() as session:
            await ledger.record(session, [fact])
    async with database.reading() as connection:
        record = await readiness.record(connection, REF, "123")
        assert record.landed == {"1": NOW - timedelta(days=2), "2": NOW + 6 * minute}, "1 was there before"
        assert set(record.ended) == {"3"}
        assert record.since is not None
        less = await readiness.record(connection, REF, "3")
        assert (less.landed, less.ended, less.since) == ({}, record.ended, record.since), "no more than asked"
    assert (await told(database)).record == record, "what is kept of it is asked for"
    await database.close()


async def test_a_rehearsal_replaces_the_last_one_and_keeps_the_proof(tmp_path: Path):
    database = await Database.open(fresh(tmp_path))
    async with database.writing() as session:
        await ledger.record(session, [seen("2", NOW)])
    assert (await told(database)).readiness is None
    async with database.reading() as connection:
        assert await readiness.due(connection, NOW, NOW, 5) == [REF], "never rehearsed"
    for minutes, accepted in ((0, True), (10, False)):
        at = NOW + timedelta(minutes=minutes)
        async with database.writing() as session:
            await readiness.put(session, Checked(KEY, "2", accepted, "", "", "1", "1.0", at))
            await readiness.proven(session, KEY, NOW + timedelta(minutes=minutes), at, 19 + minutes, "1.0")
            await readiness.proven(session, KEY, NOW, at + timedelta(hours=9), 99, "1.0")
    found = (await told(database)).readiness
    assert found is not None
    assert (found.accepted, found.checked_at) == (False, NOW + timedelta(minutes=10))
    assert (found.drilled, found.drilled_at) == (29, NOW + timedelta(minutes=10)), (
        "the first word on a drill counts"
    )

    async def due(minutes: float, of: str = "2") -> bool:
        async with database.writing() as session:
            await readiness.put(session, Checked(KEY, of, True, "", "", "1", "1.0", NOW))
        now = NOW + timedelta(minutes=minutes)
        async with database.reading() as connection:
            ten, soon = now - timedelta(minutes=10), now - timedelta(seconds=20)
            return bool(await readiness.due(connection, ten, soon, 5))

    assert not await due(9)
    assert await due(11)
    assert await due(1, "1"), "another revision is asked for than was rehearsed"
    assert not await due(0.1, "1")
    await database.close()
