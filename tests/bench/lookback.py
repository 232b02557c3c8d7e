"""A past minute of a large board with a month kept, against the board of now drawn anew."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from app.domain.facts import SourceObserved, WorkloadObserved
from app.domain.freshness import Freshness
from app.domain.instants import minute
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, Pod, PodCondition, PodCounts, RolloutState, Strategy
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.read.lookback import PastFleet, scrubber
from app.read.query import BoardQuery
from app.store.db import Database
from app.web.pages import PAGES
from app.web.pages.lookback import keeping
from app.web.pages.page import PageContent, RowCache
from app.web.render import Renderer

from .rig import Row

SERVICES, ENVIRONMENTS, DAYS, EACH = 200, ("dev", "test", "staging", "production"), 30, 150
LIMIT = 0.1


def run() -> list[Row]:
    """Milliseconds of processor from a request to bytes, at minutes all over the month; the ratio is against the live
    board."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        return asyncio.run(_measure(Path(folder) / "lookback.db"))


async def _measure(file: Path) -> list[Row]:
    now = minute(datetime.now(UTC))
    database = await Database.open(f"sqlite:///{file}")
    ingest, fleet = Ingest(database, Live()), Fleet(database)
    places = [(number, name) for number in range(SERVICES) for name in ENVIRONMENTS]
    heard = [
        SourceObserved("bench", kind, "", Freshness.LIVE, now, now)
        for kind in ("Deployment", "ReplicaSet", "Pod")
    ]
    await ingest([*heard, *(_look(*place, now - timedelta(days=DAYS)) for place in places)])
    _a_month(file, now)
    await fleet.load()
    page, query, renderer, cache = PAGES[0], BoardQuery(), Renderer(), RowCache()

    def drawn(of: Fleet, at: datetime, rows: RowCache, **more: object) -> str:
        shown = page.open(of, query, at, ENVIRONMENTS)
        return PageContent(page, query, shown, renderer, rows, at, PAGES, more=more or None).body().decode()

    async def past(at: datetime) -> str:
        then = PastFleet(database, fleet, at)
        await then.load()
        async with database.reading() as connection:
            way = await scrubber(connection, then, query, now)
        return keeping(drawn(then, at, cache, past=way, back="/"), at)

    live, back = [], []
    for turn in range(7):
        started = time.process_time()
        drawn(fleet, now, RowCache())
        live.append(time.process_time() - started)
        started = time.process_time()
        page_then = await past(now - timedelta(days=4 * turn, minutes=7 + turn))
        back.append(time.process_time() - started)
        assert page_then.count('<tr id="s-') == SERVICES
    step = []
    for turn in range(7):
        started = time.process_time()
        await past(now - timedelta(days=2, minutes=turn))
        step.append(time.process_time() - started)
    await database.close()
    size = (await asyncio.to_thread(file.stat)).st_size
    a, b, c = median(live), median(back), median(step)
    kept = f"{SERVICES * len(ENVIRONMENTS) * EACH:,} states, {size / 1e6:.0f} MB"
    return [
        Row(f"the board of now, drawn anew ({SERVICES} x {len(ENVIRONMENTS)})", f"{a * 1000:.0f} ms"),
        Row(f"a past minute of {DAYS} days ({kept})", f"{b * 1000:.0f} ms", f"{b / a:.2f} x now", "<= 3 x", b <= 3 * a),
        Row("the minute beside it", f"{c * 1000:.0f} ms", f"{c / a:.2f} x now", "<= 100 ms", c <= LIMIT),
    ]  # fmt: skip


def _a_month(file: Path, now: datetime) -> None:
    """Every state again, at even distances until now, and a watch over all of it."""
    with sqlite3.connect(file) as connection:
        first = connection.execute("SELECT workload, state FROM state_change").fetchall()
        apart = timedelta(days=DAYS) / EACH
        connection.executemany(
            "INSERT INTO state_change (workload, at, state) VALUES (?, ?, ?)",
            (
                (key, (now - apart * turn - timedelta(seconds=i)).strftime("%Y-%m-%d %H:%M:%S.%f"), state)
                for turn in range(EACH - 1)
                for i, (key, state) in enumerate(first)
            ),
        )
        watched = [(now - timedelta(days=back)).strftime("%Y-%m-%d %H:%M:%S.%f") for back in (DAYS, 0)]
        connection.execute("UPDATE watch SET began_at = ?, last_at = ?", watched)
        connection.execute("UPDATE source_change SET at = ?", watched[:1])


def _look(number: int, environment: str, at: datetime) -> WorkloadObserved:
    """One in ten moves, with its pods; the others are good."""
    name, moves = f"service-{number:03d}", number % 10 == 0
    revision = Revision("r2", 2, (f"registry.example/{name}:1.2.0",), "1.2.0", created_at=at)
    pods = tuple(Pod(f"{name}-{n}", "r2", True, PodCondition.READY, since=at) for n in range(5))
    state = RolloutState(Phase.IDLE, Health.HEALTHY, "", Strategy.ROLLING, revision, pods=pods)
    state = replace(state, counts=PodCounts(5, 5, 5, 5, 5), progress=100)
    if moves:
        state = replace(
            state, phase=Phase.PROGRESSING, health=Health.PROGRESSING, progress=60, message="3 of 5"
        )
    ref = WorkloadRef("bench", environment, "Deployment", name)
    return WorkloadObserved(
        ref, f"{name}-{environment}", Place(name, environment, "team"), "deployment", state, at
    )
