"""Three nodes in three zones, ready, with plenty of room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.demo.clock import stamp
from app.demo.registry import field_set, managed
from app.demo.resources import BY_PLURAL, VERSION
from app.demo.settled import namespace

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

NODES = (("node-1", "192.0.2.10", "z1"), ("node-2", "192.0.2.11", "z2"), ("node-3", "192.0.2.12", "z3"))
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def install(cluster: EmbeddedCluster) -> None:
    """The namespaces every cluster has, and the nodes."""
    for name in ("default", "kube-system"):
        namespace(cluster, name)
    born = stamp(cluster.clock.now() - 90 * 86400)
    for name, address, zone in NODES:
        labels = {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/zone": zone,
        }
        room = {"cpu": "64", "ephemeral-storage": "500Gi", "memory": "256Gi", "pods": "5k"}
        conditions: list[dict[str, Any]] = [
            {
                "type": kind,
                "status": status,
                "lastHeartbeatTime": cluster.clock.stamp(),
                "lastTransitionTime": born,
                "reason": reason,
                "message": message,
            }
            for kind, status, reason, message in _CONDITIONS
        ]
        status: dict[str, Any] = {
            "capacity": room,
            "allocatable": room,
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
                "kernelVersion": "6.1.0",
                "osImage": "Debian GNU/Linux 12",
                "containerRuntimeVersion": "hollow://1",
                "kubeletVersion": VERSION["gitVersion"],
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        }
        fields = managed(
            BY_PLURAL["nodes"], "kubelet", born, {"f:status": field_set(status, depth=6)}, "status"
        )
        meta = {"name": name, "labels": labels, "creationTimestamp": born, "managedFields": [fields]}
        cluster.store.create("nodes", {"metadata": meta, "spec": {}, "status": status}, quiet=True)
