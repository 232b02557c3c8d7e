"""What one process publishes reaches the others; what may have been missed is looked at as a whole."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy import make_url, text

from app.domain.names import EVERYTHING, Topic
from app.live import Listener, Live
from app.store.notices import MOST, Notices, notices
from tests import postgres
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
_serial = itertools.count(1)


@pytest.fixture
def url(postgres_server, postgres_template) -> Iterator[str]:
    name = f"notices_{os.getpid()}_{next(_serial)}"
    with postgres.a_database(postgres_server, name, template=postgres_template) as url:
        yield url


@asynccontextmanager
async def process(url: str, beat: float = 5.0):
    """The parts of one process that tell and hear, and a listener that has heard that it hears."""
    async with opened(url) as database:
        live, telling = Live(), Notices(database, beat=beat)
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


async def test_what_one_publishes_the_others_hear_and_it_does_not_come_back(url):
    async with process(url) as (one, ours), process(url) as (_, theirs):
        many = {Topic("workload", f"cluster:{n:04}-ä-{'x' * 50}") for n in range(1000)}
        one.publish(many)
        assert await heard(theirs, lambda topics: len(topics) >= 1000) == many
        assert await heard(ours, lambda topics: bool(topics)) == many  # the publication itself
        one.publish([Topic("gate", "last")])
        assert await heard(theirs, lambda topics: bool(topics)) == {Topic("gate", "last")}
        assert await ours.changes(1.0) == {Topic("gate", "last")}


async def test_everything_is_looked_at_after_a_lost_connection(url):
    async with process(url) as (one, _), process(url) as (_, theirs):
        async with opened(url) as database, database.writing() as session:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            await (await session.connection()).execute(text(cut))
        await heard(theirs, lambda topics: EVERYTHING in topics)
        one.publish([Topic("gate", "x")])
        await heard(theirs, lambda topics: Topic("gate", "x") in topics)


async def test_everything_is_looked_at_when_another_falls_silent(url):
    async with process(url, beat=0.2) as (_, theirs):
        async with process(url, beat=0.2) as (one, _):
            one.publish([Topic("gate", "x")])
            await heard(theirs, lambda topics: Topic("gate", "x") in topics)
        await heard(theirs, lambda topics: EVERYTHING in topics)


async def test_notices_of_others_do_no_harm(url):
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with process(url) as (one, _), process(url) as (_, theirs):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for odd in ("", "{", '["x"]', '["x", [["a"]]]', "[1, 2]", "x" * 7999):
                connection.execute("SELECT pg_notify('shipboard', %s)", (odd,))
        one.publish([Topic("gate", "x")])
        assert await heard(theirs, bool) == {Topic("gate", "x")}


def test_notices_are_short_and_too_many_topics_are_everything():
    assert len(notices("i", [])) == 1
    several = notices("i", [Topic("workload", "ü" * 500 + str(n)) for n in range(100)])
    assert all(len(each.encode()) <= MOST for each in several)
    for odd in ([Topic("workload", "x" * 4000)], [Topic("workload", str(n)) for n in range(3000)]):
        assert notices("i", odd) == ['["i",[["everything",""]]]']
