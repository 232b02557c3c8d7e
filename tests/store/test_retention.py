"""Old history goes, in small batches; what is current stays."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.domain.ci import JobSeen, RunSeen
from app.domain.converge import mark
from app.domain.facts import Fact, WorkloadGone
from app.domain.rollout import Phase
from app.store.ci_tables import INBOX, JOB, RUN, RUN_SERVICE
from app.store.inbox import Inbox, Letter, Result
from app.store.ledger import Ledger, record
from app.store.retention import EVENTS, prune
from app.store.tables import EVENT, LOGTAIL, ROLLOUT, TRANSITION, WORKLOAD
from tests.store.looks import NOW, log, opened, revision, state, warning, workload

pytestmark = pytest.mark.anyio


async def test_only_the_newest_events_of_a_workload_are_kept(database_url):
    facts: list[Fact] = [workload(1), workload(2)]
    facts += [warning(1, f"e{n:03}", at=NOW + timedelta(seconds=n)) for n in range(EVENTS + 9)]
    facts += [warning(2, "other", at=NOW)]
    async with opened(database_url) as database:
        async with database.writing() as session:
            await record(session, facts)
        assert await prune(database, NOW - timedelta(days=30), batch=7, pause=0) == 9
        async with database.reading() as connection:
            kept = list(await connection.scalars(select(EVENT.c.key).order_by(EVENT.c.key)))
    assert kept == [*(f"east:e{n:03}" for n in range(9, EVENTS + 9)), "east:other"]


async def test_prune_deletes_what_is_old_and_leaves_what_is_current(database_url):
    moving = state(Phase.PROGRESSING, "2", stable=revision("1"))
    old, new = NOW - timedelta(days=40), NOW - timedelta(days=1)
    facts: list[Fact] = []
    for n in range(10):
        life = [state(), moving, state(key="2"), replace(moving, revision=revision("3"))]
        facts += [workload(n, seen, at=old + timedelta(minutes=i)) for i, seen in enumerate(life)]
    facts += [WorkloadGone("east", f"u{n}", old + timedelta(hours=1)) for n in range(4)]
    facts += [workload(9, state(key="3"), at=new), WorkloadGone("east", "u8", new)]
    facts += [log(9, at=new), log(7, at=old)]
    facts += [warning(9, f"e{n}", at=old if n else new) for n in range(9)]
    async with opened(database_url) as database:
        async with database.writing() as session:
            await record(session, facts)
        # 1 of 31 transitions and 1 of 9 warnings and 1 of 2 logs are new; of 20 rollouts 10 were promoted and 4
        # aborted long ago; 4 workloads are long gone. Of 44 states shown long ago 10 held to the last, and those of
        # what is gone go with it.
        assert await prune(database, NOW - timedelta(days=30), batch=7, pause=0) == 30 + 8 + 1 + 14 + 4 + 34
        assert await prune(database, NOW - timedelta(days=30), batch=7, pause=0) == 0
        tables = (TRANSITION, EVENT, LOGTAIL, ROLLOUT, WORKLOAD)
        async with database.reading() as connection:
            counts = [await connection.scalar(select(func.count()).select_from(table)) for table in tables]
            running = await connection.scalar(select(func.count()).where(ROLLOUT.c.ended_at.is_(None)))
    assert counts == [1, 1, 1, 6, 6]
    assert running == 4


async def test_what_ci_told_is_forgotten_with_the_rest_and_webhooks_sooner(database_url):
    async with opened(database_url) as database:
        inbox = Inbox(database)
        ages = {"old": 95, "week": 7, "new": 1}
        letters = [
            Letter("h", "github", "push", name, {}, name.encode(), NOW - timedelta(days=days))
            for name, days in ages.items()
        ]
        await asyncio.gather(*map(inbox.put, letters))
        taken = await inbox.take(10)
        await inbox.settle([Result(each.id, "done", facts=1) for each in taken], NOW)
        await inbox.put(Letter("h", "github", "push", "dead", {}, b"dead", NOW - timedelta(days=7)))
        (dead,) = await inbox.take(10)
        await inbox.settle([Result(dead.id, "dead", "odd")], NOW)
        seen = [
            RunSeen(
                provider="github",
                host="h",
                project="1",
                run=name,
                attempt=1,
                repo="h/r",
                mark=mark(0),
                created_at=NOW - timedelta(days=days),
            )
            for name, days in ages.items()
        ]
        jobs = [
            JobSeen(provider="github", host="h", job="1", run=run.key, repo="h/r", mark=mark(0))
            for run in seen
        ]
        async with database.writing() as session:
            await Ledger().record(session, [*seen, *jobs])
        await prune(database, NOW - timedelta(days=90), NOW, pause=0)
        async with database.reading() as connection:
            assert set(await connection.scalars(select(INBOX.c.delivery))) == {"new", "dead"}
            assert set(await connection.scalars(select(RUN.c.run))) == {"week", "new"}
            assert len(list(await connection.scalars(select(JOB.c.id)))) == 2
            assert len(list(await connection.scalars(select(RUN_SERVICE.c.run)))) == 2
