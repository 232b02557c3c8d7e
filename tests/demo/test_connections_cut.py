"""Faults of the listener itself, on either event loop the cluster may run on."""

import asyncio
from typing import Any

import aiohttp
import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import PODS, Client, stored, until

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


async def watched(cluster: EmbeddedCluster, client: Client) -> asyncio.Task[list[dict[str, Any]]]:
    """An open watch, read in the background."""

    async def read() -> list[dict[str, Any]]:
        return [event async for event in client.watch(MAPS, resourceVersion=cluster.store.version)]

    task = asyncio.create_task(read())
    await until(lambda: cluster.store.tables["configmaps"].log.readers, "the watch")
    return task


async def test_refusing_server_is_gone_and_comes_back(cluster: EmbeddedCluster, client: Client) -> None:
    watch = await watched(cluster, client)
    headers = {"Authorization": f"Bearer {cluster.token}"}
    async with aiohttp.ClientSession(headers=headers) as bench:
        await bench.post(f"{cluster.bench_url}/faults", json={"refuse": True})
        with pytest.raises(aiohttp.ClientError):
            await watch
        with pytest.raises(aiohttp.ClientError):
            await client.get(PODS)
        await bench.post(f"{cluster.bench_url}/faults", json={"refuse": False})
    assert (await client.get(PODS))["items"] == []


async def test_dropped_connections_can_be_made_again(cluster: EmbeddedCluster, client: Client) -> None:
    watch = await watched(cluster, client)
    assert (await cluster.bench.drop())["connections"] >= 1
    with pytest.raises(aiohttp.ClientError):
        await watch
    assert (await client.get(PODS))["items"] == []
    await until(lambda: not cluster.store.tables["configmaps"].log.readers, "the server to notice")


async def test_restarted_server_has_forgotten_quiet_kinds(cluster: EmbeddedCluster, client: Client) -> None:
    await client.call("POST", MAPS, {"metadata": {"name": "one"}})
    version = stored(cluster, "configmaps", "one")["metadata"]["resourceVersion"]
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    watch = await watched(cluster, client)
    await cluster.bench.restart()
    with pytest.raises(aiohttp.ClientError):
        await watch
    events = [event async for event in client.watch(MAPS, resourceVersion=version)]
    assert [(event["type"], event["object"]["code"]) for event in events] == [("ERROR", 410)]
