"""Objects of the embedded cluster carry the keys a real cluster's carry, on the same course of events."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.demo.resources import Resource
from app.demo.store import Change
from tests.demo.client import (
    DAEMONSETS,
    DEPLOYMENTS,
    JSON_PATCH,
    ROLLOUTS,
    STATEFULSETS,
    STRATEGIC,
    WEB,
    Client,
    daemonset,
    deployment,
    statefulset,
    stored,
    template,
    through,
    until,
)

TAPES = Path(__file__).parents[1] / "tapes"
Obj = dict[str, Any]
# what depends on the cloud, on timing or on another installation than ours
IGNORED = {
    "metadata.managedFields",
    "spec.template.metadata.annotations",
    "metadata.labels",
    "spec.selector",
    "metadata.annotations",
    "spec.template.metadata.labels",
    "spec.template.spec.nodeSelector",
    "spec.nodeSelector",
    "data.spec.template.spec.nodeSelector",
}


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    if prefix in IGNORED:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            name = f"{prefix}.{key}".lstrip(".")
            yield name
            yield from paths(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{prefix}[]")


def recorded(tape: str, kind: str) -> Iterator[Obj]:
    """The versions of a kind's objects on a tape, of events that are not bookmarks."""
    with gzip.open(TAPES / tape, "rt") as lines:
        for line in map(json.loads, lines):
            if line["kind"] == "watch" and line["event"]["type"] != "BOOKMARK":
                obj = line["event"]["object"]
                if obj.get("kind") == kind:
                    yield {key: obj[key] for key in obj if key not in ("kind", "apiVersion")}


def seen_on(tape: str, kind: str) -> set[str]:
    """All key paths of a kind on a tape."""
    return {path for obj in recorded(tape, kind) for path in paths(obj)}


def course(versions: Iterable[Obj], generation: int, *keys: str) -> list[tuple[int, ...]]:
    """The counts of status while a generation was observed, without repetitions."""
    counts = [
        tuple(obj["status"].get(key, 0) for key in keys)
        for obj in versions
        if obj["status"].get("observedGeneration") == generation
    ]
    return [now for now, before in zip(counts, [None, *counts], strict=False) if now != before]


@pytest.fixture
def seen(cluster: EmbeddedCluster) -> dict[str, set[str]]:
    """All key paths our cluster ever writes, by kind."""
    found: dict[str, set[str]] = defaultdict(set)

    def note(resource: Resource, change: Change) -> None:
        found[resource.kind] |= set(paths(change.entry.obj))

    cluster.store.subscribe(note)
    return found


@pytest.mark.anyio
async def test_rolling_update_writes_the_keys_of_the_tape(
    cluster: EmbeddedCluster, client: Client, seen: dict[str, set[str]]
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment())

    def now() -> Obj:
        return stored(cluster, "deployments", "web")

    await until(lambda: through(now()), "the first rollout")
    await client.patch(
        WEB,
        [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:1.1"}],
        JSON_PATCH,
    )
    await until(lambda: through(now()) and "web:1.1" in json.dumps(now()), "the second rollout")
    await until(lambda: len(cluster.store.rows("pods")) == 4, "the old pods to go")
    for kind in ("Deployment", "ReplicaSet", "Pod"):
        assert seen[kind] == seen_on("01-good-rolling-update.jsonl.gz", kind), kind


@pytest.mark.anyio
async def test_blue_green_writes_the_keys_of_the_tape(
    cluster: EmbeddedCluster, client: Client, seen: dict[str, set[str]]
) -> None:
    for name in ("active", "preview"):
        spec = {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": "web"}}
        await client.call(
            "POST", "/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": spec}
        )
    strategy = {
        "blueGreen": {
            "activeService": "active",
            "previewService": "preview",
            "autoPromotionEnabled": False,
            "scaleDownDelaySeconds": 5,
        }
    }
    pod = template()
    del pod["spec"]["containers"][0]["resources"]["requests"]["memory"]
    wanted: Obj = {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": strategy,
        "template": pod,
        "progressDeadlineSeconds": 12,
        "revisionHistoryLimit": 3,
    }
    await client.call("POST", ROLLOUTS, {"metadata": {"name": "web"}, "spec": wanted})

    def now() -> Obj:
        found: Obj = stored(cluster, "rollouts", "web").get("status", {})
        return found

    await until(lambda: now().get("phase") == "Healthy", "the first rollout")
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2.0"}
    await client.patch(f"{ROLLOUTS}/web", [image], JSON_PATCH)
    await until(lambda: now().get("pauseConditions"), "the pause before the switch")
    await client.patch(f"{ROLLOUTS}/web/status", {"status": {"pauseConditions": None}})
    await until(lambda: now().get("phase") == "Healthy" and now()["observedGeneration"] == "2", "the switch")
    await client.patch(f"{ROLLOUTS}/web", [{**image, "value": "web:3.0"}], JSON_PATCH)
    await until(lambda: now().get("pauseConditions"), "the second pause")
    await client.patch(f"{ROLLOUTS}/web/status", {"status": {"abort": True}})
    await until(lambda: now().get("phase") == "Degraded", "the abort")
    assert seen["Rollout"] == seen_on("22-argo-bluegreen.jsonl.gz", "Rollout")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tape", "kind", "path", "body", "counts"),
    [
        (
            "07-statefulset.jsonl.gz",
            "StatefulSet",
            f"{STATEFULSETS}/db",
            statefulset(4),
            ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas"),
        ),
        (
            "08-daemonset.jsonl.gz",
            "DaemonSet",
            f"{DAEMONSETS}/agent",
            daemonset(),
            ("numberReady", "numberAvailable", "numberUnavailable", "updatedNumberScheduled"),
        ),
    ],
)
async def test_sets_write_the_keys_and_take_the_course_of_the_tape(
    client: Client,
    cluster: EmbeddedCluster,
    seen: dict[str, set[str]],
    tape: str,
    kind: str,
    path: str,
    body: Obj,
    counts: tuple[str, ...],
) -> None:
    node = stored(cluster, "nodes", "node-1", "")
    for number in (4, 5):
        meta = {"name": f"node-{number}", "labels": node["metadata"]["labels"]}
        cluster.store.create("nodes", {**node, "metadata": meta})
    body["metadata"] |= {"labels": {"made": "here"}, "annotations": {"made": "here"}}
    if kind == "DaemonSet":
        body["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/os": "linux"}
    versions: list[Obj] = []

    def note(resource: Resource, change: Change) -> None:
        if resource.kind == kind:
            versions.append(change.entry.obj)

    cluster.store.subscribe(note)
    plural, name = f"{kind.lower()}s", path.rpartition("/")[2]
    await client.call("POST", path.rpartition("/")[0], body)

    def updated() -> bool:
        pods = cluster.store.rows("pods")
        status = stored(cluster, plural, name)["status"]
        ready = status.get("readyReplicas", status.get("numberAvailable", 0))
        tags = {pod.obj["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}
        wanted = stored(cluster, plural, name)["spec"]["template"]["spec"]["containers"][0]["image"]
        return ready == len(pods) > 3 and tags == {wanted.rpartition(":")[2]}

    await until(updated, "the first pods")
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": f"{name}:2"}]}}}}
    await client.patch(path, change, STRATEGIC)
    await until(updated, "the update")
    ours, theirs = course(versions, 2, *counts), course(recorded(tape, kind), 2, *counts)
    rest = iter(theirs)
    assert all(state in rest for state in ours), (ours, theirs)
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1])
    troubled = {f"status.containerStatuses[].state.{state}.message" for state in ("waiting", "terminated")}
    for each in (kind, "ControllerRevision", "Pod"):
        assert seen[each] == seen_on(tape, each) - troubled, each
