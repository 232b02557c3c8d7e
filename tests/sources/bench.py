"""A collector on an embedded cluster, with time squeezed, and an ingest that remembers what the board would
know."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.demo.faults import Faults
from app.domain.facts import (
    Fact,
    SourceObserved,
    SourcesNamed,
    WorkloadGone,
    WorkloadObserved,
    WorkloadsListed,
)
from app.domain.freshness import Freshness
from app.kube import Cluster
from app.sources.runner import Collector, kinds
from app.sources.timing import Timing

# asyncio loses a connection that is accepted while its listener closes (3.11), which is what `refuse` does
LEAKY = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

QUICK = Timing(
    watch_least=1.0,
    watch_most=1.0,
    watch_grace=0.3,
    silence=0.8,
    relist=3600,
    list_gap=0.3,
    denied_retry=0.1,
    absent_retry=0.1,
    retry_floor=0.02,
    retry_base=0.02,
    retry_cap=0.2,
    probe_every=0.1,
    probe_limit=0.3,
    patience=2.0,
    tick=0.01,
    report=0.1,
    flush_least=0.002,
    flush_most=0.01,
    tail_every=0.01,
    page=7,
)


KEPT: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("deployments", "Deployment", lambda _: True),
    ("services", "Service", lambda _: True),
    ("endpointslices", "EndpointSlice", lambda _: True),
    ("statefulsets", "StatefulSet", lambda _: True),
    ("daemonsets", "DaemonSet", lambda _: True),
    ("controllerrevisions", "ControllerRevision", lambda obj: bool(obj["metadata"].get("ownerReferences"))),
    ("replicasets", "ReplicaSet", lambda obj: bool(obj["metadata"].get("ownerReferences"))),
    ("pods", "Pod", lambda obj: bool(obj["metadata"].get("ownerReferences"))),
)
"""What of the server's objects is kept: plural, kind, and whether this one is."""


class Heard:
    """An ingest in memory: the newest fact of each workload and source, and all facts in order."""

    def __init__(self) -> None:
        self.workloads: dict[str, WorkloadObserved] = {}
        self.sources: dict[tuple[str, str], SourceObserved] = {}
        self.facts: list[Fact] = []
        self.fail = 0
        self._bell = asyncio.Event()

    async def __call__(self, facts: Sequence[Fact]) -> None:
        self._bell.set()
        if self.fail:
            self.fail -= 1
            raise RuntimeError("the database is away")
        for fact in facts:
            self.facts.append(fact)
            if isinstance(fact, WorkloadObserved):
                self.workloads[fact.uid] = fact
            elif isinstance(fact, WorkloadGone):
                self.workloads.pop(fact.uid, None)
            elif isinstance(fact, WorkloadsListed):
                for uid, seen in tuple(self.workloads.items()):
                    if seen.ref.kind == fact.kind and uid not in fact.uids:
                        del self.workloads[uid]
            elif isinstance(fact, SourceObserved):
                self.sources[fact.kind, fact.namespace] = fact
            elif isinstance(fact, SourcesNamed):
                self.sources = {k: s for k, s in self.sources.items() if s.key in fact.sources}

    async def until(self, holds: Callable[[], Any], within: float = 30.0) -> None:
        """Wait until `holds()`; sources report ten times a second, so it is asked at least that often."""
        async with asyncio.timeout(within):
            while not holds():
                self._bell.clear()
                await self._bell.wait()

    def fresh(self, kind: str, namespace: str = "") -> Freshness | None:
        source = self.sources.get((kind, namespace))
        return source.freshness if source is not None else None

    def all_live(self) -> bool:
        return len(self.sources) >= len(kinds()) and all(
            s.freshness is Freshness.LIVE for s in self.sources.values()
        )

    def named(self, name: str) -> WorkloadObserved | None:
        return next((w for w in self.workloads.values() if w.ref.name == name), None)

    def of(self, sort: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, sort)]


class Wire:
    """A TCP proxy. Connections that ever asked for something containing `frozen` stay open and carry no more
    answers: the half-open connection that a lost route or a silent firewall leaves behind."""

    def __init__(self, port: int) -> None:
        self.frozen = b""
        self.port = 0
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = bytearray()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        for source, sink, up in ((reader, up_writer, True), (up_reader, writer, False)):
            self._tasks.add(asyncio.create_task(self._pump(source, sink, asked, up)))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, asked: bytearray, up: bool
    ) -> None:
        try:
            while chunk := await source.read(1 << 16):
                if up:
                    asked += chunk
                if not self.frozen or self.frozen not in asked:
                    sink.write(chunk)
                    await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


class Following:
    """What a test holds: the server, the collector on it, what was heard, and the wire when asked for."""

    def __init__(
        self, server: EmbeddedCluster, collector: Collector, heard: Heard, wire: Wire | None
    ) -> None:
        self.server, self.collector, self.heard, self.wire = server, collector, heard, wire

    def agrees(self) -> bool:
        """Whether the cache holds exactly what the server does (as far as it is kept)."""
        rows = self.server.store.rows
        return all(
            self.collector.cache.versions(kind)
            == {e.uid: str(e.version) for e in rows(plural) if owned(e.obj)}
            for plural, kind, owned in KEPT
        )

    async def settled(self) -> None:
        await self.heard.until(self.heard.all_live)
        await self.heard.until(self.agrees)

    async def faults(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self.server.faults, name, value)
        await self.server.apply_faults()

    async def heal(self) -> None:
        """Switch every fault off."""
        healthy = Faults()
        await self.faults(**{name: getattr(healthy, name) for name in healthy.__struct_fields__})


@asynccontextmanager
async def following(
    *,
    fill: int = 3,
    pods: int = 4,
    timing: Timing = QUICK,
    faults: dict[str, Any] | None = None,
    proxied: bool = False,
    **options: Any,
) -> AsyncIterator[Following]:
    """A cluster with `fill` settled Deployments of `pods` pods, and a running collector; `faults` are on from
    the start."""
    async with EmbeddedCluster() as server, Wire(server.port) as wire:
        await server.bench.fill(fill, pods, namespaces=2)
        for name, value in (faults or {}).items():
            setattr(server.faults, name, value)
        await server.apply_faults()
        cluster = await Cluster.at(
            "test", f"http://127.0.0.1:{wire.port if proxied else server.port}", server.token
        )
        heard = Heard()
        options.setdefault("clock", time.monotonic)
        collector = Collector(cluster, heard, timing=timing, rng=random.Random(7), **options)
        task = asyncio.create_task(collector.run())
        try:
            yield Following(server, collector, heard, wire if proxied else None)
            assert not task.done(), "the collector must never end by itself"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await cluster.close()
