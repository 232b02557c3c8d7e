"""What every test may ask for: an asyncio backend, and an empty or a current database of either kind.

A test that takes `database_url` runs twice, on SQLite and on PostgreSQL. Where PostgreSQL cannot start it is
skipped with the reason, except in CI (`CI=true`), where that is an error.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import URL, make_url

from tests import machine, postgres
from tests.databases import fresh, upgrade

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("shipboard", deadline=None)
hypothesis.settings.load_profile("shipboard")

_serial = itertools.count(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL server that lets us create databases: SHIPBOARD_TEST_PG_URL, else one of our own."""
    if url := os.environ.get("SHIPBOARD_TEST_PG_URL"):
        yield make_url(url).set(drivername="postgresql+psycopg")
        return
    try:
        with postgres.a_server() as server:
            yield server
    except postgres.Unavailable as error:
        machine.lacks(f"PostgreSQL does not start: {error}")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL) -> Iterator[str]:
    """The name of a database at the current schema; PostgreSQL copies it in some 20 ms."""
    with postgres.a_database(postgres_server, f"template_{os.getpid()}") as url:
        upgrade(url)
        yield f"template_{os.getpid()}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table of ours, for one test."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'shipboard.db'}"
    else:
        server = request.getfixturevalue("postgres_server")
        with postgres.a_database(server, f"test_{os.getpid()}_{next(_serial)}") as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database at the current schema and without a row, for one test."""
    if request.param == "sqlite":
        yield fresh(tmp_path, "shipboard.db").replace("sqlite:", "sqlite+aiosqlite:")
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture
def postgres_url(postgres_server: URL, postgres_template: str) -> Iterator[str]:
    """The same for what only PostgreSQL does, such as several processes on one database."""
    name = f"test_{os.getpid()}_{next(_serial)}"
    with postgres.a_database(postgres_server, name, template=postgres_template) as url:
        yield url
