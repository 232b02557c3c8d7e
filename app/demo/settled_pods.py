"""What lies below a settled workload: its ReplicaSets and their ready pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.demo import pod_status, shapes
from app.demo.deployment_sets import limits
from app.demo.registry import field_set, managed
from app.demo.resources import BY_PLURAL
from app.demo.store import Entry
from app.demo.tables import suffix

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster
    from app.demo.settled import Workload

Obj = dict[str, Any]
MANAGER = "kube-controller-manager"


def replica_set(
    owner: Entry, workload: Workload, made: Obj, hashed: str, revision: int, count: int, created: str
) -> Obj:
    """A ReplicaSet of `count` ready pods, as revision `revision` of its owner."""
    key = "rollouts-pod-template-hash" if workload.rollout else "pod-template-hash"
    prefix = "rollout.argoproj.io" if workload.rollout else "deployment.kubernetes.io"
    labels = {**made["metadata"]["labels"], key: hashed}
    annotations = {
        f"{prefix}/desired-replicas": str(workload.replicas),
        f"{prefix}/revision": str(revision),
        "kubernetes.io/change-cause": f"release {made['spec']['containers'][0]['image'].rpartition(':')[2]}",
    }
    if not workload.rollout:
        annotations[f"{prefix}/max-replicas"] = str(workload.replicas + limits(owner.obj["spec"])[0])
    status: Obj = {"replicas": count}
    if count:
        status |= {"fullyLabeledReplicas": count, "readyReplicas": count, "availableReplicas": count}
    status |= {"terminatingReplicas": 0, "observedGeneration": 1}
    spec = {
        "replicas": count,
        "selector": {"matchLabels": {**workload.own, key: hashed}},
        "template": {**made, "metadata": {**made["metadata"], "labels": labels}},
    }
    fields = field_set({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}, depth=10)
    return {
        "metadata": {
            "name": f"{workload.name}-{hashed}",
            "namespace": workload.namespace,
            "creationTimestamp": created,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [shapes.reference(owner.obj, workload.kind)],
            "managedFields": [managed(BY_PLURAL["replicasets"], MANAGER, created, fields)],
        },
        "spec": spec,
        "status": status,
    }


def pods(cluster: EmbeddedCluster, owner: Entry, count: int, since: str, quiet: bool) -> None:
    """Its pods, ready since then, each on the next node."""
    fields: list[Obj] = []
    for _ in range(count):
        name = f"{owner.name}-{suffix()}"
        if cluster.store.get("pods", owner.namespace, name):
            name = f"{owner.name}-{suffix()}"
        pod = shapes.pod(owner.obj, "replicasets", owner.obj["spec"]["template"], name, since)
        node, host, zone = cluster.kubelet.scheduler.next_node()
        pod["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone
        pod_status.settled(pod, node, cluster.kubelet.address(), host, since)
        # the entries are the same for every pod of a ReplicaSet but for times nobody reads
        fields = fields or shapes.pod_managed_fields(pod, since)
        pod["metadata"]["managedFields"] = fields
        cluster.store.create("pods", pod, quiet=quiet)
