"""Warning Events as recorded: what is wrong, in the words of whoever noticed, counted and combined."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import DEPLOYMENTS, Client, deployment, template, until

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]
EVENTS = "/api/v1/namespaces/default/events"


async def warnings(cluster: EmbeddedCluster, client: Client, fail: str, reason: str) -> list[Obj]:
    """The Warning Events of a reason, once a Deployment that fails so has caused one."""
    await client.call("POST", DEPLOYMENTS, deployment(replicas=1, pod=template(fail=fail, crash_after="1")))
    await until(lambda: any(e.obj["reason"] == reason for e in cluster.store.rows("events")), reason)
    items = (await client.get(EVENTS, fieldSelector="type=Warning"))["items"]
    assert {item["type"] for item in items} == {"Warning"}
    return [item for item in items if item["reason"] == reason]


@pytest.mark.parametrize(
    ("fail", "reason", "component", "words"),
    [
        ("crash", "BackOff", "kubelet", "Back-off restarting failed container web in pod web-"),
        ("image-pull", "Failed", "kubelet", 'Failed to pull image "web:1.0": rpc error: code = NotFound'),
        ("never-ready", "Unhealthy", "kubelet", "Readiness probe failed: HTTP probe failed with statuscode"),
        ("quota", "FailedCreate", "replicaset-controller", 'Error creating: pods "web-'),
        ("unschedulable", "FailedScheduling", "default-scheduler", "0/3 nodes are available: 3 Insuffic"),
    ],
)
async def test_trouble_is_told_in_the_words_of_the_tapes(
    cluster: EmbeddedCluster, client: Client, fail: str, reason: str, component: str, words: str
) -> None:
    events = await warnings(cluster, client, fail, reason)
    told = [(event["message"].startswith(words), event["reportingComponent"]) for event in events]
    assert (True, component) in told


async def test_unschedulable_pod_says_why_in_its_condition(cluster: EmbeddedCluster, client: Client) -> None:
    pod = template()
    pod["spec"]["nodeSelector"] = {"disk": "fast"}
    await client.call("POST", DEPLOYMENTS, deployment(replicas=1, pod=pod))

    def condition() -> Obj:
        rows = [row.obj["status"].get("conditions") for row in cluster.store.rows("pods")]
        found: Obj = rows[0][0] if rows and rows[0] else {}
        return found

    await until(condition, "the condition")
    assert (condition()["type"], condition()["status"], condition()["reason"]) == (
        "PodScheduled",
        "False",
        "Unschedulable",
    )
    assert condition()["message"].startswith("0/3 nodes are available: 3 node(s) didn't match Pod's node aff")
    labels = {"metadata": {"labels": {"disk": "fast"}}}
    await client.patch("/api/v1/nodes/node-2", labels)
    await until(
        lambda: cluster.store.rows("pods")[0].obj["spec"].get("nodeName") == "node-2", "the pod's node"
    )


async def test_tenth_different_event_is_combined(cluster: EmbeddedCluster, client: Client) -> None:
    await warnings(cluster, client, "quota", "FailedCreate")

    def combined() -> list[Obj]:
        rows = [row.obj for row in cluster.store.rows("events")]
        return [row for row in rows if row["message"].startswith("(combined from similar events): Error cre")]

    await until(lambda: combined() and combined()[0]["count"] == 2, "the eleventh")
    [event] = combined()
    assert (event["reason"], event["type"], event["reportingComponent"]) == ("FailedCreate", "Warning", "")
    single = [row for row in cluster.store.rows("events") if row.obj["reason"] == "FailedCreate"]
    assert len(single) == 10


async def test_watch_follows_warnings_only(cluster: EmbeddedCluster, client: Client) -> None:
    version = cluster.store.version
    await warnings(cluster, client, "never-ready", "Unhealthy")
    query = {"fieldSelector": "type!=Normal", "resourceVersion": version, "timeoutSeconds": "1"}
    seen = [event["object"]["reason"] async for event in client.watch(EVENTS, **query)]
    assert set(seen) == {"Unhealthy"}
