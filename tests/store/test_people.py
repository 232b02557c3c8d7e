"""Accounts, sessions, tokens and attempts, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from app.store import people
from app.store.db import Database

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
async def database(database_url, anyio_backend):
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


def session_row(key: str, **changed):
    texts = dict.fromkeys(("issuer", "subject", "name", "email", "how", "agent"), "x")
    times = dict.fromkeys(("created_at", "seen_at", "signed_in_at"), NOW)
    return {"key": key, "ident": key, "groups": "[]", "ended_at": None, **texts, **times, **changed}


async def test_session_is_found_ended_and_swept(database):
    async with database.writing() as session:
        for key in ("a", "b"):
            await people.add(session, people.SESSION, session_row(key))
        assert await people.end_sessions(session, NOW, key="a") == 1
        assert await people.end_sessions(session, NOW, key="a") == 0
    async with database.reading() as connection:
        found = await people.by_keys(connection, people.SESSION, ["a", "b", "c"])
        assert (found["a"]["ended_at"], found["b"]["ended_at"]) == (NOW, None)
        assert [row["key"] for row in await people.many(connection, people.SESSION, ended_at=None)] == ["b"]
    async with database.writing() as session:
        await people.sweep(session, NOW, NOW + timedelta(seconds=1), NOW)
    async with database.reading() as connection:
        assert await people.many(connection, people.SESSION) == []


async def test_sign_in_can_be_taken_once_and_in_time(database):
    """SR-04: single use, whoever else asks at the same moment."""
    async with database.writing() as session:
        for key, until in (("fresh", NOW + timedelta(minutes=1)), ("late", NOW)):
            await people.add(session, people.SIGNIN, {"key": key, "content": "{}", "expires_at": until})
    taken = []
    for key in ("fresh", "fresh", "late", "nothing"):
        async with database.writing() as session:
            taken.append(await people.take_signin(session, key, NOW))
    assert taken == ["{}", None, None, None]


async def test_attempts_are_counted_by_account_source_and_in_all(database):
    """SR-06: within the window; forgiven when the password was right."""
    async with database.writing() as session:
        await people.attempt(session, "vera", "10.0.0.1", NOW - timedelta(minutes=20))
        await people.attempt(session, "vera", "10.0.0.1", NOW)
        await people.attempt(session, "omar", "10.0.0.1", NOW)
        last = await people.attempt(session, "vera", "10.0.0.2", NOW)
        since = NOW - timedelta(minutes=15)
        assert await people.tried(session, "vera", "10.0.0.1", since) == (2, 2, 3)
        await people.forgive(session, "vera", last)
        assert await people.tried(session, "vera", "10.0.0.1", since) == (0, 1, 1)


async def test_rows_can_be_written_beside_a_process_that_holds_the_file(database, database_url):
    """The commands work while the board is served."""
    beside = await Database.beside(database_url)
    try:
        async with beside.writing() as session:
            await people.add(session, people.SESSION, session_row("beside"))
    finally:
        await beside.close()
    async with database.reading() as connection:
        assert await people.one(connection, people.SESSION, key="beside")
