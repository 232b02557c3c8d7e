"""The database opens, or says why not; it is written by one and read by many; trouble has one name."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from app.domain.errors import DatabaseRefused, StoreUnavailable
from app.store import schema
from app.store.db import Database
from app.store.sqlite import back_up
from tests import postgres
from tests.databases import fresh
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


async def refused(url: str, **options) -> str:
    with pytest.raises(DatabaseRefused) as refusal:
        await Database.open(url, **options)
    assert refusal.value.what
    assert refusal.value.why
    assert refusal.value.todo
    return str(refusal.value)


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return await connection.scalar(text("SELECT count(*) FROM source")) or 0


async def add(database: Database, number: int, size: int = 1) -> None:
    async with database.writing() as session:
        await (await session.connection()).execute(
            text(
                "INSERT INTO source VALUES (:key, 'c', 'k', '', 'live', NULL, '2026-10-01 12:00:00', :text,"
                " 0, 0, 0, 0, 0, '[]', true)"
            ),
            {"key": f"k{number}", "text": "x" * size},
        )


async def test_written_rows_are_read_and_survive_reopening(database_url):
    async with opened(database_url) as database:
        await add(database, 1)
        assert await count(database) == 1
    async with opened(database_url) as database:
        assert await count(database) == 1


async def test_unit_of_work_that_fails_leaves_nothing(database_url):
    async with opened(database_url) as database:
        with pytest.raises(LookupError):
            await add_and_fail(database)
        assert await count(database) == 0


async def add_and_fail(database: Database) -> None:
    async with database.writing() as session:
        await (await session.connection()).execute(text("DELETE FROM source"))
        raise LookupError


async def test_reading_cannot_write(database_url):
    async with opened(database_url) as database:
        with pytest.raises(StoreUnavailable, match=r"readonly|read-only"):
            async with database.reading() as connection:
                await connection.execute(text("DELETE FROM source"))
        await add(database, 1)


async def test_reading_sees_one_moment(database_url):
    async with opened(database_url) as database:
        async with database.reading() as connection:
            before = await connection.scalar(text("SELECT count(*) FROM source"))
            await add(database, 1)
            assert await connection.scalar(text("SELECT count(*) FROM source")) == before
        assert await count(database) == 1


async def test_many_writers_take_turns(database_url):
    async with opened(database_url) as database:
        await asyncio.gather(*(add(database, n) for n in range(30)))
        assert await count(database) == 30


async def test_unit_of_work_within_another_is_refused_at_once(database_url):
    async with opened(database_url) as database:
        async with database.writing():
            with pytest.raises(RuntimeError, match="within another"):
                await add(database, 1)
        await add(database, 2)
        assert await count(database) == 1


async def test_empty_database_is_made_current(empty_database_url):
    async with opened(empty_database_url) as database:
        await add(database, 1)


async def test_newer_schema_is_refused(database_url):
    async with opened(database_url) as database, database.writing() as session:
        await (await session.connection()).execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer Shipboard" in await refused(database_url)


async def test_foreign_database_is_refused(empty_database_url):
    url = make_url(empty_database_url)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as connection:
            connection.execute("CREATE TABLE workload (x)")
    else:
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(False)) as connection:
            connection.execute("CREATE TABLE workload (x int)")
    assert "not Shipboard's" in await refused(empty_database_url)


@pytest.mark.parametrize("url", ["mysql://h/x", "sqlite://", "sqlite:///:memory:", "no url", ""])
async def test_other_urls_are_refused(url):
    await refused(url)


async def test_several_processes_may_share_postgresql(postgres_server):
    with postgres.a_database(postgres_server, "shared") as url:
        one, two = await asyncio.gather(Database.open(url), Database.open(url))
        await add(one, 1)
        assert await count(two) == 1
        await one.close()
        await two.close()


async def test_cancelled_writers_and_readers_leave_the_database_usable(database_url):
    async with opened(database_url) as database:
        for turns in range(1, 40):
            tasks = [asyncio.create_task(add(database, turns)), asyncio.create_task(count(database))]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await add(database, 0)
        assert 1 <= await count(database) <= 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "/nonexistent"}, "No such file"),
        ({"database": "absent"}, "createdb"),
        ({"username": "nobody-known"}, "Create the user"),
    ],
)
async def test_postgresql_out_of_reach_is_refused_without_the_password(postgres_server, change, said):
    url = postgres_server.set(password="hunter2")
    if host := change.pop("host", None):
        url = url.update_query_dict({"host": host})
    message = await refused(url.set(**change).render_as_string(hide_password=False))
    assert said in message
    assert "hunter2" not in message


async def test_connection_killed_by_the_server_heals(postgres_template, postgres_server):
    url = postgres_server.set(database=postgres_template).render_as_string(hide_password=False)
    async with opened(url) as database:
        with pytest.raises(StoreUnavailable):
            await die(database)
        assert await count(database) == 0


async def die(database: Database) -> None:
    async with database.writing() as session:
        await (await session.connection()).execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


# A SQLite file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    fresh(tmp_path, "shipboard.db")
    return tmp_path / "shipboard.db"


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


async def test_missing_file_is_made_once_and_then_refused(tmp_path):
    file = tmp_path / "shipboard.db"
    await (await Database.open(url_of(file))).close()
    file.unlink()
    assert "is missing" in await refused(url_of(file))
    assert not file.exists()
    async with opened(url_of(file), new=True) as database:
        assert await count(database) == 0


@pytest.mark.parametrize("how", ["cut to nothing", "another, empty database"])
async def test_file_that_lost_its_tables_is_refused(file, how):
    await (await Database.open(url_of(file))).close()
    file.write_bytes(b"")
    if how == "another, empty database":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("VACUUM")
    assert "is empty" in await refused(url_of(file))


async def test_missing_directory_is_refused(tmp_path):
    assert "does not exist" in await refused(url_of(tmp_path / "no" / "x.db"))


async def test_directory_that_cannot_be_written_is_refused():
    assert "cannot be written to" in await refused("sqlite:////proc/x.db")


@pytest.mark.parametrize("content", [b"not a database at all\n" * 500, b"SQLite format 3\0" + bytes(5000)])
async def test_what_is_no_database_is_refused_and_not_touched(tmp_path, content):
    file = tmp_path / "shipboard.db"
    file.write_bytes(content)
    assert "damaged or not a SQLite database" in await refused(url_of(file))
    assert file.read_bytes() == content


async def test_damaged_page_is_refused(file):
    async with opened(url_of(file)) as database:
        for n in range(20):
            await add(database, n, size=3000)
    content = bytearray(file.read_bytes())
    content[-12000:-8000] = b"\xa5" * 4000
    file.write_bytes(content)
    assert "damaged" in await refused(url_of(file))


async def test_file_in_use_is_refused_and_free_after_closing(file):
    async with opened(url_of(file)):
        assert "in use" in await refused(url_of(file))
    async with opened(url_of(file)):
        pass


def test_older_schema_must_be_upgraded():
    assert schema.must_upgrade("x", "0001", empty=False, known=("0001", "0002"))
    assert not schema.must_upgrade("x", "0002", empty=False, known=("0001", "0002"))


async def test_backup_holds_what_the_database_holds(file):
    async with opened(url_of(file)) as database:
        await add(database, 1)
    with closing(sqlite3.connect(file)) as connection:
        connection.isolation_level = None
        back_up(file, connection, "0001")
        connection.execute("DELETE FROM source")
    with closing(sqlite3.connect(file.with_name("shipboard.db.schema-0001"))) as backup:
        assert backup.execute("SELECT count(*) FROM source").fetchone() == (1,)
        back_up(file, backup, "0001")  # a second attempt replaces the first backup


SECOND = """
import asyncio, sys
from app.store.db import Database
from app.store.sqlite import back_up
from tests.store.test_db import add
async def main():
    database = await Database.open(sys.argv[1])
    for n in range(100_000):
        await add(database, n, size=2000)
        print(n, flush=True)
asyncio.run(main())
"""


async def test_killed_writer_leaves_a_clean_file_and_all_it_acknowledged(file):
    process = subprocess.Popen(  # noqa: ASYNC220 (nothing else runs in this loop)
        [sys.executable, "-c", SECOND, url_of(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        acknowledged = 0
        for line in process.stdout:
            acknowledged = int(line) + 1
            if acknowledged == 1:
                assert f"Process {process.pid} has it open" in await refused(url_of(file))
            if acknowledged == 50:
                break
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
    finally:
        process.kill()
        process.communicate()
    acknowledged = max([acknowledged, *(int(line) + 1 for line in rest if line.isdigit())])
    async with opened(url_of(file)) as database:
        assert await count(database) in (acknowledged, acknowledged + 1)
        async with database.reading() as connection:
            assert await connection.scalar(text("PRAGMA integrity_check")) == "ok"


async def test_full_disk_stops_writing_but_not_reading_and_passes(file):
    async with opened(url_of(file)) as database:
        await add(database, 0)
        pages = await limit(database, 0)
        with pytest.raises(StoreUnavailable, match="full") as full:
            await add(database, 1, size=3_000_000)
        assert "Free some space" in full.value.todo
        assert await count(database) == 1
        await limit(database, pages + 10_000)
        await add(database, 1, size=3_000_000)
        assert await count(database) == 2


async def limit(database: Database, pages: int) -> int:
    """Let SQLite find the disk full beyond so many pages (never fewer than it uses); returns the limit."""
    async with database.writing() as session:
        connection = await session.connection()
        return int(await connection.scalar(text(f"PRAGMA max_page_count = {max(pages, 1)}")) or 0)


async def test_unit_of_work_keeps_other_programs_from_writing_from_its_first_query_on(file):
    async with opened(url_of(file)) as database, database.writing() as session:
        await (await session.connection()).execute(text("SELECT 1"))
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


async def test_file_locked_by_another_program_is_unavailable_for_writing_only(file):
    async with opened(url_of(file)) as database:
        async with database.writing() as session:
            await (await session.connection()).execute(text("PRAGMA busy_timeout = 50"))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await add(database, 1)
            assert await count(database) == 0
        await add(database, 1)


async def test_file_deleted_under_us_takes_no_more_writes_in_silence(file):
    database = await Database.open(f"sqlite:///{file}")
    try:
        file.unlink()

        with pytest.raises(StoreUnavailable, match="no longer the file that was opened"):
            async with database.writing():
                pass
    finally:
        await database.close()


async def test_file_that_another_program_writes_is_refused_at_the_start(file):
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(DatabaseRefused, match="in use"):
            await Database.open(f"sqlite:///{file}")
