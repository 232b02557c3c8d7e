"""A site under test: a real database, the loop, and a real server on a loopback port, with a client that
reads streams."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI

from app.domain.facts import Fact, SourceObserved, WorkloadGone, WorkloadObserved
from app.domain.freshness import Freshness
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, PodCounts, RolloutState, Strategy
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.store.db import Database
from app.store.inbox import Inbox
from app.web import api, errors, files, pages
from app.web.auth import Everybody, Guard
from app.web.render import Renderer
from app.web.streams import Hub
from tests.databases import fresh

DEADLINE = 10.0
RENDERER = Renderer()
KINDS = ("Deployment", "ReplicaSet", "Pod")


def now() -> datetime:
    return datetime.now(UTC)


def sources(cluster: str = "east", freshness: Freshness = Freshness.LIVE) -> list[SourceObserved]:
    """What a healthy collector says of a cluster's sources."""
    return [
        SourceObserved(cluster, kind, "", freshness, now(), now(), lists=1, watches=1, objects=3)
        for kind in KINDS
    ]


def look(
    service: str,
    environment: str = "production",
    version: str = "1.0.0",
    phase: Phase = Phase.IDLE,
    message: str = "",
    cluster: str = "east",
    replicas: int = 3,
    **more: Any,
) -> WorkloadObserved:
    """A look at the Deployment of a service in an environment."""
    health = Health.HEALTHY if phase in (Phase.IDLE, Phase.SUCCEEDED) else Health.PROGRESSING
    revision = Revision(version, 1, (f"registry.example/{service}:{version}",), version, created_at=now())
    state = RolloutState(
        phase=phase,
        health=health,
        message=message,
        strategy=Strategy.ROLLING,
        revision=revision,
        revisions=(revision,),
        counts=PodCounts(replicas, replicas, replicas, replicas, replicas),
        **more,
    )
    ref = WorkloadRef(cluster, environment, "Deployment", service)
    place = Place(service, environment, f"team-{len(service) % 3}")
    return WorkloadObserved(ref, f"{service}-{environment}", place, "deployment", state, now())


def gone(fact: WorkloadObserved) -> WorkloadGone:
    return WorkloadGone(fact.ref.cluster, fact.uid, now() + timedelta(seconds=1))


@dataclass
class Event:
    """One parsed event."""

    id: str
    data: str


class Stream:
    """An open stream, read event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.retry = 0
        self.lines: list[bytes] = []

    async def event(self) -> Event:
        """The next event. Comments are passed over; fails where the stream has ended."""
        found = await self.last()
        assert found is not None, "the stream ended first"
        return found

    async def last(self) -> Event | None:
        """The next event, or None where the stream has ended."""
        async with asyncio.timeout(DEADLINE):
            ident, data = "", []
            while line := await self.response.content.readline():
                self.lines.append(line)
                text = line.decode().rstrip("\n")
                if text.startswith("data: "):
                    data.append(text[6:])
                elif text.startswith("id: "):
                    ident = text[4:]
                elif text.startswith("retry: "):
                    self.retry = int(text[7:])
                elif not text and data:
                    return Event(ident, "\n".join(data))
        return None

    async def until(self, wanted: str) -> str:
        """Data of the first event from here on that has `wanted` in it."""
        async with asyncio.timeout(DEADLINE):
            while wanted not in (data := (await self.event()).data):
                pass
        return data


class Site:
    """The running site."""

    def __init__(self, hub: Hub, live: Live, ingest: Ingest, port: socket.socket) -> None:
        self.hub, self.live, self.ingest = hub, live, ingest
        self.database = hub.database
        self.port = port.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = aiohttp.ClientSession(
            self.url,
            auto_decompress=True,
            skip_auto_headers=("Accept-Encoding",),
            read_bufsize=1 << 24,
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.get(path, headers=names) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return response.status, found, await response.read()

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[Stream]:
        """`path` as a stream."""
        async with self.client.get(path, headers={"accept": "text/event-stream"}) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            yield Stream(response)

    async def settled(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(DEADLINE):
            while not holds():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def site(
    directory: Path, facts: Sequence[Fact] = (), *, running: bool = True, **hub_options: Any
) -> AsyncIterator[Site]:
    """A site that knows `facts`; its loop runs unless told otherwise."""
    database = await Database.open(fresh(directory))
    live = Live()
    ingest = Ingest(database, live)
    await ingest(facts)
    hub = Hub(database, live, Fleet(database), **hub_options)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    errors.install(app)
    files.install(app)
    app.add_middleware(Guard, resolver=Everybody(b"test"))
    app.include_router(pages.routes(hub, RENDERER))
    app.include_router(api.router(hub, letters=Inbox(database), database=database))
    port = socket.create_server(("127.0.0.1", 0))
    port.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # so that slow readers are felt
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([port]))
    loop = asyncio.create_task(hub.run()) if running else None
    here = Site(hub, live, ingest, port)
    try:
        await here.settled(lambda: server.started and (hub.ready or not running))
        yield here
    finally:
        hub.closing.set()
        await here.client.close()
        server.should_exit = True
        await serving
        if loop:
            loop.cancel()
            await asyncio.wait([loop])
        await database.close()
