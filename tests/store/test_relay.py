"""What one process publishes reaches the others; what may have been missed is looked at as a whole."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy import make_url, text

from app.domain.names import EVERYTHING, Topic
from app.live import Listener, Live
from app.store.relay import MOST, Relay, hints
from tests.store.looks import opened

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def process(url: str, beat: float = 5.0):
    """The parts of one process that tell and hear, and a listener that has heard that it hears."""
    async with opened(url) as database:
        live, telling = Live(), Relay(database, beat=beat)
        live.relay = telling.tell
        with live.listening() as listener:
            task = asyncio.create_task(telling.run(live.hear))
            try:
                await heard(listener, lambda topics: EVERYTHING in topics)
                yield live, listener
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def heard(listener: Listener, enough: Callable[[set[Topic]], bool]) -> set[Topic]:
    """All that came until it was enough."""
    topics: set[Topic] = set()
    async with asyncio.timeout(60):
        while not enough(topics):
            topics |= await listener.changes(1.0)
    return topics


async def test_what_one_publishes_the_others_hear_and_it_does_not_come_back(postgres_url):
    async with process(postgres_url) as (one, ours), process(postgres_url) as (_, theirs):
        many = {Topic("workload", f"cluster:{n:04}-ä-{'x' * 50}") for n in range(1000)}
        one.publish(many)
        assert await heard(theirs, lambda topics: len(topics) >= 1000) == many
        assert await heard(ours, lambda topics: bool(topics)) == many  # the publication itself
        one.publish([Topic("gate", "last")])
        assert await heard(theirs, lambda topics: bool(topics)) == {Topic("gate", "last")}
        assert await ours.changes(1.0) == {Topic("gate", "last")}


async def test_everything_is_looked_at_after_a_lost_connection(postgres_url):
    async with process(postgres_url) as (one, _), process(postgres_url) as (_, theirs):
        async with opened(postgres_url) as database, database.writing() as session:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            await (await session.connection()).execute(text(cut))
        await heard(theirs, lambda topics: EVERYTHING in topics)
        one.publish([Topic("gate", "x")])
        await heard(theirs, lambda topics: Topic("gate", "x") in topics)


async def test_everything_is_looked_at_when_another_falls_silent(postgres_url):
    async with process(postgres_url, beat=0.2) as (_, theirs):
        async with process(postgres_url, beat=0.2) as (one, _):
            one.publish([Topic("gate", "x")])
            await heard(theirs, lambda topics: Topic("gate", "x") in topics)
        await heard(theirs, lambda topics: EVERYTHING in topics)


async def test_hints_of_others_do_no_harm(postgres_url):
    dsn = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with process(postgres_url) as (one, _), process(postgres_url) as (_, theirs):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for odd in ("", "{", '["x"]', '["x", [["a"]]]', "[1, 2]", "x" * 7999):
                connection.execute("SELECT pg_notify('shipboard', %s)", (odd,))
        one.publish([Topic("gate", "x")])
        assert await heard(theirs, bool) == {Topic("gate", "x")}


def test_hints_are_short_and_too_many_topics_are_everything():
    assert len(hints("i", [])) == 1
    several = hints("i", [Topic("workload", "ü" * 500 + str(n)) for n in range(100)])
    assert all(len(each.encode()) <= MOST for each in several)
    for odd in ([Topic("workload", "x" * 4000)], [Topic("workload", str(n)) for n in range(3000)]):
        assert hints("i", odd) == ['["i",[["everything",""]]]']
