"""Pages of a board of 200 services in 4 environments: drawn by the server, painted by a browser, and a wall left alone.

The server's part is its CPU, without HTTP and without the database: a whole page drawn from a fleet that is loaded,
"from nothing" (no view of it, none of its rows kept: the first request of all), as a request opens another view of it
(rows are kept as they were drawn for the first), and as the next request finds a view that is open, after a change;
each against a bare loop that writes as many cells by one f-string. And one row that changed, from the fleet's news to
the message. A first
paint is that of the page served on loopback, against a page of a few words on the same server. The wall is left alone
for a minute; BENCH_WALL_MINUTES=10 makes the growth of its heap worth extrapolating.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

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
from tests import machine
from tests.e2e.conftest import QUIET
from tests.e2e.test_workload_live import Running
from tests.web.site import look, sources

from .rig import Row

SERVICES, ENVIRONMENTS = 200, ("dev", "test", "staging", "production")
DRAWN, CHANGED, LOADED = 15, 60, 7
MINUTES = float(os.environ.get("BENCH_WALL_MINUTES", "1"))
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def run() -> list[Row]:
    """Medians in milliseconds; the wall's figures are of one page of it that nobody touches."""
    bare, whole, again, asked, row = asyncio.run(_drawn())
    rows = [
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
    with _site() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=machine.browser(), args=QUIET)
        board, bare = _painted(browser, url), _painted(browser, f"{url}/robots.txt")
        rows.append(
            Row(
                "first paint of the board",
                f"{board:.0f} ms",
                f"{board / bare:.1f} x bare",
                "<= 500 ms",
                board <= 500,
            )
        )
        rows += _idle(browser, f"{url}/wall?inches=55&distance=5")
        browser.close()
    return rows


def _facts(version: str = "1.0.0") -> list[object]:
    return [look(f"service-{n:03d}", where, version) for n in range(SERVICES) for where in ENVIRONMENTS]


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
        await ingest([*sources(), *_facts()])  # type: ignore[list-item]
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


@contextmanager
def _site() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        running = Running(Path(folder), [*sources(), *_facts()])  # type: ignore[list-item]
        try:
            yield running.here.url
        finally:
            running.close()


def _painted(browser: Browser, url: str) -> float:
    """Milliseconds from the click to something on the screen, with nothing kept from before."""
    seen = []
    for _ in range(LOADED):
        context = browser.new_context(viewport={"width": 1920, "height": 1080})
        page = context.new_page()
        page.goto(url)
        while not (at := page.evaluate(PAINTED)):
            page.wait_for_timeout(20)
        seen.append(float(at))
        context.close()
    return median(seen)


def _idle(browser: Browser, url: str) -> list[Row]:
    """A wall that is looked at and not touched: the CPU of all of the browser, and what its heap keeps."""
    page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    page.goto(url)
    page.wait_for_timeout(10_000)
    heap, used, began = _heap(page), _browser_cpu(), time.monotonic()
    page.wait_for_timeout(MINUTES * 60_000)
    spent = (_browser_cpu() - used) / (time.monotonic() - began)
    grown = (_heap(page) - heap) / (time.monotonic() - began) * 86_400 / 1e6
    what = f"an idle wall, {MINUTES:g} min: CPU of the browser"
    return [
        Row(what, f"{spent * 100:.1f} %", "of a core", "<= 2 %", spent <= 0.02),
        Row("its heap, extrapolated to a day", f"{grown:+.1f} MB", "a new page each 4-5 h"),
    ]  # fmt: skip


def _heap(page: Page) -> float:
    """Bytes of live JavaScript objects."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    used = float(devtools.send("Runtime.getHeapUsage")["usedSize"])
    devtools.detach()
    return used


def _browser_cpu() -> float:
    """Seconds of all processes below this one that are a Chromium's."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                spent += sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return spent
