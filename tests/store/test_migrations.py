"""The migrations make what the tables say, on both databases, and know their own names."""

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from app.store import migrations


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


def test_failed_migration_leaves_nothing_behind(tmp_path):
    file = tmp_path / "x.db"
    engine = sqlalchemy.create_engine(URL.create("sqlite", database=str(file)))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE transition (odd INTEGER)")  # the last table that 0001 makes
    with pytest.raises(sqlalchemy.exc.OperationalError, match="already exists"):
        migrations.upgrade(f"sqlite:///{file}")
    assert sqlalchemy.inspect(engine).get_table_names() == ["transition"]
    engine.dispose()
