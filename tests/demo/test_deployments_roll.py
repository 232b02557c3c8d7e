"""Deployments behave as recorded from kube-controller-manager: lag, deadline, pause, undo, failing pods."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.demo.resources import Resource
from app.demo.store import Change
from tests.demo.client import (
    DEPLOYMENTS,
    JSON_PATCH,
    PODS,
    REPLICASETS,
    STRATEGIC,
    WEB,
    Client,
    condition,
    deployment,
    stored,
    template,
    through,
    until,
)

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]


class Watcher:
    """Every version of the Deployment and of its pods, as they came."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self.deployments: list[Obj] = []
        self.pods: list[tuple[str, Obj]] = []
        cluster.store.subscribe(self._note)

    def _note(self, resource: Resource, change: Change) -> None:
        if resource.plural == "deployments":
            self.deployments.append(change.entry.obj)
        elif resource.plural == "pods":
            self.pods.append((change.type, change.entry.obj))

    @property
    def now(self) -> Obj:
        entry = self.cluster.store.get("deployments", "default", "web")
        return entry.obj if entry else {"status": {}}

    async def through(self) -> Obj:
        await until(lambda: "spec" in self.now and through(self.now), "the rollout to be through")
        return self.now


@pytest.fixture
def web(cluster: EmbeddedCluster) -> Watcher:
    return Watcher(cluster)


def image(name: str) -> Obj:
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": name}]}}}}


async def test_generation_is_observed_only_after_the_conditions(client: Client, web: Watcher) -> None:
    await client.call("POST", DEPLOYMENTS, deployment())
    await web.through()
    web.deployments.clear()
    await client.patch(WEB, image("web:1.1"), STRATEGIC)
    await web.through()
    story = [
        (
            d["status"]["observedGeneration"],
            condition(d, "Progressing")[1],
            d["status"].get("updatedReplicas", 0),
        )
        for d in web.deployments
    ]
    assert story[0] == (1, "NewReplicaSetAvailable", 4), (
        "the write itself still shows the old state as complete"
    )
    assert story[1] == (1, "NewReplicaSetCreated", 4), "the condition moves before the generation is observed"
    assert next(row for row in story if row[0] == 2)[2] == 0
    assert story[-1] == (2, "NewReplicaSetAvailable", 4)


async def test_rolling_update_keeps_to_surge_and_availability(client: Client, web: Watcher) -> None:
    await client.call("POST", DEPLOYMENTS, deployment())
    await web.through()
    web.deployments.clear()
    await client.patch(WEB, image("web:1.1"), STRATEGIC)
    await web.through()
    assert max(d["status"].get("replicas", 0) for d in web.deployments) == 5
    assert min(d["status"].get("availableReplicas", 0) for d in web.deployments) >= 4


async def test_recreate_stops_everything_first(client: Client, web: Watcher) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
    await web.through()
    web.deployments.clear()
    await client.patch(WEB, image("web:1.1"), STRATEGIC)
    await web.through()
    counts = [
        (d["status"].get("replicas", 0), d["status"].get("updatedReplicas", 0)) for d in web.deployments
    ]
    assert (0, 0) in counts
    assert all(
        updated in (0, replicas) or counts.index((replicas, updated)) == 0 for replicas, updated in counts
    )


async def test_bad_image_passes_its_deadline_while_available(client: Client, web: Watcher) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(progressDeadlineSeconds=12))
    await web.through()
    await client.patch(WEB, image("web:bad"), STRATEGIC)
    await until(
        lambda: condition(web.now, "Progressing") == ("False", "ProgressDeadlineExceeded"), "the deadline"
    )
    assert condition(web.now, "Available")[0] == "True"
    reasons = {
        row["state"]["waiting"]["reason"]
        for _, pod in web.pods
        if "web:bad" in str(pod["spec"])
        for row in pod["status"].get("containerStatuses") or ()
        if "waiting" in row["state"]
    }
    assert reasons == {"ContainerCreating", "ErrImagePull", "ImagePullBackOff"}
    await client.patch(WEB, image("web:1.2"), STRATEGIC)
    await web.through()
    assert condition(web.now, "Progressing") == ("True", "NewReplicaSetAvailable")


async def test_deadline_does_not_run_while_paused(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(progressDeadlineSeconds=5))
    await web.through()
    await client.patch(WEB, {"spec": {"paused": True, "progressDeadlineSeconds": 5}})
    await client.patch(WEB, image("web:1.1"), STRATEGIC)
    await until(lambda: web.now["status"].get("observedGeneration") == 3, "the paused change to be seen")
    assert condition(web.now, "Progressing") == ("Unknown", "DeploymentPaused")
    assert web.now["status"].get("updatedReplicas", 0) == 0
    assert len(cluster.store.rows("replicasets")) == 1
    begun = cluster.clock.now()
    await until(lambda: cluster.clock.now() > begun + 10, "twice the deadline")
    assert condition(web.now, "Progressing") == ("Unknown", "DeploymentPaused")
    await client.patch(WEB, {"spec": {"paused": None}})
    await web.through()
    assert any(condition(d, "Progressing") == ("Unknown", "DeploymentResumed") for d in web.deployments)


async def test_scaling_while_paused_halfway_is_proportional(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=4))
    await web.through()
    await client.patch(WEB, image("web:1.1"), STRATEGIC)
    await until(lambda: web.now["status"].get("updatedReplicas") == 2, "half of the rollout")
    await client.patch(WEB, {"spec": {"paused": True}})
    await client.patch(f"{WEB}/scale", {"spec": {"replicas": 8}})
    await until(lambda: web.now["status"].get("replicas", 0) == 9, "eight pods and the surge")
    sizes = sorted(e.obj["spec"]["replicas"] for e in cluster.store.rows("replicasets"))
    assert sum(sizes) == 9
    assert sizes[0] >= 3


async def test_undo_reuses_and_renumbers_the_old_replica_set(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment("web:1.0"))
    first = (await web.through())["spec"]["template"]
    await client.patch(WEB, image("web:1.1"), STRATEGIC)
    await web.through()
    await client.patch(WEB, [{"op": "replace", "path": "/spec/template", "value": first}], JSON_PATCH)
    await web.through()
    key = "deployment.kubernetes.io"
    sets = {
        e.obj["spec"]["template"]["spec"]["containers"][0]["image"]: e.obj["metadata"]["annotations"]
        for e in cluster.store.rows("replicasets")
    }
    assert {name: marks[f"{key}/revision"] for name, marks in sets.items()} == {
        "web:1.0": "3",
        "web:1.1": "2",
    }
    assert sets["web:1.0"][f"{key}/revision-history"] == "1"
    assert web.now["metadata"]["annotations"][f"{key}/revision"] == "3"


async def test_history_is_pruned(client: Client, web: Watcher, cluster: EmbeddedCluster) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=1, revisionHistoryLimit=1))
    for number in range(1, 5):
        await web.through()
        await client.patch(WEB, image(f"web:1.{number}"), STRATEGIC)
    await web.through()
    await until(lambda: len(cluster.store.rows("replicasets")) <= 2, "old revisions to be pruned")


async def test_crash_without_a_probe_is_a_complete_rollout(client: Client, web: Watcher) -> None:
    await client.call(
        "POST", DEPLOYMENTS, deployment(pod=template(probe=False, fail="crash", crash_after="2"))
    )
    await web.through()
    assert condition(web.now, "Progressing") == ("True", "NewReplicaSetAvailable")
    await until(lambda: condition(web.now, "Available")[0] == "False", "the pods to crash")
    assert condition(web.now, "Progressing") == ("True", "NewReplicaSetAvailable")

    def looping() -> bool:
        rows = [row for _, pod in web.pods for row in pod["status"].get("containerStatuses") or ()]
        return any(
            row["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
            and row["restartCount"] > 0
            and row["lastState"]["terminated"]["exitCode"] == 1
            for row in rows
        )

    await until(looping, "the back-off")


@pytest.mark.parametrize(("fail", "reason"), [("oom", "OOMKilled"), ("crash", "Error")])
async def test_failing_container_says_why_it_ended(
    client: Client, web: Watcher, fail: str, reason: str
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(pod=template(fail=fail, crash_after="1"), replicas=1))

    def ended() -> bool:
        return any(
            row["lastState"].get("terminated", {}).get("reason") == reason
            for _, pod in web.pods
            for row in pod["status"].get("containerStatuses") or ()
        )

    await until(ended, reason)


async def test_never_ready_says_so_in_events_only(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(pod=template(fail="never-ready"), replicas=1))
    await until(
        lambda: any(e.obj["reason"] == "Unhealthy" for e in cluster.store.rows("events")), "the probe's event"
    )
    pod = cluster.store.rows("pods")[0].obj
    assert (pod["status"]["phase"], pod["status"]["containerStatuses"][0]["started"]) == ("Running", True)


async def test_refused_creation_is_a_replica_failure(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(pod=template(forbid_create="exceeded quota: q")))
    await until(lambda: condition(web.now, "ReplicaFailure") == ("True", "FailedCreate"), "the failure")
    assert cluster.store.rows("pods") == []
    assert any(e.obj["reason"] == "FailedCreate" for e in cluster.store.rows("events"))


async def test_pod_ends_with_grace_in_four_steps(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=1))
    await web.through()
    name = cluster.store.rows("pods")[0].name
    before = cluster.clock.stamp()
    status, body = await client.call("DELETE", f"{PODS}/{name}")
    assert (status, body["metadata"]["deletionGracePeriodSeconds"], body["metadata"]["generation"]) == (
        200,
        30,
        2,
    )
    assert body["metadata"]["deletionTimestamp"] > before
    await until(
        lambda: ("DELETED", name) in [(kind, pod["metadata"]["name"]) for kind, pod in web.pods], "its end"
    )
    steps = [
        (kind, pod["status"]["phase"], pod["metadata"]["deletionGracePeriodSeconds"])
        for kind, pod in web.pods
        if pod["metadata"]["name"] == name and "deletionTimestamp" in pod["metadata"]
    ]
    assert steps == [
        ("MODIFIED", "Running", 30),
        ("MODIFIED", "Succeeded", 30),
        ("MODIFIED", "Succeeded", 0),
        ("DELETED", "Succeeded", 0),
    ]
    await web.through()


async def test_relabelled_pod_is_released_and_replaced(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=1))
    await web.through()
    name = cluster.store.rows("pods")[0].name
    await client.patch(f"{PODS}/{name}", {"metadata": {"labels": {"app": "other"}}})
    await until(lambda: len(cluster.store.rows("pods")) == 2, "a replacement")
    assert "ownerReferences" not in stored(cluster, "pods", name)["metadata"]


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_deletion_propagates_as_asked(
    client: Client, web: Watcher, cluster: EmbeddedCluster, propagation: str
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=2))
    await web.through()
    status, body = await client.call("DELETE", WEB, {"propagationPolicy": propagation})
    assert status == 200
    assert (body["kind"] == "Status") is (propagation == "Background")
    await until(lambda: not cluster.store.rows("deployments"), "the Deployment to go")
    if propagation == "Orphan":
        sets = (await client.get(REPLICASETS))["items"]
        assert ["ownerReferences" in item["metadata"] for item in sets] == [False]
        await client.call("POST", DEPLOYMENTS, deployment(replicas=2))
        await until(
            lambda: cluster.store.rows("replicasets")[0].obj["metadata"].get("ownerReferences"), "adoption"
        )
        assert len(cluster.store.rows("pods")) == 2
    else:
        await until(lambda: not cluster.store.rows("pods"), "the pods to go")
        assert not cluster.store.rows("replicasets")


async def test_service_switch_moves_the_endpoints(
    client: Client, web: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=2))
    await web.through()
    services = "/api/v1/namespaces/default/services"
    await client.call(
        "POST",
        services,
        {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    )

    def ready() -> list[bool]:
        return [
            e["conditions"]["ready"]
            for row in cluster.store.rows("endpointslices")
            for e in row.obj["endpoints"]
        ]

    await until(lambda: ready() == [True, True], "two ready endpoints")
    await client.patch(f"{services}/web", {"spec": {"selector": {"app": "green"}}})
    await until(lambda: ready() == [], "no endpoints")
