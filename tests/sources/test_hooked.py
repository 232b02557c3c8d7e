"""The inbox is worked off whatever is in it: in any order, with poison among it, and again after a crash."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.domain.audit import Act, Entry
from app.domain.errors import StoreUnavailable
from app.domain.facts import Fact, SourceObserved
from app.domain.freshness import Freshness
from app.domain.people import SYSTEM
from app.ingest import Ingest
from app.live import Live
from app.sources.hooked import Hook, Hooked
from app.store.ci_tables import INBOX, JOB, RUN, RUN_SERVICE
from app.store.db import Database
from app.store.inbox import Inbox, Letter
from app.store.tables import AUDIT, SOURCE
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHA = "c" * 40
REPOSITORY = {"id": 5, "html_url": "https://github.com/acme/cart", "full_name": "acme/cart"}


def at(minute: int) -> str:
    return (NOW + timedelta(minutes=minute)).isoformat()


def run(minute: int, status: str, conclusion: str | None = None, attempt: int = 1, ident: int = 7) -> Any:
    found = {"id": ident, "run_attempt": attempt, "name": "CI", "head_sha": SHA, "status": status}
    found |= {"conclusion": conclusion, "created_at": at(0), "updated_at": at(minute)}
    return {"workflow_run": found, "repository": REPOSITORY}


def job(minute: int, status: str, conclusion: str | None = None, ident: int = 70) -> Any:
    found = {"id": ident, "run_id": 7, "run_attempt": 1, "name": "unit tests", "status": status}
    found |= {"conclusion": conclusion, "started_at": at(minute), "head_sha": SHA}
    return {"workflow_job": found, "repository": REPOSITORY}


HISTORY = [
    ("workflow_run", run(0, "queued")),
    ("workflow_run", run(1, "in_progress")),
    ("workflow_job", job(2, "in_progress")),
    ("workflow_job", job(2, "completed", "failure")),
    ("workflow_run", run(5, "completed", "failure")),
    ("workflow_run", run(6, "queued", attempt=2)),
    ("workflow_run", run(9, "completed", "success", attempt=2)),
]


def letter(number: int, event: str, body: Any, hook: str = "acme", **more: Any) -> Letter:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Letter(hook, "github", event, f"d-{number}", {}, content, NOW, **more)


class Post:
    """An inbox with its worker."""

    def __init__(self, database: Database, door: Any = None) -> None:
        self.database, self.inbox = database, Inbox(database)
        self.ingest = door or Ingest(database, Live())
        self.now = NOW
        hooks = [Hook("acme", "github", ("github.com/acme/*",)), Hook("off", "github", ("h/r",), on=False)]
        self.worker = Hooked(self.inbox, self.ingest, hooks, clock=lambda: self.now)

    async def put(self, letters: Sequence[Letter]) -> None:
        await asyncio.gather(*map(self.inbox.put, letters))

    async def rows(self, table) -> list[Any]:
        async with self.database.reading() as connection:
            return list(await connection.execute(select(table).order_by(*table.primary_key)))

    async def states(self) -> dict[str, int]:
        query = select(INBOX.c.state, func.count()).group_by(INBOX.c.state)
        async with self.database.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}


@asynccontextmanager
async def posted(url: str, letters: Sequence[Letter] = (), door: Any = None) -> AsyncIterator[Post]:
    async with opened(url) as database:
        post = Post(database, door)
        await post.put(letters)
        yield post


async def test_history_ends_the_same_in_any_order_with_copies_and_replays(database_url):
    shuffles, outcomes = random.Random(3), []
    async with opened(database_url) as database:
        post = Post(database)
        for _ in range(4):
            async with database.writing() as session:
                for table in (JOB, RUN_SERVICE, RUN, INBOX):
                    await (await session.connection()).execute(table.delete())
            letters = [letter(n, *each) for n, each in enumerate(HISTORY)] * 3
            shuffles.shuffle(letters)
            for start in range(0, len(letters), 5):
                await post.put(letters[start : start + 5])
                await post.worker.work()
            assert await post.states() == {"done": len(HISTORY)}
            outcomes.append([await post.rows(table) for table in (RUN, JOB, RUN_SERVICE)])
    assert all(found == outcomes[0] for found in outcomes)
    runs = {row.attempt: (row.phase, row.outcome) for row in outcomes[0][0]}
    assert runs == {1: ("done", "failure"), 2: ("done", "success")}
    assert [(row.stage, row.outcome) for row in outcomes[0][1]] == [("unit", "failure")]


async def test_same_bytes_under_another_id_are_no_second_delivery(database_url):
    body = run(0, "queued")
    async with posted(
        database_url, [letter(1, "workflow_run", body), letter(2, "workflow_run", body)]
    ) as post:
        assert await post.states() == {"new": 1}


async def test_what_cannot_be_read_is_set_aside_with_the_reason_and_the_rest_goes_on(database_url):
    other = {**run(0, "queued"), "repository": {"id": 6, "html_url": "https://github.com/other/cart"}}
    letters = [
        letter(1, "workflow_run", b"[" * 500),
        letter(2, "workflow_run", other),
        letter(3, "workflow_run", {"zen": "odd", "repository": REPOSITORY}),
        letter(4, "star", {"repository": REPOSITORY}),
        letter(5, "workflow_run", run(1, "in_progress")),
        letter(6, "workflow_run", run(0, "queued"), hook="gone"),
    ]
    async with posted(database_url, letters) as post:
        await post.worker.work()
        found = {line.delivery: (line.state, line.reason) for line in await post.inbox.lines("", 10)}
        assert [state for state, _ in (found[f"d-{n}"] for n in range(1, 7))] == [
            *("dead", "dead", "dead", "ignored", "done", "dead")
        ]
        assert all(reason for state, reason in found.values() if state != "done")
        assert "outside what this hook may report for" in found["d-2"][1]
        assert len(await post.rows(RUN)) == 1


async def test_dead_letter_is_replayed_once_asked_and_a_live_one_is_not(database_url):
    other = {**run(0, "queued"), "repository": {"id": 6, "html_url": "https://github.com/other/cart"}}
    async with posted(database_url, [letter(1, "workflow_run", other)]) as post:
        await post.worker.work()
        (line,) = await post.inbox.lines("dead", 10)
        post.worker = Hooked(post.inbox, post.ingest, [Hook("acme", "github", ("github.com/*",))])
        entry = Entry.of(SYSTEM, "done", line.received_at, verb=Act.REPLAY)
        assert await post.inbox.replay(line.id, entry)
        assert not await post.inbox.replay(line.id, entry)
        assert len(await post.rows(AUDIT)) == 1
        await post.worker.work()
        assert await post.states() == {"done": 1}


async def test_what_fails_is_tried_three_times_and_stops_nobody(database_url):
    async with opened(database_url) as database:
        ingest = Ingest(database, Live())

        async def door(facts: Sequence[Fact]) -> None:
            if any(getattr(fact, "run", "") == "13" for fact in facts):
                raise LookupError("the thirteenth")
            await ingest(facts)

        post = Post(database, door)
        await post.put(
            [
                letter(1, "workflow_run", run(0, "queued", ident=13)),
                letter(2, "workflow_run", run(0, "queued")),
            ]
        )
        await post.worker.work()
        assert await post.states() == {"new": 1, "done": 1}
        await post.worker.work()
        await post.worker.work()
        (line,) = await post.inbox.lines("dead", 10)
        assert (line.tries, line.reason) == (3, "LookupError: the thirteenth")


async def test_database_that_takes_nothing_loses_nothing(database_url):
    async with opened(database_url) as database:
        ingest, down = Ingest(database, Live()), True

        async def door(facts: Sequence[Fact]) -> None:
            if down:
                raise StoreUnavailable("The change was not stored.")
            await ingest(facts)

        post = Post(database, door)
        await post.put([letter(n, *each) for n, each in enumerate(HISTORY)])
        with pytest.raises(StoreUnavailable):
            await post.worker.work()
        assert await post.states() == {"new": len(HISTORY)}
        down = False
        await post.worker.work()
        assert await post.states() == {"done": len(HISTORY)}


async def test_worker_is_rung_by_what_arrives(database_url):
    async with posted(database_url) as post:
        working = asyncio.create_task(post.worker.run())
        try:
            await post.put([letter(n, *each) for n, each in enumerate(HISTORY)])
            async with asyncio.timeout(10):
                while await post.states() != {"done": len(HISTORY)}:
                    await asyncio.sleep(0.01)
        finally:
            working.cancel()
            await asyncio.wait([working])


async def test_hook_tells_when_it_was_heard_last_and_since_when_it_is_silent(database_url):
    async with posted(database_url) as post:

        async def told() -> dict[str, Any]:
            await post.worker.report()
            return {row.cluster: row for row in await post.rows(SOURCE)}

        found = await told()
        assert (found["github/acme"].freshness, found["github/acme"].message) == (
            "unknown",
            "No webhook has come yet.",
        )
        assert "no secret" in found["github/off"].message
        await post.put([letter(1, "workflow_run", run(0, "queued")), letter(2, "workflow_run", b"?")])
        await post.worker.work()
        row = (await told())["github/acme"]
        assert (row.freshness, row.contact_at, row.errors) == (Freshness.LIVE, NOW, 1)
        assert row.message == "One webhook is set aside: GET /api/v1/inbox?state=dead."
        post.now = NOW + timedelta(hours=30)
        row = (await told())["github/acme"]
        assert row.freshness == Freshness.STALE
        assert row.message.startswith("Webhooks silent since 2026-11-25 12:00 UTC.")


async def test_sources_of_hooks_are_sources_of_the_ledger(database_url):
    async with posted(database_url) as post:
        seen: list[Fact] = []

        async def door(facts: Sequence[Fact]) -> None:
            seen.extend(facts)

        post.worker = Hooked(post.inbox, door, [Hook("a", "gitlab", ("h/r",))])
        await post.worker.report()
        assert [fact.key for fact in seen if isinstance(fact, SourceObserved)] == ["gitlab/a/webhooks/"]
