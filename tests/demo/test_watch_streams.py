"""Watches: resuming, bookmarks, selection, expiry."""

import asyncio
from typing import Any

import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import PODS, Client, until

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"


async def make(client: Client, name: str, **labels: str) -> dict[str, Any]:
    status, body = await client.call("POST", MAPS, {"metadata": {"name": name, "labels": labels}})
    assert status == 201
    made: dict[str, Any] = body
    return made


async def take(client: Client, count: int, path: str = MAPS, **query: Any) -> list[dict[str, Any]]:
    """The first events of a watch."""
    events: list[dict[str, Any]] = []

    async def read() -> None:
        async for event in client.watch(path, **query):
            events.append(event)
            if len(events) == count:
                return

    await asyncio.wait_for(read(), 10)
    return events


def short(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


async def test_watch_resumes_after_a_version(client: Client) -> None:
    first = await make(client, "one")
    await make(client, "two")
    await client.call("DELETE", f"{MAPS}/one")
    events = await take(client, 2, resourceVersion=first["metadata"]["resourceVersion"])
    assert short(events) == [("ADDED", "two"), ("DELETED", "one")]
    assert events[0]["object"]["kind"] == "ConfigMap"
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(first["metadata"]["resourceVersion"])


async def test_initial_events_end_with_a_marked_bookmark(client: Client) -> None:
    await make(client, "one")
    await make(client, "two")
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    events = await take(client, 3, **query)
    assert short(events) == [("ADDED", "one"), ("ADDED", "two"), ("BOOKMARK", "")]
    assert events[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    status, body = await client.call("GET", MAPS, watch="true", sendInitialEvents="true")
    assert (status, body["details"]["causes"][0]["field"]) == (422, "resourceVersionMatch")


async def test_bookmark_is_a_skeleton(cluster: EmbeddedCluster, client: Client) -> None:
    cluster.faults.bookmark_interval = 0.05
    version = str(cluster.store.version)
    events = await take(client, 2, PODS, resourceVersion=version, allowWatchBookmarks="true")
    assert events[0] == {
        "type": "BOOKMARK",
        "object": {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": version},
            "spec": {"containers": None},
            "status": {},
        },
    }


async def test_a_quiet_watch_has_one_bookmark_before_its_end(
    cluster: EmbeddedCluster, client: Client
) -> None:
    version = str(cluster.store.version)
    query = {"resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "1"}
    events = [event async for event in client.watch(PODS, **query)]
    assert [event["type"] for event in events] == ["BOOKMARK"]


async def test_object_that_leaves_a_selection_is_deleted_and_added_again(client: Client) -> None:
    made = await make(client, "one", tier="a")
    for tier in ("b", "a"):
        await client.patch(f"{MAPS}/one", {"metadata": {"labels": {"tier": tier}}})
    await client.call("DELETE", f"{MAPS}/one")
    version = made["metadata"]["resourceVersion"]
    events = await take(client, 3, resourceVersion=version, labelSelector="tier=a")
    assert [kind for kind, _ in short(events)] == ["DELETED", "ADDED", "DELETED"]


async def test_watch_from_before_compaction_is_an_error_event_on_200(
    cluster: EmbeddedCluster, client: Client
) -> None:
    made = await make(client, "one")
    await make(client, "two")
    await cluster.bench.compact()
    events = [
        event async for event in client.watch(MAPS, resourceVersion=made["metadata"]["resourceVersion"])
    ]
    assert [event["type"] for event in events] == ["ERROR"]
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


async def test_watch_ends_when_its_time_is_up(cluster: EmbeddedCluster, client: Client) -> None:
    events = [
        event async for event in client.watch(MAPS, resourceVersion=cluster.store.version, timeoutSeconds="1")
    ]
    assert events == []


async def test_watch_at_a_future_version_stays_empty(cluster: EmbeddedCluster, client: Client) -> None:
    watched = asyncio.create_task(take(client, 1, resourceVersion="999999999", timeoutSeconds="1"))
    await until(lambda: cluster.store.tables["configmaps"].log.readers, "the watch")
    await make(client, "one")
    assert await watched == []


async def test_events_reach_a_watcher_in_order_and_complete(cluster: EmbeddedCluster, client: Client) -> None:
    await cluster.bench.fill(5, 10)
    version = cluster.store.version
    watched = asyncio.create_task(take(client, 2000, "/api/v1/pods", resourceVersion=version))
    await until(lambda: cluster.store.tables["pods"].log.readers, "the watch")
    await cluster.bench.blast(2000)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in await watched]
    assert versions == list(range(version + 1, version + 2001))


async def test_watcher_that_falls_out_of_the_window_is_cut_off() -> None:
    async with EmbeddedCluster(window=50) as cluster, Client(cluster.url, cluster.token) as client:
        version = (await make(client, "one"))["metadata"]["resourceVersion"]
        cluster.faults.stall = {"configmaps"}
        watched = asyncio.create_task(take(client, 999, resourceVersion=version))
        await until(lambda: cluster.store.tables["configmaps"].log.readers, "the watch")
        for number in range(200):
            cluster.store.create("configmaps", {"metadata": {"name": f"n{number}", "namespace": "default"}})
        cluster.faults.reset()
        await cluster.apply_faults()
        assert await watched == []
        events = await take(client, 1, resourceVersion=version)
        assert events[0]["object"]["code"] == 410
