"""Facts become rows, topics name what really changed, and remembering makes no difference but to speed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text

from app.domain.facts import Fact, SourceObserved, SourcesNamed, WorkloadGone, WorkloadsListed
from app.domain.freshness import Freshness
from app.domain.names import Place, Topic
from app.domain.rollout import Caution, CautionKind, Phase, RolloutState
from app.store import mapping
from app.store.db import Database
from app.store.ledger import Ledger
from app.store.tables import EVENT, LOGTAIL, ROLLOUT, SOURCE, TRANSITION, WORKLOAD
from tests.store.looks import NOW, log, opened, revision, state, warning, workload

pytestmark = pytest.mark.anyio
SOURCE_SEEN = SourceObserved("east", "Pod", "", Freshness.LIVE, NOW, NOW, unreadable=("a/b: too odd",))


@pytest.fixture(params=[True, False], ids=["remembering", "asking"])
def ledger(request) -> Ledger:
    return Ledger(remember=request.param)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


async def record(database: Database, ledger: Ledger, *facts: Fact) -> frozenset[Topic]:
    async with database.writing() as session:
        return await ledger.record(session, facts)


async def rows(database: Database, table) -> list:
    async with database.reading() as connection:
        return list(await connection.execute(select(table).order_by(*table.primary_key.columns)))


async def test_look_is_stored_once_and_told_once(database_url, ledger):
    look = workload(1, pods=2)
    async with opened(database_url) as database:
        assert await record(database, ledger, look) == {("workload", "east:u1")}
        assert await record(database, ledger, replace(look, seen_at=at(5))) == frozenset()
        (row,) = await rows(database, WORKLOAD)
    assert (row.key, row.phase, row.attention, row.version, row.seen_at) == (
        "east:u1",
        "idle",
        "good",
        "v1",
        NOW,
    )
    assert row.since == revision("1").created_at


async def test_warning_is_one_row_that_counts_up_and_redraws_its_workload(database_url, ledger):
    async with opened(database_url) as database:
        told = [
            await record(database, ledger, workload(1), warning(1)),
            await record(database, ledger, warning(1, times=4, at=at(9))),
            await record(database, ledger, warning(2, "e2")),  # of a workload that nobody knows
        ]
        (row,) = await rows(database, EVENT)
    assert told == [{("workload", "east:u1")}, {("workload", "east:u1")}, frozenset()]
    assert (row.key, row.about, row.times, row.first_at, row.last_at) == (
        "east:e1",
        "Pod/web-1",
        4,
        NOW,
        at(9),
    )


def killed(pods: str) -> tuple[Caution, ...]:
    return (Caution(CautionKind.KILLED, "killed", len(pods), who=tuple(pods)),) if pods else ()


async def test_old_pods_that_end_badly_are_counted_in_their_rollout_also_after_it(database_url, ledger):
    moving = state(Phase.PROGRESSING, "2", stable=revision("1"))
    overran = Caution(CautionKind.OVERRAN, "overran", 1, who=("f",))
    looks = [state(), moving, *(replace(moving, cautions=killed(pods)) for pods in ("ab", "b", "bc", ""))]
    looks += [state(key="2"), state(key="2", cautions=(*killed("d"), overran))]
    looks += [replace(looks[-1], message="the same pods as before")]
    looks += [state(Phase.PROGRESSING, "3", stable=revision("2"), cautions=killed("e"))]
    async with opened(database_url) as database:
        for n, look in enumerate(looks):
            await record(database, ledger, workload(1, look, at=at(n)))
        found = [(r.to_revision, r.killed, r.overran) for r in await rows(database, ROLLOUT)]
    assert sorted(found) == [("2", 4, 1), ("3", 0, 0)]


async def test_log_replaces_the_one_before_of_the_same_container(database_url, ledger):
    async with opened(database_url) as database:
        await record(database, ledger, workload(1), log(1, "one"), log(1, "sidecar", container="proxy"))
        assert await record(database, ledger, log(1, "two\nlines", at=at(9))) == {("workload", "east:u1")}
        assert await record(database, ledger, log(2)) == frozenset()
        kept = [(row.container, row.text, row.read_at) for row in await rows(database, LOGTAIL)]
    assert kept == [("proxy", "sidecar", NOW), ("web", "two\nlines", at(9))]


async def test_move_writes_transitions_and_one_rollout(database_url, ledger):
    moving = state(Phase.PROGRESSING, "2", stable=revision("1"))
    async with opened(database_url) as database:
        await record(database, ledger, workload(1, state()))
        begun = await record(database, ledger, workload(1, moving, at=at(1)))
        await record(database, ledger, workload(1, replace(moving, progress=50), at=at(2)))
        ended = await record(database, ledger, workload(1, state(key="2"), at=at(3)))
        (rollout,) = await rows(database, ROLLOUT)
        transitions = await rows(database, TRANSITION)
        (row,) = await rows(database, WORKLOAD)
    assert begun == ended == {("workload", "east:u1"), ("rollout", rollout.id)}
    assert (rollout.from_version, rollout.to_version, rollout.outcome) == ("v1", "v2", "promoted")
    assert (rollout.started_at, rollout.ended_at) == (at(1), at(3))
    assert [(t.before, t.after, t.at) for t in transitions] == [
        ("idle", "progressing", at(1)),
        ("progressing", "idle", at(3)),
    ]
    assert (row.landed_at, row.since, row.rollout) == (at(3), at(3), None)


async def test_how_old_pods_ended_is_kept_until_the_next_revision(database_url, ledger):
    proof = Caution(CautionKind.KILLED, "Old pods were killed", 1, at(1), ("web-1",))
    async with opened(database_url) as database:

        async def cautions(seen: RolloutState, seconds: float) -> tuple[Caution, ...]:
            await record(database, ledger, workload(1, seen, at=at(seconds)))
            (row,) = await rows(database, WORKLOAD)
            return mapping.decode_state(row.state).cautions

        assert await cautions(state(cautions=(proof,)), 1) == (proof,)
        assert await cautions(state(progress=90), 2) == (proof,)
        assert await cautions(state(Phase.PROGRESSING, "2", stable=revision("1")), 3) == ()


async def test_several_looks_in_one_batch_are_folded_in_order(database_url, ledger):
    moving = state(Phase.PROGRESSING, "2", stable=revision("1"))
    batch = [workload(1, state()), workload(1, moving, at=at(1)), workload(1, state(key="2"), at=at(2))]
    async with opened(database_url) as database:
        await record(database, ledger, *batch)
        assert [r.outcome for r in await rows(database, ROLLOUT)] == ["promoted"]
        assert len(await rows(database, TRANSITION)) == 2


async def test_new_place_alone_is_a_change(database_url, ledger):
    async with opened(database_url) as database:
        await record(database, ledger, workload(1))
        moved = replace(workload(1), place=Place("other", "staging", "crew"))
        assert await record(database, ledger, moved) == {("workload", "east:u1")}
        (row,) = await rows(database, WORKLOAD)
    assert (row.service, row.environment, row.team) == ("other", "staging", "crew")


async def test_gone_workload_ends_once_with_its_rollout_and_can_come_back(database_url, ledger):
    moving = workload(1, state(Phase.PROGRESSING, "2", stable=revision("1")))
    gone = WorkloadGone("east", "u1", at(9))
    async with opened(database_url) as database:
        assert await record(database, ledger, gone) == frozenset()
        await record(database, ledger, moving)
        assert {t.sort for t in await record(database, ledger, gone)} == {"workload", "rollout"}
        assert await record(database, ledger, replace(gone, seen_at=at(10))) == frozenset()
        assert [(r.outcome, r.ended_at) for r in await rows(database, ROLLOUT)] == [("aborted", at(9))]
        assert [(w.gone_at, w.rollout) for w in await rows(database, WORKLOAD)] == [(at(9), None)]
        assert Topic("workload", "east:u1") in await record(database, ledger, replace(moving, seen_at=at(20)))
        assert [w.gone_at for w in await rows(database, WORKLOAD)] == [None]


async def test_workload_that_comes_back_within_the_batch_stays(database_url, ledger):
    async with opened(database_url) as database:
        await record(database, ledger, workload(1))
        await record(database, ledger, WorkloadGone("east", "u1", at(1)), workload(1, at=at(2)))
        assert [w.gone_at for w in await rows(database, WORKLOAD)] == [None]
        assert await record(database, ledger, workload(1, at=at(3))) == frozenset()


@pytest.mark.parametrize("together", [True, False])
async def test_complete_list_ends_what_it_does_not_name(database_url, ledger, together):
    looks = [workload(n) for n in range(9)]  # numbers 0 and 7 are in namespace team-0
    other = replace(workload(50), ref=replace(workload(50).ref, kind="Rollout"))
    async with opened(database_url) as database:
        one = WorkloadsListed("east", "Deployment", "team-0", frozenset({"u7"}), at(1))
        if together:
            await record(database, ledger, *looks, other, one)
        else:
            await record(database, ledger, *looks, other)
            assert await record(database, ledger, one) == {("workload", "east:u0")}
        every = WorkloadsListed("east", "Deployment", "", frozenset({"u7", "u8"}), at(2))
        assert await record(database, ledger, every) == {("workload", f"east:u{n}") for n in range(1, 7)}
        assert [w.key for w in await rows(database, WORKLOAD) if not w.gone_at] == [
            "east:u50",
            "east:u7",
            "east:u8",
        ]


async def test_source_is_stored_when_it_changed_and_now_and_then_when_it_only_speaks(database_url, ledger):
    async with opened(database_url) as database:
        assert await record(database, ledger, SOURCE_SEEN) == {("source", "east/Pod/")}
        assert await record(database, ledger, replace(SOURCE_SEEN, seen_at=at(5))) == frozenset()
        later = at(10)
        assert await record(database, ledger, replace(SOURCE_SEEN, seen_at=later)) == {
            ("source", "east/Pod/")
        }
        (row,) = await rows(database, SOURCE)
        assert row.seen_at == later
        stale = replace(SOURCE_SEEN, freshness=Freshness.STALE, seen_at=at(60), message="No answer.")
        assert await record(database, ledger, stale) == {("source", "east/Pod/")}
        (row,) = await rows(database, SOURCE)
    assert (row.freshness, row.message, row.seen_at) == ("stale", "No answer.", at(60))


async def test_source_that_is_no_more_leaves_and_may_come_back(database_url, ledger):
    other = replace(SOURCE_SEEN, cluster="west")
    narrow = replace(SOURCE_SEEN, namespace="a")
    named = SourcesNamed("east", frozenset({narrow.key}))
    async with opened(database_url) as database:
        await record(database, ledger, SOURCE_SEEN, other)
        last_words = replace(SOURCE_SEEN, message="Not permitted.")
        assert await record(database, ledger, last_words, narrow, named) == {
            ("source", SOURCE_SEEN.key),
            ("source", narrow.key),
        }
        assert [row.key for row in await rows(database, SOURCE)] == [narrow.key, other.key]
        assert await record(database, ledger, named) == frozenset()
        assert await record(database, ledger, SOURCE_SEEN) == {("source", SOURCE_SEEN.key)}
        assert len(await rows(database, SOURCE)) == 3


async def test_hostile_text_is_stored_without_harm(database_url, ledger):
    hostile = state(message="nul \0, '; DROP TABLE workload; -- " + "x" * 9000)
    async with opened(database_url) as database:
        await record(database, ledger, workload(1, hostile))
        (row,) = await rows(database, WORKLOAD)
    assert row.message.startswith("nul  , '; DROP TABLE")
    assert len(row.message) == 500


async def test_order_of_unrelated_workloads_does_not_matter(database_url, ledger):
    moving = state(Phase.PROGRESSING, "2", stable=revision("1"))
    life = [state(), moving, replace(moving, phase=Phase.PAUSED), state(key="2")]
    looks = {n: [workload(n, seen, at=at(i)) for i, seen in enumerate(life)] for n in range(4)}
    orders = [
        [look for n in looks for look in looks[n]],
        [looks[n][i] for i in range(len(life)) for n in reversed(looks)],
    ]
    results = []
    async with opened(database_url) as database:
        for order in orders:
            await record(database, ledger, *order)
            found = [await rows(database, table) for table in (WORKLOAD, ROLLOUT, TRANSITION)]
            results.append([*map(list, found[:2]), sorted(row[1:] for row in found[2])])
            ledger.forget()
            async with database.writing() as session:
                for table in (TRANSITION, ROLLOUT, WORKLOAD):
                    await (await session.connection()).execute(table.delete())
    assert results[0] == results[1]
    assert len(results[0][2]) == 12


async def test_word_of_a_newer_version_does_not_stop_recording(database_url):
    async with opened(database_url) as database:
        await record(database, Ledger(), workload(1))
        async with database.writing() as session:
            change = text("UPDATE workload SET phase = 'levitating', state = '{\"phase\": \"levitating\"}'")
            await (await session.connection()).execute(change)
        assert await record(database, Ledger(), workload(1, at=at(1))) == {("workload", "east:u1")}
        assert [w.phase for w in await rows(database, WORKLOAD)] == ["idle"]
