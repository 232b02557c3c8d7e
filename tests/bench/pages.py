"""Pages of a board of 200 services in 4 environments, drawn by the server; what a browser makes of them is in `paint`.

It is CPU, without HTTP and without the database: a whole page drawn from a fleet that is loaded, none of its rows kept,
and from rows that are; and one row that changed, from the fleet's news to the message.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from statistics import median

from app.ingest import Ingest
from app.live import Live, Topic
from app.read.fleet import Fleet
from app.read.query import BoardQuery
from app.store.db import Database
from app.web.pages import PAGES
from app.web.pages.page import PageContent, RowCache
from app.web.render import Renderer
from app.web.views import View
from tests.web.site import look, sources

from .browsing import facts
from .rig import Row

DRAWN, CHANGED = 15, 60


def run() -> list[Row]:
    """Medians in milliseconds."""
    whole, again, row = asyncio.run(_drawn())
    return [
        Row("the board drawn, 200 x 4", f"{whole * 1000:.1f} ms", "", "<= 30 ms", whole <= 0.030),
        Row("another view of it, its rows kept", f"{again * 1000:.1f} ms"),
        Row("one changed row, fleet to bytes", f"{row * 1000:.2f} ms", "", "<= 1 ms", row <= 0.001),
    ]


async def _drawn() -> tuple[float, float, float]:
    """Seconds to draw all of it, the same from kept rows, and one change."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        database = await Database.open(f"sqlite+aiosqlite:///{folder}/pages.db")
        live, fleet = Live(), Fleet(database)
        ingest, now = Ingest(database, live), datetime.now(UTC)
        await ingest([*sources(), *facts()])
        await fleet.load()
        page, query, renderer = PAGES[0], BoardQuery.parse([]), Renderer()
        cache = RowCache()
        whole: list[float] = []
        again: list[float] = []
        changed: list[float] = []
        for spent, rows in [(whole, None), (again, cache)] * DRAWN:
            started = time.process_time()
            projection = page.open(fleet, query, now, ())
            content = PageContent(page, query, projection, renderer, rows or RowCache(), now, PAGES)
            content.body()
            spent.append(time.process_time() - started)
        view = View(content, "bench", 0.0)
        for n in range(CHANGED):
            fact = look(f"service-{n:03d}", "production", f"2.0.{n}")
            await ingest([fact])
            topics = [Topic("workload", fact.key)]
            await fleet.refresh(topics)
            started = time.process_time()
            view.apply(topics, now + timedelta(seconds=n))
            view.after(view.version - 1)
            changed.append(time.process_time() - started)
        await database.close()
        return median(whole), median(again[1:]), median(changed)
