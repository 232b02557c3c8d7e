"""Years of runs cost the pages what weeks of them cost: the same reads over a small and a large database, in turn, so
that whatever else the machine does slows both. What counts is the processor's time; the clock's is told beside it.

Runs, jobs, commits, images and rollouts come at one rate, so a larger database reaches further back. SHIPBOARD_RUNS
says how many runs the larger one has (default 1,000,000), SHIPBOARD_RUNS_A_DAY how many come a day. By default that
is so few that the small one fills the twelve weeks and more that DORA looks at. At 15,000 a day 5,500,000 are a year,
but 50,000 three days, so that what is told of a span of time has more rows to tell of in the larger one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from app.domain.facts import WorkloadObserved
from app.domain.names import Place, Topic, WorkloadRef
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, RolloutState, Strategy
from app.ingest import Ingest
from app.live import Live
from app.read import dora
from app.read.commits import commit_page
from app.read.dora_query import DoraQuery
from app.read.fleet import Fleet
from app.read.pipelines import PipelinesQuery, of_service, pipelines
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.run_page import run_page
from app.read.timeline import timeline
from app.read.timeline_query import TimelineQuery
from app.store.db import Database

from .rig import Row

SMALL, LARGE = 50_000, int(os.environ.get("SHIPBOARD_RUNS", "1000000"))
A_DAY = int(os.environ.get("SHIPBOARD_RUNS_A_DAY", "300"))
SERVICES, TIMES, JOBS = 100, 5, ("lint", "unit", "build", "security")
TABLES = ("git_commit", "pipeline_run", "run_service", "pipeline_job", "artifact", "artifact_tag", "rollout")
Work = Callable[[], Awaitable[Any]]
WITHIN: dict[str, float] = {"dora of all services": 0.3}
"""Seconds that a read of the large database may take."""


def run() -> list[Row]:
    """Milliseconds of each read over both databases; no ratio may be above 2."""
    with tempfile.TemporaryDirectory(
        prefix="shipboard-bench-", dir=os.environ.get("SHIPBOARD_BENCH_DIR")
    ) as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Row]:
    now = datetime.now(UTC).replace(microsecond=0)
    started = time.perf_counter()
    paths = [await _made(folder / f"{count}.db", count, now) for count in (SMALL, LARGE)]
    built, size = time.perf_counter() - started, paths[1].stat().st_size
    rows = [
        Row(f"{LARGE:,} runs with {len(JOBS) * LARGE:,} jobs", f"{size / 1e6:,.0f} MB, made in {built:.0f} s")
    ]
    databases = [await Database.open(f"sqlite:///{path}") for path in paths]
    fleets = [Fleet(database) for database in databases]
    works: list[dict[str, Work]] = []
    for database, fleet, count in zip(databases, fleets, (SMALL, LARGE), strict=True):
        fleet.environments = _PLACES
        works.append({"load of the fleet with builds and commits": fleet.load})
        works[-1] |= dict(_reads(database, fleet, now, count))
    for name in works[0]:
        small, large = await _timed(works[0][name], works[1][name])
        ratio = large.cpu / max(small.cpu, 1e-4)
        bound = WITHIN.get(name, 0.0)
        met = (ratio <= 2 or large.cpu < 0.002) and (not bound or large.cpu <= bound)
        wall, first = f"{large.wall * 1000:.0f} ms by the clock", f"{large.first * 1000:.0f} at first"
        said, wanted = f"{ratio:.2f} x {SMALL:,} runs, {wall}, {first}", "<= 2 x"
        wanted += f", <= {bound * 1000:.0f} ms" if bound else ""
        rows.append(Row(name, f"{large.cpu * 1000:.1f} ms", said, wanted, met))
    for database in databases:
        await database.close()
    return rows


async def _made(path: Path, count: int, now: datetime) -> Path:
    database = await Database.open(f"sqlite:///{path}")
    await Ingest(database, Live())(
        [_look(n, environment, now) for n in range(SERVICES) for environment in _PLACES]
    )
    await database.close()
    fill(path, count, now)
    return path


def _reads(database: Database, fleet: Fleet, now: datetime, count: int) -> Iterator[tuple[str, Work]]:
    sha, key = _sha(count - 1 - SERVICES), f"{count - 1:024x}"

    async def with_connection(work: Callable[[Any], Awaitable[Any]]) -> None:
        async with database.reading() as connection:
            await work(connection)

    async def board() -> None:
        await fleet.refresh([Topic("run", key)])
        assert BoardProjection(fleet, BoardQuery(), now, _PLACES).board.rows[0].build

    async def services() -> None:
        assert len(pipelines(fleet.builds.by_service, PipelinesQuery()).services) == SERVICES

    yield "board after one run", board
    yield "pipelines of all services", services
    for name, work in (
        ("pipelines of one service", lambda c: of_service(c, PipelinesQuery(service="service-000"))),
        ("run", lambda c: run_page(c, key)),
        ("commit", lambda c: commit_page(c, fleet, sha, now)),
        ("timeline of seven days", lambda c: timeline(c, fleet, TimelineQuery(), now)),
        ("dora of thirty days", lambda c: dora.figures(c, fleet, DoraQuery(service="service-000"), now)),
        ("dora of all services", lambda c: dora.figures(c, fleet, DoraQuery(window="7d"), now)),
    ):
        yield name, lambda work=work: with_connection(work)  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the processor and of the clock, each the median of `TIMES`, and of the processor the first time."""

    cpu: float
    wall: float
    first: float


async def _timed(*works: Work) -> list[Spent]:
    """Each of `works`, in turn."""
    spent: list[list[tuple[float, float]]] = [[] for _ in works]
    for _ in range(TIMES):
        for work, mine in zip(works, spent, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            await work()
            mine.append((time.process_time() - cpu, time.perf_counter() - wall))
    return [
        Spent(median(cpu for cpu, _ in mine), median(wall for _, wall in mine), mine[0][0]) for mine in spent
    ]


_PLACES = ("staging", "production")


def _sha(n: int) -> str:
    return f"{n * 2654435761 % 2**32:08x}{n:032x}"


def _look(n: int, environment: str, now: datetime) -> WorkloadObserved:
    name, version = f"service-{n:03d}", f"1.0.{LARGE}"
    ref, place = WorkloadRef("bench", environment, "Deployment", name), Place(name, environment, "team")
    revision = Revision(version, 1, (f"registry.example/{name}:{version}",), version)
    state = RolloutState(Phase.IDLE, Health.HEALTHY, "", Strategy.ROLLING, revision=revision)
    return WorkloadObserved(ref, f"{name}-{environment}", place, "deployment", state, now)


def fill(path: Path, count: int, now: datetime) -> None:
    """Insert `count` runs and all that goes with them, the last one at `now`; every tenth ships."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA cache_size = -400000")
        indexes = connection.execute(
            f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
            f"AND tbl_name IN ({','.join('?' * len(TABLES))})",
            TABLES,
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        for table, told in _rows(now, count).items():
            names = ",".join(f'"{name}"' for name in told["columns"])
            values = ",".join(told["columns"].values())
            connection.execute(f"INSERT INTO {table} ({names}) {told['from']} SELECT {values} FROM one")
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("PRAGMA journal_mode = WAL")


def _rows(now: datetime, count: int) -> dict[str, dict[str, Any]]:
    """What each table is filled from, as SQL: the numbers of runs with what follows from them, and of each column its
    expression; a statement a table takes a fraction of what rows made here would."""
    at = f"{int(now.timestamp())} - ({count} - n) * 86400 / {A_DAY}"
    numbers = f"WITH RECURSIVE run(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM run WHERE n < {count - 1}), "
    made = (
        "one AS (SELECT n, printf('%024x', n) AS ident, printf('%08x%032x', n * 2654435761 % 4294967296, n) AS sha, "
        f"printf('service-%03d', n % {SERVICES}) AS service, "
        f"strftime('%Y-%m-%d %H:%M:%S.000000', {at}, 'unixepoch') AS begun, "
        f"strftime('%Y-%m-%d %H:%M:%S.000000', {at} + 300, 'unixepoch') AS ended, job, place FROM run{{}})"
    )
    jobs = ", (" + " UNION ALL ".join(
        f"SELECT '{job}' AS job, {place} AS place" for place, job in enumerate(JOBS)
    ) + ")"  # fmt: skip
    once = ", (SELECT NULL AS job, 0 AS place)"
    shipped = f"{once} WHERE n / {SERVICES} % 10 = 0"
    told = {"provider": "'github'", "host": "'github.com'", "repo": "'github.com/acme/' || service"}
    told |= {"created_at": "begun", "started_at": "begun", "finished_at": "ended", "phase": "'done'"}
    told |= {"outcome": "'success'", "raw": "'success'", "marks": "'{}'"}
    commit = {"id": "ident", "repo": told["repo"], "sha": "sha", "at": "begun", "title": "'A change'"}
    commit |= {"author": "'ada'", "branch": "'main'", "committed_at": "begun", "pushed_at": "begun"}
    run_ = told | {"id": "ident", "project": "service", "run": "ident", "attempt": "1", "at": "begun"}
    run_ |= {"sha": "sha", "pipeline": "'CI'", "branch": "'main'", "actor": "'ada'"}
    job_ = {
        "id": "printf('%024x', n * 8 + place)",
        "run": "ident",
        "job": "job",
        "name": "job",
        "stage": "job",
    }
    digest = "printf('sha256:%064x', n)"
    image = {"digest": digest, "at": "begun", "name": "'acme/' || service", "tag": "'1.0.' || n"}
    image |= {"repo": told["repo"], "sha": "sha", "built_at": "begun", "marks": "'{}'"}
    tag = {"name": "'registry.example/' || service", "tag": "'1.0.' || n", "digest": digest}
    rollout = {"id": "ident", "workload": "'bench:' || service || '-production'", "service": "service"}
    rollout |= {"environment": "'production'", "team": "'team'", "strategy": "'rolling'", "cause": "''"}
    rollout |= {"from_revision": "'a'", "to_revision": "'b'", "back": "0", "killed": "0", "overran": "0"}
    rollout |= {"from_version": f"'1.0.' || (n - {10 * SERVICES})", "to_version": "'1.0.' || n"}
    rollout |= {"started_at": "begun", "ended_at": "ended"}
    rollout |= {"outcome": "CASE n % 13 WHEN 0 THEN 'failed' ELSE 'promoted' END"}
    each: dict[str, tuple[str, dict[str, str]]] = {
        "git_commit": (once, commit | {"marks": "'{}'"}),
        "pipeline_run": (once, run_ | {"services": """'["' || service || '"]'"""}),
        "run_service": (once, {"service": "service", "run": "ident", "at": "begun"}),
        "pipeline_job": (jobs, told | job_),
        "artifact": (shipped, image),
        "artifact_tag": (shipped, tag | {"first_at": "begun", "at": "begun"}),
        "rollout": (shipped, rollout),
    }
    return {
        table: {"from": numbers + made.format(some), "columns": columns}
        for table, (some, columns) in each.items()
    }
