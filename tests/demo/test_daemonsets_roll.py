"""DaemonSets behave as recorded: a pod a node, replaced or surged, and stuck without a word when broken."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.demo.resources import Resource
from app.demo.store import Change
from tests.demo.client import DAEMONSETS, PODS, STRATEGIC, Client, daemonset, until

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]
AGENT = f"{DAEMONSETS}/agent"
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


class Watcher:
    """Every status of the DaemonSet, and how many pods lived with each change of a pod."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self.statuses: list[Obj] = []
        self.living: list[int] = []
        cluster.store.subscribe(self._note)

    def _note(self, resource: Resource, change: Change) -> None:
        if resource.plural == "daemonsets":
            self.statuses.append(change.entry.obj["status"])
        elif resource.plural == "pods":
            self.living.append(sum("deletionTimestamp" not in pod["metadata"] for pod in self.pods()))

    def pods(self) -> list[Obj]:
        return [row.obj for row in self.cluster.store.rows("pods")]

    def images(self) -> list[str]:
        """Tags by node."""
        by_node = {p["spec"].get("nodeName", ""): p["spec"]["containers"][0]["image"] for p in self.pods()}
        return [by_node[node].removeprefix("agent:") for node in sorted(by_node)]

    @property
    def now(self) -> Obj:
        entry = self.cluster.store.get("daemonsets", "default", "agent")
        return entry.obj if entry else {"status": {}, "metadata": {"generation": 0}}

    def seen(self) -> bool:
        return bool(self.now["status"].get("observedGeneration") == self.now["metadata"]["generation"])

    def through(self) -> bool:
        """As kubectl rollout status sees it."""
        status = self.now["status"]
        keys = ("updatedNumberScheduled", "numberAvailable", "desiredNumberScheduled")
        return self.seen() and {status.get(key, 0) for key in keys} == {len(self.pods())}

    async def settled(self, *images: str) -> None:
        await until(lambda: self.images() == list(images) and self.through(), f"{images} by node")
        self.statuses.clear()
        self.living.clear()


@pytest.fixture
def agent(cluster: EmbeddedCluster) -> Watcher:
    return Watcher(cluster)


def image(tag: str) -> Obj:
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": f"agent:{tag}"}]}}}}


async def test_every_node_has_one_pod_replaced_one_at_a_time(client: Client, agent: Watcher) -> None:
    await client.call("POST", DAEMONSETS, daemonset())
    await agent.settled("1", "1", "1")
    await client.patch(AGENT, image("2"), STRATEGIC)
    await until(lambda: agent.images() == ["2"] * 3 and agent.through(), "the update")
    assert min(s.get("numberAvailable", 0) for s in agent.statuses) == 2
    assert max(agent.living) == 3
    updated = [s.get("updatedNumberScheduled", 0) for s in agent.statuses[1:]]
    assert updated == sorted(updated)
    assert set(updated) == {0, 1, 2, 3}


async def test_surge_keeps_every_node_served(client: Client, agent: Watcher) -> None:
    await client.call("POST", DAEMONSETS, daemonset(updateStrategy=SURGE))
    await agent.settled("1", "1", "1")
    await client.patch(AGENT, image("2"), STRATEGIC)
    await until(lambda: agent.images() == ["2"] * 3 and agent.through(), "the update")
    assert {s.get("numberAvailable") for s in agent.statuses} == {3}
    assert max(agent.living) == 4


async def test_broken_surge_looks_healthy_but_for_the_updated_count(client: Client, agent: Watcher) -> None:
    await client.call("POST", DAEMONSETS, daemonset(updateStrategy=SURGE))
    await agent.settled("1", "1", "1")
    await client.patch(AGENT, image("bad"), STRATEGIC)
    await until(lambda: agent.seen() and len(agent.pods()) == 4, "the surge")
    begun = agent.cluster.clock.now()
    await until(lambda: agent.cluster.clock.now() > begun + 20, "nothing to happen")
    status = agent.now["status"]
    assert (status["numberReady"], status["numberAvailable"], len(agent.pods())) == (3, 3, 4)
    assert not {"updatedNumberScheduled", "numberUnavailable", "conditions"} & status.keys()
    await client.patch(AGENT, image("1"), STRATEGIC)
    await agent.settled("1", "1", "1")


async def test_on_delete_waits_for_a_person(client: Client, agent: Watcher) -> None:
    await client.call("POST", DAEMONSETS, daemonset(updateStrategy={"type": "OnDelete"}))
    await agent.settled("1", "1", "1")
    await client.patch(AGENT, image("2"), STRATEGIC)
    await until(agent.seen, "the new template to be seen")
    doomed = next(pod for pod in agent.pods() if pod["spec"]["nodeName"] == "node-2")
    await client.call("DELETE", f"{PODS}/{doomed['metadata']['name']}")
    await until(lambda: agent.images() == ["1", "2", "1"], "the deleted pod to be new")
    await until(lambda: agent.now["status"].get("numberAvailable") == 3, "it to be available")
    assert agent.now["status"]["updatedNumberScheduled"] == 1


async def test_pods_follow_the_nodes_labels(client: Client, agent: Watcher) -> None:
    body = daemonset()
    body["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/os": "linux"}
    await client.call("POST", DAEMONSETS, body)
    await agent.settled("1", "1", "1")
    await client.patch("/api/v1/nodes/node-3", {"metadata": {"labels": {"kubernetes.io/os": "other"}}})
    await until(lambda: agent.images() == ["1", "1"] and agent.through(), "the pod to leave")
    assert any(s["numberMisscheduled"] == 1 for s in agent.statuses)
    await client.patch("/api/v1/nodes/node-3", {"metadata": {"labels": {"kubernetes.io/os": "linux"}}})
    await agent.settled("1", "1", "1")


async def test_template_generation_moves_with_the_template_only(client: Client, agent: Watcher) -> None:
    await client.call("POST", DAEMONSETS, daemonset())
    await client.patch(AGENT, {"spec": {"minReadySeconds": 1}})
    await client.patch(AGENT, image("2"), STRATEGIC)
    meta = agent.now["metadata"]
    assert meta["generation"] == 3
    assert meta["annotations"]["deprecated.daemonset.template.generation"] == "2"
    status, body = await client.patch(
        AGENT, {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}}
    )
    assert (status, body["details"]["causes"][0]["field"]) == (
        422,
        "spec.updateStrategy.rollingUpdate.maxUnavailable",
    )
