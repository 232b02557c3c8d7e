"""Every fault can be switched on and off while running, in process and over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import PODS, ROLLOUTS, Client, until

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def bench(cluster: EmbeddedCluster) -> AsyncIterator[Any]:
    """POST a verb, or switches, to the control path."""
    headers = {"Authorization": f"Bearer {cluster.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def post(verb: str, **body: Any) -> Any:
            async with session.post(f"{cluster.bench_url}/{verb}", json=body) as response:
                answer = await response.json()
                assert response.status == 200, answer
                return answer

        yield post


async def lines(client: Client, path: str = MAPS, **query: Any) -> list[dict[str, Any]]:
    return [event async for event in client.watch(path, **query)]


async def test_switches_are_refused_when_wrong(cluster: EmbeddedCluster) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{cluster.bench_url}/faults"
        assert (await session.post(url, json={})).status == 401
        headers = {"Authorization": f"Bearer {cluster.token}"}
        refused = await session.post(url, json={"latency": "slow"}, headers=headers)
        assert (refused.status, cluster.faults.latency) == (400, 0.0)
        assert (await session.post(url, json={"nonsense": 1}, headers=headers)).status == 400
        assert (await session.post(url, json={"latency": 0.5}, headers=headers)).status == 200
        assert cluster.faults.latency == 0.5
        await session.delete(url, headers=headers)
        assert cluster.faults.latency == 0.0


async def test_stalled_watch_is_silent_then_catches_up(
    cluster: EmbeddedCluster, client: Client, bench: Any
) -> None:
    await bench("faults", stall=["configmaps"], bookmark_interval=0.05)
    stream = client.watch(MAPS, resourceVersion=cluster.store.version, allowWatchBookmarks="true")
    first = asyncio.ensure_future(anext(stream))
    await client.call("POST", MAPS, {"metadata": {"name": "one"}})
    done, _ = await asyncio.wait([first], timeout=0.3)
    assert not done
    await bench("faults", stall=[])
    assert (await asyncio.wait_for(first, 5))["object"]["metadata"]["name"] == "one"
    await stream.aclose()  # type: ignore[attr-defined]


async def test_lying_watch_loses_events_while_bookmarks_flow(
    cluster: EmbeddedCluster, client: Client, bench: Any
) -> None:
    await bench("faults", lie={"configmaps": 1.0}, bookmark_interval=0.05)
    stream = client.watch(MAPS, resourceVersion=cluster.store.version, allowWatchBookmarks="true")
    await client.call("POST", MAPS, {"metadata": {"name": "lost"}})
    event = await asyncio.wait_for(anext(stream), 5)
    assert event["type"] == "BOOKMARK"
    assert int(event["object"]["metadata"]["resourceVersion"]) >= cluster.store.version
    await stream.aclose()  # type: ignore[attr-defined]


async def test_gone_is_an_event_or_a_status(cluster: EmbeddedCluster, client: Client, bench: Any) -> None:
    version = cluster.store.version
    await bench("faults", gone_watch=["configmaps"])
    events = await lines(client, resourceVersion=version)
    assert [(event["type"], event["object"]["code"]) for event in events] == [("ERROR", 410)]
    await bench("faults", gone_watch=[], gone_watch_http=["*"])
    status, body = await client.call("GET", MAPS, watch="true", resourceVersion=version)
    assert (status, body["reason"]) == (410, "Expired")


async def test_gone_continue_gives_a_token_to_go_on(
    cluster: EmbeddedCluster, client: Client, bench: Any
) -> None:
    await bench("fill", workloads=1, pods=4, namespaces=1)
    token = (await client.get("/api/v1/pods", limit=2))["metadata"]["continue"]
    await bench("faults", gone_continue=["pods"])
    status, body = await client.call("GET", "/api/v1/pods", limit=2, **{"continue": token})
    assert (status, bool(body["metadata"]["continue"])) == (410, True)


@pytest.mark.parametrize(
    ("switch", "code"),
    [
        ({"unauthorized": True}, 401),
        ({"busy": 429, "retry_after": 7}, 429),
        ({"busy": 503}, 503),
        ({"forbid": [{"resource": "pods", "namespace": "default"}]}, 403),
    ],
)
async def test_refusals_on_demand(client: Client, bench: Any, switch: dict[str, Any], code: int) -> None:
    await bench("faults", **switch)
    response = await client.open("GET", PODS)
    assert response.status == code
    if code == 429:
        assert response.headers["Retry-After"] == "7"
    if code == 403:
        body = await response.read()
        assert b'cannot list resource \\"pods\\" in API group \\"\\" in the namespace \\"default\\"' in body
        assert (await client.call("GET", "/api/v1/namespaces/kube-system/pods"))[0] == 200


async def test_latency_delays_every_answer(client: Client, bench: Any) -> None:
    await bench("faults", latency=0.2)
    started = time.monotonic()
    await client.get(PODS)
    assert time.monotonic() - started >= 0.2


async def test_bandwidth_slows_a_list(client: Client, bench: Any) -> None:
    await bench("fill", workloads=1, pods=10, namespaces=1)
    await bench("faults", bandwidth=200_000)
    started = time.monotonic()
    assert len((await client.get("/api/v1/pods"))["items"]) == 10
    assert time.monotonic() - started > 0.15


async def test_broken_lines_come_once(cluster: EmbeddedCluster, client: Client, bench: Any) -> None:
    version = cluster.store.version
    for name in ("one", "two"):
        await client.call("POST", MAPS, {"metadata": {"name": name}})
    await bench("faults", garbage=["configmaps"])
    with pytest.raises(ValueError, match=r"line|column|decode|codec"):
        await lines(client, resourceVersion=version, timeoutSeconds="1")
    await bench("faults", truncated=["configmaps"])
    with pytest.raises(ValueError, match=r"line|column|Unterminated"):
        await lines(client, resourceVersion=version, timeoutSeconds="1")
    assert len(await lines(client, resourceVersion=version, timeoutSeconds="1")) == 2


async def test_poison_is_served_as_it_is(client: Client, bench: Any) -> None:
    names = (await bench("poison", resource="deployments"))["names"]
    found = (await client.get("/apis/apps/v1/namespaces/poison/deployments"))["items"]
    assert {item["metadata"]["name"] for item in found} == set(names)
    by_name = {item["metadata"]["name"]: item for item in found}
    assert by_name["poison-null-status"]["status"] is None
    assert by_name["poison-null-labels"]["metadata"]["labels"] is None
    assert by_name["poison-wrong-numbers"]["status"]["observedGeneration"] == {}


async def test_restart_from_a_backup_goes_back_in_version(
    cluster: EmbeddedCluster, client: Client, bench: Any
) -> None:
    await client.call("POST", MAPS, {"metadata": {"name": "kept"}})
    saved = await bench("backup")
    await client.call("POST", MAPS, {"metadata": {"name": "lost"}})
    newest = str(cluster.store.version)
    await bench("restart", older=True)
    found = await client.get(MAPS)
    assert [item["metadata"]["name"] for item in found["items"]] == ["kept"]
    assert found["metadata"]["resourceVersion"] == saved["resourceVersion"] < newest


async def test_rollouts_are_404_until_the_group_is_installed(
    cluster: EmbeddedCluster, client: Client, bench: Any
) -> None:
    await bench("faults", crd_absent=True)
    assert await client.call("GET", ROLLOUTS) == (404, "404 page not found\n")
    assert "argoproj.io" not in {g["name"] for g in (await client.get("/apis"))["groups"]}
    await bench("faults", crd_absent=False)
    assert (await client.get(ROLLOUTS))["items"] == []


async def test_fill_is_fast_and_settled(cluster: EmbeddedCluster, client: Client, bench: Any) -> None:
    figures = await bench("fill", workloads=100, pods=10)
    assert figures["pods"] == 1000
    assert figures["seconds"] < 3
    pods = (await client.get("/api/v1/pods"))["items"]
    assert len(pods) == 1000
    assert all(row["ready"] for pod in pods for row in pod["status"]["containerStatuses"])
    before = cluster.store.version
    cluster.controllers.resync()
    await asyncio.sleep(cluster.clock.real(2))
    assert cluster.store.version == before


async def test_ready_flips_one_pod_with_a_stamp(client: Client, bench: Any) -> None:
    await bench("fill", workloads=1, pods=1, namespaces=1)
    meta = (await client.get("/api/v1/pods"))["items"][0]["metadata"]
    answer = await bench(
        "ready", namespace=meta["namespace"], name=meta["name"], value=False, at=1700000000.5
    )
    pod = (await client.get("/api/v1/pods"))["items"][0]
    assert (pod["metadata"]["annotations"]["bench/at"], answer["at"]) == ("1700000000.5", 1700000000.5)
    assert pod["status"]["containerStatuses"][0]["ready"] is False


async def test_touch_keeps_its_rate(cluster: EmbeddedCluster, bench: Any) -> None:
    await bench("fill", workloads=1, pods=5, namespaces=1)
    before = cluster.store.version
    await bench("touch", rate=200, seconds=0.5)
    await until(lambda: cluster.store.version >= before + 95, "95 of 100 touches")
    assert cluster.store.version <= before + 100


async def test_blast_with_flip_turns_readiness_over(
    cluster: EmbeddedCluster, client: Client, bench: Any
) -> None:
    await bench("fill", workloads=1, pods=3, namespaces=1)
    before, deployment = cluster.store.version, cluster.store.rows("deployments")[0].version
    await bench("blast", events=9, flip=True)
    events = await lines(client, "/api/v1/pods", resourceVersion=before, timeoutSeconds="1")
    told = [
        (
            event["object"]["metadata"]["resourceVersion"],
            [c["status"] for c in event["object"]["status"]["conditions"] if c["type"].endswith("Ready")],
            event["object"]["status"]["containerStatuses"][0]["ready"],
        )
        for event in events
    ]
    down, up = (["False", "False"], False), (["True", "True"], True)
    states = [down] * 3 + [up] * 3 + [down] * 3
    assert told == [(str(before + 1 + n), *state) for n, state in enumerate(states)]
    listed = (await client.get("/api/v1/pods"))["items"]
    assert {key: listed[0][key] for key in ("metadata", "spec", "status")} == cluster.store.rows("pods")[
        0
    ].obj
    assert cluster.store.rows("deployments")[0].version == deployment


@pytest.mark.parametrize(
    ("group", "version", "plural"),
    [("flagger.app", "v1beta1", "canaries"), ("gateway.networking.k8s.io", "v1", "httproutes")],
)
async def test_kinds_can_be_installed_later(
    client: Client, bench: Any, group: str, version: str, plural: str
) -> None:
    root = f"/apis/{group}/{version}"
    namespaced = f"{root}/namespaces/default/{plural}"
    for path in (f"/apis/{group}", root, f"{root}/{plural}", namespaced):
        response = await client.open("GET", path)
        assert response.status == 404, path
        assert response.headers["Content-Type"].startswith("text/plain")
        assert await response.read() == b"404 page not found\n"
    assert group not in str(await client.get("/apis"))
    await bench("faults", absent=[])
    assert (await client.get(root))["resources"][0]["name"] == plural
    assert (await client.call("POST", namespaced, {"metadata": {"name": "web"}, "spec": {}}))[0] == 201
    assert len((await client.get(f"{root}/{plural}"))["items"]) == 1
    await bench("faults", absent=[group])
    assert (await client.call("GET", namespaced))[0] == 404
