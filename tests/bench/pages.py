"""Pages of a board of 200 services in 4 environments: drawn by the server.

The server's part is its CPU, without HTTP and without the database: a whole page drawn from a fleet that is loaded,
"from nothing" (no view of it, none of its rows kept: the first request of all), as a request opens another view of it
(rows are kept as they were drawn for the first), and as the next request finds a view that is open, after a change;
each against a bare loop that writes as many cells by one f-string. And one row that changed, from the fleet's news to
the message. What a browser makes of them is in `paint`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from statistics import median

from app.domain.names import Topic
from app.ingest import Ingest
from app.live import Live
from app.read.board import Cell
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
    bare, whole, again, asked, row = asyncio.run(_drawn())
    return [
        Row("as many cells by one f-string", f"{bare * 1000:.1f} ms"),
        *(
            Row(what, f"{spent * 1000:.1f} ms", f"{spent / bare:.1f} x bare", "<= 30 ms", spent <= 0.030)
            for what, spent in (
                ("the board from nothing, 200 x 4", whole),
                ("as a request opens it, its rows kept", again),
                ("as a request finds it open, a row changed", asked),
            )
        ),
        Row("one changed row, fleet to bytes", f"{row * 1000:.2f} ms", "", "<= 1 ms", row <= 0.001),
    ]


def _bare(cells: Iterable[Cell]) -> str:
    """What a cell is at least, without a look at what it says."""
    return "".join([
        f'<td data-quiet><div class="hop"><span class="gap" data-gap="same"><span class="sr">same version</span></span>'
        f'<span class="env" aria-hidden="true">{c.title}</span><div class="cell" data-phase="{c.attention}" data-quiet>'
        f'<svg class="glyph" aria-hidden="true"><use href="#g-{c.attention}"/></svg><a class="ver" '
        f'href="/workloads/{c.members[0].ref}" title="{c.version}">{c.version}</a><span class="word" title="{c.word}">'
        f'{c.word}</span><time datetime="{c.since.isoformat()}" data-ago class="age">0 s</time></div></div></td>'
        for c in cells
    ])  # fmt: skip


async def _drawn() -> tuple[float, float, float, float, float]:
    """Seconds of a bare loop, to draw all of it from nothing, from kept rows, in an open view, and one change."""
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
        asked: list[float] = []
        bare: list[float] = []
        cells = [cell for row in page.open(fleet, query, now, ()).model.rows for cell in row.cells]
        for spent, rows in [(whole, None), (again, cache)] * DRAWN:
            started = time.process_time()
            _bare(cells)
            bare.append(time.process_time() - started)
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
            started = time.process_time()
            view.answer()
            asked.append(time.process_time() - started)
        await database.close()
        return median(bare), median(whole), median(again[1:]), median(asked), median(changed)
