"""One door in: what was stored is told, after it was stored, and even if it could not be told at once."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from app.domain.errors import StoreUnavailable
from app.domain.names import Topic
from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.store.db import Database
from tests import postgres
from tests.store.looks import opened, revision, state, workload

pytestmark = pytest.mark.anyio
MOVING = workload(1, state(Phase.PROGRESSING, "2", stable=revision("1")))
FAIL_AT_COMMIT = """
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'connection lost' USING ERRCODE = '08006'; END $$
"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON workload
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose()
"""


async def test_what_is_told_can_be_read(database_url):
    live = Live()
    async with opened(database_url) as database:
        ingest, fleet = Ingest(database, live), Fleet(database)
        with live.listening() as listener:
            await ingest([workload(1), workload(2)])
            topics = await listener.changes(1)
            await fleet.refresh(topics)
            assert set(fleet.workloads) == {key for _, key in topics} == {"east:u1", "east:u2"}
            await ingest([workload(1)])
            assert await listener.changes(0) == frozenset()


async def test_failed_unit_of_work_is_told_nothing_and_taken_again(tmp_path):
    file, live = tmp_path / "shipboard.db", Live()
    async with opened(f"sqlite:///{file}") as database:
        ingest = Ingest(database, live)
        await execute(database, "PRAGMA busy_timeout = 50")
        await ingest([workload(1, state())])
        with live.listening() as listener:
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreUnavailable):
                    await ingest([MOVING])
                assert await listener.changes(0) == frozenset()
            await ingest([MOVING])
            assert {t.sort for t in await listener.changes(1)} == {"workload", "rollout"}


async def test_commit_of_unknown_outcome_is_told_with_the_next(postgres_server):
    live = Live()
    with postgres.a_database(postgres_server, "commit") as url:
        async with opened(url) as database:
            ingest = Ingest(database, live)
            await execute(database, FAIL_AT_COMMIT, TRIGGER)
            with live.listening() as listener:
                with pytest.raises(StoreUnavailable, match="lost"):
                    await ingest([MOVING])
                assert await listener.changes(0) == frozenset()
                await execute(database, "DROP TRIGGER late ON workload")
                await ingest([])
                assert Topic("workload", "east:u1") in await listener.changes(1)
                await ingest([MOVING])
                assert {t.sort for t in await listener.changes(1)} == {"workload", "rollout"}


async def execute(database: Database, *statements: str) -> None:
    async with database.writing() as session:
        for statement in statements:
            await (await session.connection()).execute(text(statement))
