"""SQLite files at the current schema: made once a process and copied, since the migrations take longer than most
tests."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config

from tests import machine


def upgrade(url: str) -> None:
    """Bring the database at `url` to the current schema, by the migrations production runs."""
    config = Config(toml_file=machine.ROOT / "pyproject.toml")
    config.attributes["url"] = url
    if Path(str(config.get_alembic_option("script_location"))).is_dir():
        command.upgrade(config, "head")


def fresh(directory: Path, name: str = "ship.db") -> str:
    """The URL of a file in `directory`: one without a row of ours, or the one that is there already."""
    file = directory / name
    if not file.exists():
        file.write_bytes(_template())
    return f"sqlite:///{file}"


@cache
def _template() -> bytes:
    with (
        tempfile.TemporaryDirectory() as home,
        ThreadPoolExecutor(1) as beside,
    ):  # a loop may run in this thread
        file = Path(home, "template.db")
        file.touch()
        beside.submit(upgrade, f"sqlite+aiosqlite:///{file}").result()
        return file.read_bytes()
