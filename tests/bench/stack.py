"""The product's whole path in one process: cluster → collector → ingest → database → fleet → view of the board.

python -m tests.bench.stack VERB KUBECONFIG [EVENTS]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.facts import Fact, WorkloadObserved
from app.engines.port import POD
from app.ingest import Ingest
from app.kube import Cluster
from app.live import Live
from app.read.fleet import Fleet
from app.read.query import BoardQuery
from app.sources.runner import Collector
from app.store.db import Database
from app.web.pages import PAGES
from app.web.pages.page import PageContent, RowCache
from app.web.render import Renderer
from app.web.server import settle_memory
from app.web.streams import Hub
from app.web.views import View, ViewKey, Watcher

from .rig import rss_mb

PATIENCE = 40.0


@dataclass(slots=True)
class Counted:
    """What went through the door in."""

    facts: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Stack:
    """The running parts, with one watched view of the board."""

    collector: Collector
    hub: Hub
    fleet: Fleet
    counted: Counted
    view: View
    watcher: Watcher
    idle_mb: float

    async def settled(self, reached: Callable[[], bool]) -> None:
        """Wait until `reached()` is true, looking after every change of the view. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                await self.watcher.sleep()


@asynccontextmanager
async def stack(kubeconfig: str) -> AsyncIterator[Stack]:
    """Everything but HTTP to the browser, on a fresh SQLite file; the collector is not started yet."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        database = await Database.open(f"sqlite+aiosqlite:///{folder}/bench.db")
        live, fleet, counted = Live(), Fleet(database), Counted()
        hub, ingest, renderer = Hub(database, live, fleet), Ingest(database, live), Renderer()
        cluster = await Cluster.from_kubeconfig("bench", kubeconfig)

        async def door(facts: Sequence[Fact]) -> None:
            await ingest(facts)
            counted.facts += len(facts)
            counted.rows += sum(isinstance(f, WorkloadObserved) for f in facts)

        loop = asyncio.create_task(hub.run())
        while not hub.ready:
            await asyncio.sleep(0.01)
        page = PAGES[0]
        query = BoardQuery.parse([])
        view = hub.view(
            ViewKey(page.path, query.query_string(), "text/html"),
            lambda f, now: PageContent(
                page, query, page.open(f, query, now, ()), renderer, RowCache(), now, PAGES
            ),
        )
        watcher = Watcher()
        hub.join(watcher)
        view.watchers.add(watcher)
        await cluster.probe(POD)
        collector = Collector(cluster, door)
        yield Stack(collector, hub, fleet, counted, view, watcher, rss_mb())
        loop.cancel()
        await cluster.close()
        await database.close()


async def first_board(kubeconfig: str, workloads: int) -> dict[str, float]:
    """From the first request to a rendered page with every workload on it."""
    async with stack(kubeconfig) as parts:
        started = time.perf_counter()
        task = asyncio.create_task(parts.collector.run())
        await parts.settled(lambda: len(parts.fleet.workloads) >= workloads)
        body = parts.view.answer()[0]
        while body.count(b'<tr id="s-') < workloads:
            await parts.watcher.sleep()
            body = parts.view.answer()[0]
        seconds = time.perf_counter() - started
        task.cancel()
        return {"seconds": seconds, "rss": rss_mb() - parts.idle_mb, "bytes": len(body)}


async def events(kubeconfig: str, workloads: int, expected: int) -> dict[str, float]:
    """The rate at which pod events go through to committed rows and a re-rendered view. The end is when the
    collector has taken in all of them and nothing of it is left to observe, commit or render."""
    async with stack(kubeconfig) as parts:
        task = asyncio.create_task(parts.collector.run())
        await parts.settled(lambda: len(parts.fleet.workloads) >= workloads)
        await asyncio.sleep(2)
        source = parts.collector.sources["Pod", ""]._intake
        before, rows, version = source.events, parts.counted.rows, parts.view.version
        print(json.dumps({"ready": True}), flush=True)
        while source.events == before:
            await asyncio.sleep(0.001)
        started = time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            while source.events - before < expected:
                await asyncio.sleep(0.005)
            last = None
            while last != (parts.counted.rows, parts.view.version):
                last = (parts.counted.rows, parts.view.version)
                ended = time.perf_counter()
                await asyncio.sleep(0.3)
        task.cancel()
        return {
            "seconds": ended - started,
            "events": expected,
            "rows": parts.counted.rows - rows,
            "renders": parts.view.version - version,
        }


if __name__ == "__main__":
    verb, kubeconfig, *numbers = sys.argv[1:]
    settle_memory()
    run = (
        first_board(kubeconfig, int(numbers[0]))
        if verb == "first-board"
        else events(kubeconfig, *map(int, numbers))
    )
    print(json.dumps(asyncio.run(run)))
