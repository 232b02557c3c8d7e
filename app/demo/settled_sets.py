"""StatefulSets and DaemonSets that have been there for a while, as `settled` does for Deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.demo import defaults, pod_status, revisions, scheduler, settled, settled_pods, shapes, statefulsets
from app.demo.clock import stamp
from app.demo.nodes import NODES
from app.demo.registry import TEMPLATE_GENERATION
from app.demo.resources import BY_PLURAL
from app.demo.settled import Workload
from app.demo.store import Entry
from app.demo.tables import suffix

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]


def place(cluster: EmbeddedCluster, workload: Workload) -> Entry:
    """Write a set with its ControllerRevisions and its ready pods. Returns the set's entry."""
    resource, stateful = BY_PLURAL[workload.kind], workload.kind == "statefulsets"
    now = cluster.clock.now()
    born, changed = stamp(now - workload.age), stamp(now - workload.settled_for)
    templates = [settled.template(workload, image) for image in (*workload.past, workload.image)]
    count = len(templates)
    spec: Obj = {
        "selector": {"matchLabels": {"app": workload.name}},
        "template": templates[-1],
        "updateStrategy": workload.strategy,
        "revisionHistoryLimit": 5,
        **({"replicas": workload.replicas, "serviceName": workload.name} if stateful else {}),
        **workload.spec,
    }
    obj = settled.bare(workload, spec, born, count, {} if stateful else {TEMPLATE_GENERATION: str(count)})
    defaults.fill(resource, obj)
    drafts = [
        revisions.draft({**obj, "metadata": {**obj["metadata"], "uid": ""}}, resource, made, number)
        for number, made in enumerate(templates, start=1)
    ]
    name = drafts[-1]["metadata"]["name"]
    obj["status"] = _stateful(workload.replicas, name, count) if stateful else _daemon(len(NODES), count)
    settled.signed(obj, resource, born, changed, settled_pods.MANAGER)
    entry = cluster.store.create(workload.kind, obj)
    for number, draft in enumerate(drafts, start=1):
        image = draft["data"]["spec"]["template"]["spec"]["containers"][0]["image"]
        draft["metadata"]["annotations"]["kubernetes.io/change-cause"] = f"release {image.rpartition(':')[2]}"
        draft["metadata"] |= {
            "creationTimestamp": workload.written(number, count, now),
            "ownerReferences": [shapes.reference(entry.obj, workload.kind)],
        }
        cluster.store.create(revisions.PLURAL, draft)
    for at in range(workload.replicas if stateful else len(NODES)):
        pod = _pod(entry, workload, at, name, changed)
        node, host, zone = NODES[at % len(NODES)]
        pod["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone
        pod_status.settled(pod, node, cluster.kubelet.address(), host, changed)
        pod["metadata"]["managedFields"] = shapes.pod_managed_fields(pod, changed)
        cluster.store.create("pods", pod)
    return entry


def _pod(entry: Entry, workload: Workload, at: int, revision: str, since: str) -> Obj:
    stateful = workload.kind == "statefulsets"
    name = f"{entry.name}-{at}" if stateful else f"{entry.name}-{suffix()}"
    pod = shapes.pod(entry.obj, workload.kind, entry.obj["spec"]["template"], name, since)
    if stateful:
        return statefulsets.named(pod, entry.obj["spec"], at, revision)
    generation = entry.obj["metadata"]["annotations"][TEMPLATE_GENERATION]
    labels = {revisions.HASH: revision.rpartition("-")[2], "pod-template-generation": generation}
    pod["metadata"]["labels"] |= labels
    return scheduler.pinned(pod, NODES[at][0])


def _stateful(count: int, revision: str, generation: int) -> Obj:
    keys = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")
    return {
        "observedGeneration": generation,
        **dict.fromkeys(keys, count),
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
        "availableReplicas": count,
    }


def _daemon(count: int, generation: int) -> Obj:
    return {
        "currentNumberScheduled": count,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": count,
        "numberReady": count,
        "observedGeneration": generation,
        "updatedNumberScheduled": count,
        "numberAvailable": count,
    }
