"""The migrations make what the tables say, on both databases, and know their own names."""

from typing import Any

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from app.store import migrations
from app.store.tables import EVENT


def config(url: str = "") -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(migrations.HERE))
    settings.attributes["url"] = url
    return settings


def test_upgrade_of_an_empty_database_gives_the_tables(empty_database_url):
    migrations.upgrade(empty_database_url)
    command.check(config(empty_database_url))


def test_known_revisions_are_those_of_alembic():
    found = [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]
    assert tuple(reversed(found)) == migrations.REVISIONS


def test_warnings_copied_by_the_version_before_are_events(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    command.upgrade(config(url), "0004")
    engine = sqlalchemy.create_engine(url)
    place = dict.fromkeys(
        ("cluster", "namespace", "kind", "name", "service", "environment", "team", "engine"), "x"
    )
    state = dict.fromkeys(("phase", "health", "attention", "version", "message", "state"), "x")
    times = {"since": "2026-10-01 12:00:00", "seen_at": "2026-10-01 12:00:00"}
    said = {"about": "Pod/web", "reason": "BackOff", "message": "again", "times": 3}
    seen = {"first_at": "2026-10-01 12:00:00", "last_at": "2026-10-01 12:30:00"}
    with engine.begin() as connection:
        rows: dict[str, dict[str, Any]] = {
            "workload": {"key": "w", **place, **state, **times},
            "warning": {"key": "e", "workload": "w", **said, **seen},
        }
        for table, row in rows.items():
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(sqlalchemy.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    migrations.upgrade(url)
    with engine.connect() as connection:
        (copied,) = connection.execute(sqlalchemy.select(EVENT))
        assert "warning" in sqlalchemy.inspect(connection).get_table_names()
    assert (copied.key, copied.workload, copied.warning, copied.times, copied.message) == (
        "e",
        "w",
        True,
        3,
        "again",
    )
    engine.dispose()


def test_failed_migration_leaves_nothing_behind(tmp_path):
    file = tmp_path / "x.db"
    engine = sqlalchemy.create_engine(URL.create("sqlite", database=str(file)))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE transition (odd INTEGER)")  # the last table that 0001 makes
    with pytest.raises(sqlalchemy.exc.OperationalError, match="already exists"):
        migrations.upgrade(f"sqlite:///{file}")
    assert sqlalchemy.inspect(engine).get_table_names() == ["transition"]
    engine.dispose()
