"""The chain of the audit: entries in their order, without gaps, and every way of touching them found."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.audit import Entry, Kind, Mark, check, check_lines, code, seal
from app.domain.errors import StoreUnavailable
from app.store import audit
from app.store.audit import key_from
from app.store.db import Database
from tests.databases import fresh
from tests.store.looks import NOW

pytestmark = pytest.mark.anyio
KEY = "k" * 32
Lines = list[dict]


def entry(n: int) -> Entry:
    return Entry(
        NOW + timedelta(seconds=n),
        Kind.ASKED,
        "test|ada",
        "Ada",
        verb="pause",
        object=f"w{n}",
        reason="Größe ✓",
    )


async def filled(url: str, count: int = 6) -> Database:
    database = await Database.open(url, audit_key=KEY)
    for n in range(1, count + 1):
        async with database.writing() as session:
            assert await audit.append(session, entry(n)) == n
    return database


async def exported(database: Database) -> Lines:
    async with database.reading() as connection:
        return [line async for line in audit.lines(connection)]


async def test_untouched_chain_is_sound(database_url):
    database = await filled(database_url)
    found = check_lines(await exported(database), key_from(KEY))
    assert (found.sound, found.bad, found.head.seq) == (6, None, 6)
    await database.close()


async def test_what_is_undone_leaves_no_gap(database_url):
    database = await filled(database_url, 2)

    async def torn() -> None:
        async with database.writing() as session:
            await audit.append(session, entry(3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await torn()
    async with database.writing() as session:
        assert await audit.append(session, entry(4)) == 3
        assert await audit.append(session, entry(5)) == 4
    assert check_lines(await exported(database), key_from(KEY)).bad is None
    await database.close()


async def test_many_writers_at_once_make_one_chain(database_url):
    databases = [await Database.open(database_url, audit_key=KEY)]
    if databases[0].dialect == "postgresql":
        databases.append(await Database.open(database_url, audit_key=KEY))

    async def write(n: int) -> None:
        async with databases[n % len(databases)].writing() as session:
            await audit.append(session, entry(n))

    await asyncio.gather(*(write(n) for n in range(40)))
    found = check_lines(await exported(databases[0]), key_from(KEY))
    assert (found.sound, found.bad) == (40, None)
    for database in databases:
        await database.close()


def edited(lines: Lines) -> Lines:
    return [
        {**line, "reason": "another"} if line["seq"] == 3 and "mark" not in line else line for line in lines
    ]


def deleted(lines: Lines) -> Lines:
    return [line for line in lines if line["seq"] != 3 or "mark" in line]


def swapped(lines: Lines) -> Lines:
    third, fourth = lines[2], lines[3]
    return [*lines[:2], {**fourth, "seq": 3}, {**third, "seq": 4}, *lines[4:]]


def inserted(lines: Lines) -> Lines:
    return [
        *lines[:2],
        {**lines[2], "object": "forged"},
        *({**line, "seq": line["seq"] + 1} for line in lines[2:]),
    ]


def rebuilt(lines: Lines) -> Lines:
    """All of it anew, with another key."""
    wrong, before, made = b"guess", "", []
    for n in range(1, 7):
        before = code(wrong, before, n, entry(n))
        made.append({**lines[n - 1], "mac": before})
    return [*made, {"mark": "head", "seq": 6, "mac": before, "seal": seal(wrong, "head", 6, before)}]


def cut(lines: Lines) -> Lines:
    return [*lines[:4], lines[-1]]


def cut_with_its_head(lines: Lines) -> Lines:
    return [*lines[:4], {"mark": "head", "seq": 4, "mac": lines[3]["mac"], "seal": lines[-1]["seal"]}]


@pytest.mark.parametrize(
    ("touch", "bad"),
    [(edited, 3), (deleted, 3), (swapped, 3), (inserted, 3), (rebuilt, 1), (cut, 5), (cut_with_its_head, 5)],
)
async def test_touched_chain_is_found_at_its_first_bad_entry(
    tmp_path, touch: Callable[[Lines], Lines], bad: int
):
    database = await filled(fresh(tmp_path))
    lines = await exported(database)
    await database.close()
    assert check_lines(touch(lines), key_from(KEY)).bad == bad


async def test_tail_cut_with_everything_that_told_of_it_is_seen_against_the_exported_head(tmp_path):
    database = await filled(fresh(tmp_path), 4)
    before = await exported(database)  # an old copy: chain, head and seal all sound
    for n in (5, 6):
        async with database.writing() as session:
            await audit.append(session, entry(n))
    now = await exported(database)
    await database.close()
    head = Mark(6, now[-1]["mac"])
    assert check_lines(before, key_from(KEY)).bad is None
    assert check_lines(before, key_from(KEY), head).bad == 5
    assert check_lines(now, key_from(KEY), Mark(4, before[-1]["mac"])).bad is None
    assert check_lines(now, key_from(KEY), Mark(4, "0" * 64)).bad == 4


async def test_pruned_chain_begins_at_a_sealed_checkpoint(database_url):
    database = await filled(database_url)
    async with database.writing() as session:
        assert await audit.forget(session, NOW + timedelta(seconds=4), 2) == 2
    async with database.writing() as session:
        assert await audit.forget(session, NOW + timedelta(days=9), 500) == 3  # the head stays
    lines = await exported(database)
    await database.close()
    assert [line["seq"] for line in lines] == [5, 6, 6]
    assert check_lines(lines, key_from(KEY)).bad is None
    forged = [{**lines[0], "seq": 4}, *lines[1:]]
    assert check_lines(forged, key_from(KEY)).bad is not None
    assert check_lines(lines[1:], key_from(KEY)).bad == 1


@pytest.mark.parametrize(
    "touch", ["UPDATE audit SET name = 'Eve' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"]
)
async def test_database_itself_is_slow_to_touch_an_entry_and_the_chain_tells(database_url, touch):
    database = await filled(database_url)

    async def run(*statements: str) -> None:
        async with database.writing() as session:
            for statement in statements:
                await (await session.connection()).execute(text(statement))

    with pytest.raises((DBAPIError, StoreUnavailable), match="an audit entry is"):
        await run(touch)
    assert check_lines(await exported(database), key_from(KEY)).bad is None
    if database.dialect == "sqlite":
        await run("DROP TRIGGER audit_unchanged", "DROP TRIGGER audit_kept", touch)
    else:
        await run("DROP TRIGGER audit_guard ON audit", touch)
    assert check_lines(await exported(database), key_from(KEY)).bad == 2
    await database.close()


def test_key_decides():
    first = code(b"a", "", 1, entry(1))
    assert first != code(b"b", "", 1, entry(1))
    assert first != code(b"a", "x", 1, entry(1))
    assert first != code(b"a", "", 1, replace(entry(1), name="Eve"))
    assert check([], b"a").bad is None
