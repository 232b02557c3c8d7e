"""How SQLite finds what pages ask for, with no statistics to go by: never by walking all that there is, or all that a
repository or a workload has had in years."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.read.fleet import Fleet
from app.store.db import Database
from tests.bench import years

pytestmark = pytest.mark.anyio
RUNS = 3 * years.SERVICES
LONG = re.compile(
    "SCAN (pipeline_|git_commit|artifact|rollout|transition|reported_deployment)"
    r"|SEARCH (pipeline_|artifact|rollout|transition|reported_deployment).* INDEX (?P<index>\w+) "
    r"\((repo|workload|service)=\?\)"
)
"""Steps that cost more by the year."""
IN_ORDER = "ix_rollout_workload_started_at"
"""An index that may be walked up to a limit, since nothing else is asked of its rows."""


async def test_no_page_walks_years(tmp_path: Path):
    now, path = datetime.now(UTC).replace(microsecond=0), tmp_path / "years.db"
    database = await Database.open(f"sqlite:///{await years._made(path, RUNS, now)}")
    asked: dict[str, Any] = {}
    bad: list[tuple[str, str]] = []

    def note(_1: Any, _2: Any, statement: str, parameters: Any, _3: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "WITH")) and not many:
            asked[statement] = parameters

    fleet = Fleet(database)
    fleet.environments = years._PLACES
    await fleet.load()
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for _, work in years._reads(database, fleet, now, RUNS):
            await work()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    await database.close()
    assert len(asked) > 40
    with sqlite3.connect(path) as connection:
        assert not connection.execute("SELECT name FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall()
        for statement, parameters in asked.items():
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall():
                long, limited = LONG.match(step), "LIMIT" in statement
                if long and "COVERING" not in step and not (limited and long["index"] == IN_ORDER):
                    bad.append((step, " ".join(statement.split())))
    connection.close()
    assert bad == []
