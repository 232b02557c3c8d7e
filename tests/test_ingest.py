"""One door in: what was stored is told, after it was stored, and even if it could not be told at once."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.domain.errors import StoreUnavailable
from app.domain.names import Topic
from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.store.db import Database
from tests.store.looks import opened, revision, state, workload

pytestmark = pytest.mark.anyio
MOVING = workload(1, state(Phase.PROGRESSING, "2", stable=revision("1")))
TRAP = (
    "CREATE TABLE trap (on_change integer)",
    "INSERT INTO trap VALUES (1)",
    "CREATE TABLE parent (id integer PRIMARY KEY)",
    "CREATE TABLE child (parent integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
)
FAIL_AT_COMMIT = {
    "sqlite": (
        *TRAP,
        "CREATE TRIGGER late AFTER INSERT ON workload"
        " BEGIN INSERT INTO child SELECT on_change FROM trap; END",
    ),
    "postgresql": (
        *TRAP,
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO child SELECT on_change FROM trap; RETURN NULL; END $$",
        "CREATE TRIGGER late AFTER INSERT ON workload EXECUTE FUNCTION late()",
    ),
}
"""Make a commit fail after every statement went well, for as long as `trap` has a row."""


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


async def test_commit_that_fails_is_told_nothing_and_taken_again(database_url):
    live = Live()
    async with opened(database_url) as database:
        ingest = Ingest(database, live)
        await execute(database, *FAIL_AT_COMMIT[database.dialect])
        with live.listening() as listener:
            with pytest.raises(IntegrityError):
                await ingest([MOVING])
            assert await listener.changes(0) == frozenset()
            await execute(database, "DELETE FROM trap")
            # Whether such a commit took place cannot always be told, so its topics come with the next one.
            await ingest([])
            assert Topic("workload", "east:u1") in await listener.changes(1)
            await ingest([MOVING])
            assert {t.sort for t in await listener.changes(1)} == {"workload", "rollout"}


async def execute(database: Database, *statements: str) -> None:
    async with database.writing() as session:
        for statement in statements:
            await (await session.connection()).execute(text(statement))
