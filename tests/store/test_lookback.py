"""What was shown is kept: a row a change the board shows, the freshness of sources, and when nobody was looking."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.domain import history
from app.domain.facts import Fact, SourceObserved, SourcesNamed, WorkloadGone
from app.domain.freshness import Freshness
from app.domain.rollout import Phase, Pod, PodCondition, PodCounts, Problem
from app.store import shown
from app.store.ledger import Ledger
from app.store.past_tables import SOURCE_CHANGE, STATE_CHANGE, WATCH
from app.store.retention import prune
from tests.store.looks import NOW, opened, pod, revision, state, workload

pytestmark = pytest.mark.anyio


def later(**more: float):
    return NOW + timedelta(**more)


def heard(at, freshness=Freshness.LIVE, cluster="east", message=""):
    return SourceObserved(cluster, "Pod", "", freshness, at, at, message)


async def rows(database, table, *columns):
    async with database.reading() as connection:
        chosen = [table.c[name] for name in columns]
        return [tuple(row) for row in await connection.execute(select(*chosen).order_by(table.c.id))]


async def put(database, ledger, *facts: Fact):
    async with database.writing() as session:
        await ledger.record(session, facts)


@pytest.mark.parametrize("remember", [True, False])
async def test_a_state_is_kept_only_when_the_board_shows_something_else(database_url, remember):
    moving = state(Phase.PROGRESSING, "2", stable=revision("1"), pods=(pod(1),))
    looks = [
        (moving, True),
        (replace(moving, revisions=(revision("1"),)), False),
        (replace(moving, pods=(replace(pod(1), node="node-8"),)), False),
        (replace(moving, pods=(pod(1), pod(2))), True),
        (replace(moving, pods=(pod(2), pod(1))), False),
        (replace(moving, pods=(pod(2), pod(1)), progress=50), True),
        (state(key="2"), True),
    ]
    async with opened(database_url) as database:
        ledger, kept = Ledger(remember=remember), 0
        for second, (seen, differs) in enumerate(looks):
            await put(database, ledger, workload(1, seen, at=later(seconds=second)))
            kept += differs
            assert len(await rows(database, STATE_CHANGE, "id")) == kept, second
        await put(database, ledger, WorkloadGone("east", "u1", later(minutes=1)))
        await put(database, ledger, workload(1, state(key="2"), at=later(minutes=2)))
        told = await rows(database, STATE_CHANGE, "at", "state")
    assert [at for at, _ in told[-2:]] == [later(minutes=1), later(minutes=2)]
    assert told[-2][1] == ""
    assert told[-1][1]


async def test_a_workload_known_from_before_is_kept_with_its_next_look(database_url):
    async with opened(database_url) as database:
        await put(database, Ledger(), workload(1))
        async with database.writing() as session:
            connection = await session.connection()
            await connection.exec_driver_sql("UPDATE workload SET shown = ''")
            await connection.exec_driver_sql("DELETE FROM state_change")
        await put(database, Ledger(), workload(1, at=later(minutes=5)))
        assert [at for (at,) in await rows(database, STATE_CHANGE, "at")] == [later(minutes=5)]


def test_a_document_is_small_and_says_what_the_board_shows():
    broken = Pod("web-9", "2", True, PodCondition.FAILING, "OOMKilled", "Ran out of memory", 4)
    problem = Problem("oom", "OOMKilled", "Ran out of memory", 1, NOW, "x" * 5000)
    seen = state(
        Phase.PROGRESSING,
        "2",
        stable=revision("1"),
        pods=(*(pod(n) for n in range(300)), broken),
        counts=PodCounts(301, 1, 300, 300, 301),
        problems=(problem,),
        step_index=0,
    )
    fact = workload(1, seen)
    text = shown.encode(fact, history.fold(fact.key, None, fact.state, NOW).snapshot)
    assert len(text) < 1500
    back = shown.decode(text, fact.place, NOW)
    assert (back.place, back.state.phase, back.state.step_index) == (fact.place, Phase.PROGRESSING, 0)
    assert back.state.revision
    assert back.state.stable
    assert (back.state.revision.version, back.state.stable.version) == ("v2", "v1")
    assert back.state.pods[0] == broken
    assert len(back.state.pods) == 301
    assert back.state.counts == seen.counts
    assert back.state.problems[0].message == problem.message
    odd = shown.decode('{"state": 3}', fact.place, NOW)
    assert odd.state.phase is Phase.UNKNOWN
    assert odd.place == fact.place


async def test_freshness_is_kept_by_its_changes_and_silence_ends_a_watch(database_url):
    async with opened(database_url) as database:
        ledger = Ledger()
        for seconds in (0, 15, 30, 45, 60):
            await put(database, ledger, heard(later(seconds=seconds)))
        await put(database, ledger, heard(later(seconds=70), Freshness.STALE, message="Nothing heard."))
        await put(database, Ledger(), heard(later(minutes=9)))
        await put(database, ledger, heard(later(minutes=10)), SourcesNamed("east", frozenset({"none"})))
        told = await rows(database, SOURCE_CHANGE, "at", "freshness")
        watches = await rows(database, WATCH, "began_at", "last_at")
    assert told == [
        (NOW, "live"),
        (later(seconds=70), "stale"),
        (later(minutes=9), "live"),
        (told[3][0], ""),
    ]
    assert told[3][0] >= later(minutes=9)
    assert [began for began, _ in watches] == [NOW, later(minutes=9)]
    assert later(seconds=30) <= watches[0][1] <= later(seconds=70)


async def test_prune_keeps_the_state_that_held_at_the_horizon(database_url):
    async with opened(database_url) as database:
        ledger = Ledger()
        for day, progress in enumerate((10, 20, 30, 40)):
            seen = state(Phase.PROGRESSING, "2", stable=revision("1"), progress=progress)
            await put(database, ledger, workload(1, seen, at=later(days=day)))
            await put(
                database, ledger, heard(later(days=day), Freshness.LIVE if day % 2 else Freshness.STALE)
            )
        await prune(database, later(days=2, hours=12), batch=1, pause=0)
        assert [at for (at,) in await rows(database, STATE_CHANGE, "at")] == [later(days=2), later(days=3)]
        assert [at for (at,) in await rows(database, SOURCE_CHANGE, "at")] == [later(days=2), later(days=3)]
        assert [at for (at,) in await rows(database, WATCH, "began_at")] == [later(days=3)]
