"""Shipboard as it runs, from a cluster to a page and back: collector, ingest, database, fleet, pages, API, and the door
out; in haste."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from app.domain.facts import Fact, WorkloadGone, WorkloadObserved
from app.ingest import Ingest
from app.kube import Cluster
from app.live import Live
from app.perform import Perform, Rules
from app.read.fleet import Fleet
from app.sources.runner import Collector
from app.sources.timing import Timing
from app.store.db import Database
from app.web import api, errors, pages
from app.web.auth import Everybody, Guard
from app.web.streams import Hub

Obj = dict[str, Any]
NAME = "real"
TIMING = Timing(
    watch_least=2.5, watch_most=4.0, relist=30, list_gap=1, denied_retry=1.5, absent_retry=1, retry_cap=2,
    probe_every=1, probe_limit=1.5, patience=5, report=1,
)  # fmt: skip


class Board:
    """What is on the screen, all that was ever told about workloads, and the door by which they are changed."""

    def __init__(self, http: AsyncClient, fleet: Fleet, perform: Perform, cluster: Cluster) -> None:
        self.fleet = fleet
        self.http = http
        self.perform, self.cluster = perform, cluster
        self.said: list[tuple[float, WorkloadObserved | WorkloadGone]] = []

    async def workload(self, namespace: str, name: str, kind: str = "Deployment") -> Obj | None:
        """The workload as the API has it: that of the list, with pods, revisions and problems; None if it has none."""
        answer = await self.http.get(f"/api/v1/workloads/{NAME}/{namespace}/{kind}/{name}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        said = answer.json()
        return {**said, **said["workload"]}

    async def until(
        self,
        namespace: str,
        name: str,
        condition: Callable[[Obj], object],
        *,
        kind: str = "Deployment",
        seconds: float = 60,
    ) -> Obj:
        """The workload once `condition` holds. Raises AssertionError with what it was instead."""
        ends, shown = time.monotonic() + seconds, None
        while time.monotonic() < ends:
            shown = await self.workload(namespace, name, kind)
            if shown and condition(shown):
                return shown
            await asyncio.sleep(0.05)
        few = {k: v for k, v in (shown or {}).items() if k not in ("workload", "revisions")}
        raise AssertionError(f"not shown within {seconds} s: {name}: {few}")

    async def page_phase(self, service: str) -> str:
        """The state that the board's page gives the service: the data-phase of its one cell."""
        answer = await self.http.get("/", params={"q": service})
        assert answer.status_code == 200, answer.text
        row = re.search(r'<tbody id="rows">(.*?)</tbody>', answer.text, re.DOTALL)
        assert row, answer.text
        found = re.findall(r'<div class="cell" data-phase="(\w+)"', row[1])
        assert len(found) == 1, (service, found)
        return str(found[0])

    async def rollouts(self, service: str) -> list[Obj]:
        """Every rollout of the service, oldest first."""
        answer = await self.http.get("/api/v1/rollouts", params={"service": service})
        assert answer.status_code == 200, answer.text
        return sorted(answer.json()["items"], key=lambda one: datetime.fromisoformat(one["started_at"]))


@asynccontextmanager
async def watching(
    kubeconfig: Path, folder: Path, *namespaces: str, acts: bool = True
) -> AsyncIterator[Board]:
    """A board that follows the cluster of `kubeconfig`, with its database in `folder`; in `namespaces` what may not be
    followed in all. Without `acts` what is asked is recorded, and left until somebody runs `perform`."""
    database = await Database.open(f"sqlite+aiosqlite:///{folder / 'board.db'}", audit_key="k" * 32)
    live, fleet = Live(), Fleet(database)
    hub, ingest = Hub(database, live, fleet), Ingest(database, live)
    site = FastAPI()
    errors.install(site)
    site.add_middleware(Guard, resolver=Everybody(b"test"))
    site.include_router(pages.routes(hub))
    site.include_router(api.router(hub))
    cluster = await Cluster.from_kubeconfig(NAME, kubeconfig)
    perform = Perform(database, live, {NAME: cluster}, Rules(), lambda: datetime.now(UTC))
    async with AsyncClient(transport=ASGITransport(site), base_url="http://localhost") as http:
        board = Board(http, fleet, perform, cluster)

        async def door(facts: Sequence[Fact]) -> None:
            await ingest(facts)
            now = time.monotonic()
            board.said += [(now, fact) for fact in facts if isinstance(fact, WorkloadObserved | WorkloadGone)]

        running = [
            asyncio.create_task(hub.run()),
            asyncio.create_task(Collector(cluster, door, namespaces=namespaces, timing=TIMING).run()),
            *([asyncio.create_task(perform.run())] if acts else []),
        ]
        try:
            async with asyncio.timeout(60):
                while not hub.ready:
                    await asyncio.sleep(0.02)
            yield board
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
            await cluster.close()
            await database.close()
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
