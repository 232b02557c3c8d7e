"""The past of a name, on both databases: rollouts with their stages, what is usual, and beginning anew."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.facts import WorkloadGone, WorkloadObserved
from app.domain.rollout import Outcome, Phase, Step, StepState
from app.ingest import Ingest
from app.live import Live
from app.read import past
from app.read.fleet import Fleet
from app.read.past import EVENTS, SHOWN, Told
from app.store.db import Database
from tests.store.looks import NOW, log, opened, revision, state, warning, workload

pytestmark = pytest.mark.anyio
STEPS = (Step("weight", "25 %", StepState.DONE, 25), Step("pause", "pause", StepState.NOW))


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def moved(key: str, minutes: float, took: float) -> list[WorkloadObserved]:
    """A rollout to `key` that began at `minutes`."""
    return [
        workload(1, state(Phase.PROGRESSING, key, stable=revision("1")), at=at(minutes)),
        workload(1, state(key=key), at=at(minutes + took)),
    ]


async def told(database: Database, *facts) -> Told:
    await Ingest(database, Live())(facts)
    async with database.reading() as connection:
        return await past.told(connection, workload(1).ref)


async def test_name_that_never_was_has_no_past(database_url):
    async with opened(database_url) as database:
        assert await told(database) == Told()


async def test_rollout_has_its_stages_with_their_lengths(database_url):
    canary: dict[str, Any] = {"stable": revision("1"), "steps": STEPS}
    looks = [
        workload(1, state()),
        workload(1, state(Phase.PROGRESSING, "2", step_index=0, **canary), at=at(1)),
        workload(1, state(Phase.AWAITING_APPROVAL, "2", step_index=1, **canary), at=at(3)),
    ]
    async with opened(database_url) as database:
        (running,) = (await told(database, *looks)).rollouts
        assert (running.seconds, running.waited) == (None, None)
        (over,) = (await told(database, workload(1, state(key="2"), at=at(10)))).rollouts
    assert [(s.label, s.phase, s.ended_at) for s in over.stages] == [
        ("25 %", Phase.PROGRESSING, at(3)),
        ("25 %", Phase.AWAITING_APPROVAL, at(10)),
    ]
    assert (over.seconds, over.waited) == (540, 420)


async def test_course_of_the_newest_rollout_is_kept_while_something_moves(database_url):
    def look(
        ready: int, minutes: float, phase: Phase = Phase.PROGRESSING, message: str = ""
    ) -> WorkloadObserved:
        new = replace(revision("2"), ready=ready)
        seen = state(phase, "2", revision=new, stable=revision("1"), message=message)
        return workload(1, seen, at=at(minutes))

    async with opened(database_url) as database:
        quiet = await told(
            database, workload(1, state()), workload(1, state(message="other words"), at=at(0.5))
        )
        assert quiet.course == ()
        found = await told(database, look(0, 1), look(1, 2), look(1, 3, message="other words"), look(3, 4))
        assert [(one.at, one.new) for one in found.course] == [(at(1), 0), (at(2), 1), (at(4), 3)]
        over = await told(database, look(3, 5, Phase.IDLE), look(2, 6, Phase.IDLE))
        assert [one.at for one in over.course] == [at(1), at(2), at(4), at(5)]
        await told(database, look(2, 7))
        again = await told(database, *moved("3", 8, 1))
        assert [one.at for one in again.course] == [at(8), at(9)]


async def test_usual_is_told_of_what_landed(database_url):
    async with opened(database_url) as database:
        found = await told(
            database, workload(1, state()), *moved("2", 1, 2), *moved("3", 10, 4), *moved("4", 20, 9)
        )
    assert found.typical
    assert (found.typical.seconds, found.typical.count) == (240, 3)
    assert [p.rollout.to_version for p in found.rollouts] == ["v4", "v3", "v2"]


async def test_created_anew_under_the_same_name_shows_both_lives(database_url):
    ref = workload(1).ref
    again = [replace(workload(9, fact.state, at=fact.seen_at), ref=ref) for fact in moved("2", 60, 3)]
    first = [workload(1, state()), *moved("2", 1, 2), WorkloadGone("east", "u1", at(50))]
    async with opened(database_url) as database:
        assert (await told(database, *first)).gone_at == at(50)
        found = await told(database, *again)
    new, old = found.rollouts
    assert (new.recreated, new.deleted_at, old.recreated) == (True, at(50), False)
    assert (found.gone_at, found.known, found.total) == (None, True, 2)


async def test_warnings_of_every_life_are_kept_newest_first(database_url):
    again = replace(workload(9), ref=workload(1).ref)
    old = [warning(1, f"a{n:02}", at=at(n)) for n in range(EVENTS)]
    facts = [workload(1), *old, WorkloadGone("east", "u1", at(50)), again, warning(9, "b", at=at(60))]
    async with opened(database_url) as database:
        found = (await told(database, *facts)).events
    assert [w.last_at for w in found] == [at(60), *(at(n) for n in range(EVENTS - 1, 0, -1))]
    assert found[0].message == "Back-off, b"


async def test_logs_are_told_of_the_life_that_is(database_url):
    again = replace(workload(9), ref=workload(1).ref)
    async with opened(database_url) as database:
        (first,) = (await told(database, workload(1), log(1, "one"))).logs
        assert (first.container, first.text, first.read_at) == ("web", "one", NOW)
        assert not (await told(database, WorkloadGone("east", "u1", at(5)), again)).logs


async def test_only_the_latest_are_read_and_all_are_counted(database_url):
    looks = [look for n in range(SHOWN + 3) for look in moved(str(n + 2), 10 * n + 1, 2)]
    async with opened(database_url) as database:
        found = await told(database, workload(1, state()), *looks)
    assert (len(found.rollouts), found.total) == (SHOWN, SHOWN + 3)


async def test_one_rollout_is_found_by_its_id(database_url):
    async with opened(database_url) as database:
        (rollout,) = (await told(database, workload(1, state()), *moved("2", 1, 2))).rollouts
        async with database.reading() as connection:
            assert await past.one(connection, "none") is None
            assert await past.one(connection, rollout.rollout.id) == (workload(1).ref, rollout)


async def test_what_is_followed_is_kept_up_until_it_is_let_go(database_url):
    async with opened(database_url) as database:
        live = Live()
        ingest, fleet = Ingest(database, live), Fleet(database)
        await ingest([workload(1, state())])
        await fleet.load()
        kept = await fleet.follow(workload(1).ref)
        with live.listening() as listener:
            await ingest(moved("2", 1, 2)[:1])
            await fleet.refresh(await listener.changes(1))
            assert [p.rollout.outcome for p in kept.told.rollouts] == [None]
            await ingest(moved("2", 1, 2)[1:])
            await fleet.refresh(await listener.changes(1))
        assert [p.rollout.outcome for p in kept.told.rollouts] == [Outcome.PROMOTED]
        assert fleet.past(workload(1).ref) is kept
        del kept
        assert fleet.past(workload(1).ref) is None
