"""One changed row costs the same work whether the board has 20 or 2,000 rows: the curve."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

from app.domain.facts import WorkloadObserved
from app.domain.names import Place, Topic, WorkloadRef
from app.domain.rollout import Health, Phase, PodCounts, RolloutState, Strategy
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.read.query import BoardQuery
from app.store.db import Database
from app.web.pages import PAGES
from app.web.pages.page import PageContent, RowCache
from app.web.render import Renderer
from app.web.views import View

from .rig import Row

SIZES, CHANGES = (20, 200, 2000), 60


def run() -> list[Row]:
    """Milliseconds from a fact to the bytes of the message, by size of the board; the ratio is against 20 rows."""
    times = {size: asyncio.run(_measure(size)) for size in SIZES}
    base = times[SIZES[0]]
    return [
        Row(
            f"one changed row of {size:,}",
            f"{spent * 1000:.2f} ms",
            f"{spent / base:.2f} x 20 rows",
            "<= 1.5 x" if size == SIZES[-1] else "",
            spent <= 1.5 * base if size == SIZES[-1] else None,
        )
        for size, spent in times.items()
    ]


async def _measure(size: int) -> float:
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        database = await Database.open(f"sqlite+aiosqlite:///{folder}/rows.db")
        live, fleet = Live(), Fleet(database)
        ingest, now = Ingest(database, live), datetime.now(UTC)
        await ingest([_fact(number, 5, now) for number in range(size)])
        await fleet.load()
        page, query, renderer = PAGES[0], BoardQuery.parse([]), Renderer()
        content = PageContent(page, query, page.open(fleet, query, now, ()), renderer, RowCache(), now, PAGES)
        view, spent = View(content, "bench", 0.0), []
        for change in range(CHANGES):
            fact = _fact(change % size, change % 4, now + timedelta(seconds=change))
            started = time.perf_counter()
            await ingest([fact])
            topics = [Topic("workload", fact.key)]
            await fleet.refresh(topics)
            view.apply(topics, fact.seen_at)
            view.after(view.version - 1)
            spent.append(time.perf_counter() - started)
        await database.close()
        return median(spent)


def _fact(number: int, ready: int, now: datetime) -> WorkloadObserved:
    """A rolling update of one service with `ready` of five pods ready."""
    name = f"service-{number:04d}"
    ref, place = WorkloadRef("bench", "production", "Deployment", name), Place(name, "production", "team")
    state = RolloutState(
        Phase.PROGRESSING, Health.PROGRESSING, f"{ready} of 5 new pods are ready", Strategy.ROLLING
    )
    state = replace(state, counts=PodCounts(5, 5, ready, ready, 5), progress=ready * 20, started_at=now)
    return WorkloadObserved(ref, f"uid-{number}", place, "deployment", state, now)


if __name__ == "__main__":
    print(json.dumps([str(row) for row in run()], indent=1))
