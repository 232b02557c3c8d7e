"""The fleet holds what the database says is current, and a refresh is as good as reading all of it again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.facts import SourceObserved, WorkloadGone
from app.domain.freshness import Freshness
from app.domain.names import Place, Topic
from app.domain.rollout import Attention, Outcome, Phase
from app.read.fleet import KEPT, Fleet
from app.store.db import Database
from app.store.ledger import record
from tests.store.looks import NOW, opened, revision, state, workload

pytestmark = pytest.mark.anyio
MOVING = state(Phase.PROGRESSING, "2", stable=revision("1"))


async def write(database: Database, *facts) -> frozenset[Topic]:
    async with database.writing() as session:
        return await record(session, facts)


async def same_as_loaded(database: Database, fleet: Fleet) -> bool:
    fresh = Fleet(database, lambda: NOW)
    await fresh.load()
    return all(
        getattr(fresh, part) == getattr(fleet, part)
        for part in ("workloads", "sources", "rollouts", "by_service")
    )


async def test_load_reads_looks_as_they_were_seen(database_url):
    look = workload(1, pods=3)
    source = SourceObserved("east", "Pod", "", Freshness.LIVE, NOW, NOW, "", 5, 1, 2, 3, 4, ("a: b",))
    async with opened(database_url) as database:
        await write(database, look, workload(2, MOVING), source)
        fleet = Fleet(database, lambda: NOW)
        await fleet.load()
    row, moving = fleet.workloads["east:u1"], fleet.workloads["east:u2"]
    assert (row.ref, row.place, row.engine, row.state) == (look.ref, look.place, "deployment", look.state)
    assert (row.attention, row.rollout_started_at, row.landed_at) == (Attention.GOOD, None, None)
    assert (moving.attention, moving.rollout_started_at) == (Attention.MOVING, NOW)
    assert dict(fleet.sources) == {"east/Pod/": source}
    assert [(r.workload, r.to_version, r.outcome) for r in fleet.rollouts.values()] == [
        ("east:u2", "v2", None)
    ]
    assert dict(fleet.by_service) == {"service-0": {"east:u1", "east:u2"}}


async def test_refresh_is_as_good_as_loading(database_url):
    async with opened(database_url) as database:
        fleet = Fleet(database, lambda: NOW)
        await fleet.load()
        assert not fleet.workloads
        await fleet.refresh(await write(database, *(workload(n) for n in range(7))))
        assert await same_as_loaded(database, fleet)
        moved = replace(workload(1), place=Place("service-2", "production"))
        await fleet.refresh(await write(database, workload(0, MOVING), moved))
        assert fleet.by_service["service-2"] == {"east:u1", "east:u6"}
        assert await same_as_loaded(database, fleet)
        gone = [WorkloadGone("east", f"u{n}", NOW) for n in (0, 1, 6)]
        await fleet.refresh(await write(database, *gone, workload(3, state(message="other"))))
        assert "service-2" not in fleet.by_service
        assert [r.outcome for r in fleet.rollouts.values()] == [Outcome.ABORTED]
        assert await same_as_loaded(database, fleet)


async def test_refresh_of_very_many_is_as_good_as_loading(database_url):
    async with opened(database_url) as database:
        fleet = Fleet(database, lambda: NOW)
        topics = await write(database, *(workload(n) for n in range(2100)))
        await fleet.refresh(topics)
        assert len(fleet.workloads) == 2100


async def test_refresh_of_what_nobody_knows_changes_nothing(database_url):
    async with opened(database_url) as database:
        fleet = Fleet(database, lambda: NOW)
        await fleet.refresh(
            [Topic("workload", "x"), Topic("source", "x"), Topic("rollout", "x"), Topic("odd", "x")]
        )
        assert [*fleet.workloads, *fleet.sources, *fleet.rollouts] == []


async def test_rollouts_leave_a_day_after_they_ended(database_url):
    now = NOW
    async with opened(database_url) as database:
        fleet = Fleet(database, lambda: now)
        looks = [workload(1, MOVING), workload(2, MOVING), workload(1, state(key="2"), at=NOW)]
        await fleet.refresh(await write(database, *looks))
        assert [r.ended_at for r in fleet.rollouts.values()].count(None) == 1
        assert len(fleet.rollouts) == 2
        fleet.tick(NOW + KEPT - timedelta(seconds=1))
        assert len(fleet.rollouts) == 2
        now = NOW + KEPT
        await fleet.refresh([])
        assert [r.workload for r in fleet.rollouts.values()] == ["east:u2"]
        await fleet.load()
        assert [r.workload for r in fleet.rollouts.values()] == ["east:u2"]


async def test_state_of_a_newer_version_is_shown_as_unknown(database_url):
    async with opened(database_url) as database:
        await write(database, workload(1))
        async with database.writing() as session:
            change = text("UPDATE workload SET state = replace(state, '\"idle\"', '\"levitating\"')")
            await (await session.connection()).execute(change)
        fleet = Fleet(database, lambda: NOW)
        await fleet.load()
    assert fleet.workloads["east:u1"].attention is Attention.UNKNOWN
    assert "levitating" in fleet.workloads["east:u1"].state.message
