"""What ours is compared with, each run as a process of its own: bare loops, and the typed client.

    python -m tests.bench.clients VERB KUBECONFIG [EVENTS]

The bare ones read exactly the bytes that our collector reads (same transport, same pages) and msgspec-decode them
into the same shapes; they keep nothing and do nothing else.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Generic, TypeVar

import msgspec
from kubernetes.aio import client, config, watch

from app.domain.refusals import Absent, ClusterError
from app.engines.port import DEPLOYMENT, POD, REPLICASET, ROLLOUT, Kind
from app.engines.shapes import Deployment, Pod, ReplicaSet, Rollout
from app.kube import Cluster

from .rig import rss_mb


class ListMeta(msgspec.Struct, rename="camel"):
    """Where a list stands and how it goes on."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item]):
    """A page of a list."""

    metadata: ListMeta
    items: list[Item]


LISTED = ((POD, Pod), (REPLICASET, ReplicaSet), (DEPLOYMENT, Deployment), (ROLLOUT, Rollout))


class Event(msgspec.Struct):
    """A watch event of a pod."""

    type: str
    object: Pod


@asynccontextmanager
async def _cluster(kubeconfig: str) -> AsyncIterator[Cluster]:
    cluster = await Cluster.from_kubeconfig("bench", kubeconfig)
    try:
        yield cluster
    finally:
        await cluster.close()


async def bare_list(kubeconfig: str) -> dict[str, float]:
    """LIST what the collector lists, all kinds at once, in pages of 500, and decode."""
    async with _cluster(kubeconfig) as cluster:
        await cluster.probe(POD)
        started = time.perf_counter()
        read = await asyncio.gather(*(_pages(cluster, kind, shape) for kind, shape in LISTED))
        return {"seconds": time.perf_counter() - started, "pods": len(read[0]), "rss": rss_mb()}


async def _pages(cluster: Cluster, kind: Kind, shape: type[msgspec.Struct]) -> list[msgspec.Struct]:
    decode = msgspec.json.Decoder(Page[shape]).decode  # type: ignore[valid-type]
    items: list[msgspec.Struct] = []
    token = ""
    while True:
        try:
            page = decode(await cluster.page(kind, token=token))
        except Absent:
            return items
        items += page.items
        token = page.metadata.continue_
        if not token:
            return items


async def typed_list(kubeconfig: str) -> dict[str, float]:
    """LIST all pods by the typed client."""
    await config.load_kube_config(kubeconfig)
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        await core.list_pod_for_all_namespaces(limit=1)
        started = time.perf_counter()
        pods = await core.list_pod_for_all_namespaces()
        return {"seconds": time.perf_counter() - started, "pods": len(pods.items), "rss": rss_mb()}


async def bare_watch(kubeconfig: str, events: int) -> dict[str, float]:
    """Watch pods and decode `events` events; the rate from the first to the last."""
    decode = msgspec.json.Decoder(Event).decode
    async with _cluster(kubeconfig) as cluster:
        page = msgspec.json.decode(await cluster.page(POD, limit=1), type=Page[Pod])
        started, seen, version = 0.0, 0, page.metadata.resource_version
        print(json.dumps({"ready": True}), flush=True)
        while seen < events:
            with suppress(
                ClusterError
            ):  # a server gives up a reader that was held, which then goes on from here
                async for lines in cluster.watch(POD, "", version, 120):
                    started = started or (time.perf_counter() if lines else 0.0)
                    for line in lines:
                        event = decode(line)
                        seen, version = (
                            seen + (event.type != "BOOKMARK"),
                            event.object.metadata.resource_version,
                        )
                    if seen >= events:
                        break
        return {"seconds": time.perf_counter() - started, "events": seen}


async def typed_watch(kubeconfig: str, events: int) -> dict[str, float]:
    """Watch pods by the typed client's Watch."""
    await config.load_kube_config(kubeconfig)
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        listed = await core.list_pod_for_all_namespaces(limit=1)
        version, started, seen = listed.metadata.resource_version, 0.0, 0
        print(json.dumps({"ready": True}), flush=True)
        stream = watch.Watch().stream(
            core.list_pod_for_all_namespaces, resource_version=version, timeout_seconds=120
        )
        async for _ in stream:
            started = started or time.perf_counter()
            seen += 1
            if seen >= events:
                break
        return {"seconds": time.perf_counter() - started, "events": seen}


if __name__ == "__main__":
    verb, kubeconfig, *rest = sys.argv[1:]
    work = {"bare-list": bare_list, "typed-list": typed_list}.get(verb)
    print(
        json.dumps(
            asyncio.run(
                work(kubeconfig)
                if work
                else {"bare-watch": bare_watch, "typed-watch": typed_watch}[verb](kubeconfig, int(rest[0]))
            )
        )
    )
