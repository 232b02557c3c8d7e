"""The ReplicaSet controller: as many pods as asked for, adopted by selector, counted into status.

Source: k8s pkg/controller/replicaset. Status is computed from the pods seen before this pass's creations and
deletions, so it lags one pass behind, as there.
"""

from __future__ import annotations

from typing import Any

from app.demo import shapes
from app.demo.clock import seconds_of
from app.demo.controllers import Controllers
from app.demo.errors import ApiError
from app.demo.selectors import matches
from app.demo.store import Entry, controller_uid, copy
from app.demo.tables import suffix

Obj = dict[str, Any]
MANAGER = "kube-controller-manager"
BURST = 500


class ReplicaSets:
    """One instance serves every ReplicaSet."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.registry = controllers.registry
        self.clock = controllers.clock
        controllers.add("replicasets", self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("replicasets", namespace, name)
        if entry is None:
            return
        pods = self._own(entry)
        active = [
            p
            for p in pods
            if "deletionTimestamp" not in p.obj["metadata"]
            and p.obj["status"].get("phase") not in ("Succeeded", "Failed")
        ]
        leaving = sum("deletionTimestamp" in p.obj["metadata"] for p in pods)
        failure = None
        if "deletionTimestamp" not in entry.obj["metadata"]:
            failure = self._manage(entry, active)
        self._status(entry, active, leaving, failure)

    def _own(self, entry: Entry) -> list[Entry]:
        """The pods of this set: strangers that match are adopted, own ones that no longer match are
        released."""
        selector, uid = entry.obj["spec"]["selector"], entry.uid
        pods = []
        for pod in self.store.children(uid, "pods"):
            if matches(selector, pod.obj["metadata"].get("labels") or {}):
                pods.append(pod)
            else:
                obj = copy(pod)
                obj["metadata"].pop("ownerReferences")
                self.store.put("pods", obj)
        for pod in list(self.store.in_namespace("pods", entry.namespace)):
            meta = pod.obj["metadata"]
            if (
                controller_uid(pod.obj) is None
                and "deletionTimestamp" not in meta
                and matches(selector, meta.get("labels") or {})
            ):
                obj = copy(pod)
                obj["metadata"]["ownerReferences"] = [shapes.reference(entry.obj, "ReplicaSet", "apps/v1")]
                pods.append(self.store.put("pods", obj))
        return pods

    def _manage(self, entry: Entry, active: list[Entry]) -> str | None:
        """Create or delete pods; the message of a refused creation comes back."""
        missing = entry.obj["spec"].get("replicas", 1) - len(active)
        annotations = entry.obj["spec"]["template"].get("metadata", {}).get("annotations") or {}
        for _ in range(min(missing, BURST)):
            refused = annotations.get("hollow/forbid-create")
            pod_name = f"{entry.name}-{suffix()}"
            if refused:
                message = f'pods "{pod_name}" is forbidden: {refused}'
                self._event(entry, "FailedCreate", f"Error creating: {message}", warning=True)
                self.controllers.enqueue("replicasets", entry.namespace, entry.name, 10.0)
                return message
            pod = shapes.pod(
                entry.obj,
                "ReplicaSet",
                "apps/v1",
                entry.obj["spec"]["template"],
                pod_name,
                entry.namespace,
                self.clock.stamp(),
            )
            pod["metadata"]["managedFields"] = shapes.pod_managed_fields(
                pod, self.clock.stamp(), status=False
            )
            self.store.create("pods", pod)
            self._event(entry, "SuccessfulCreate", f"Created pod: {pod_name}")
        if missing < 0:
            for surplus in sorted(active, key=_worth)[:-missing]:
                try:
                    self.registry.delete("pods", surplus.namespace, surplus.name)
                except ApiError:
                    continue
                self._event(entry, "SuccessfulDelete", f"Deleted pod: {surplus.name}")
        return None

    def _status(self, entry: Entry, active: list[Entry], leaving: int, failure: str | None) -> None:
        spec, old = entry.obj["spec"], entry.obj.get("status") or {}
        hold = spec.get("minReadySeconds", 0)
        now = self.clock.now()
        since = [seconds_of(at) for p in active if (at := ready_since(p.obj))]
        available = sum(now - at >= hold for at in since)
        if available < len(since):
            self.controllers.enqueue(
                "replicasets", entry.namespace, entry.name, hold - (now - max(since)) + 0.5
            )
        labels = (spec["template"].get("metadata") or {}).get("labels") or {}
        labelled = sum(labels.items() <= (p.obj["metadata"].get("labels") or {}).items() for p in active)
        status: Obj = {"replicas": len(active)}
        for key, value in (
            ("fullyLabeledReplicas", labelled),
            ("readyReplicas", len(since)),
            ("availableReplicas", available),
        ):
            if value:
                status[key] = value
        status["terminatingReplicas"] = leaving
        status["observedGeneration"] = entry.obj["metadata"]["generation"]
        if failure:
            was = next((c for c in old.get("conditions") or () if c["type"] == "ReplicaFailure"), None)
            status["conditions"] = [
                was
                or {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": failure,
                    "lastTransitionTime": self.clock.stamp(),
                }
            ]
        if status != old:
            obj = copy(entry)
            obj["status"] = status
            self.registry.update("replicasets", obj, manager=MANAGER, status=True)

    def _event(self, entry: Entry, reason: str, message: str, *, warning: bool = False) -> None:
        self.controllers.recorder.record(
            entry.obj,
            "ReplicaSet",
            "apps/v1",
            reason,
            message,
            component="replicaset-controller",
            warning=warning,
        )


def ready_since(pod: Obj) -> str | None:
    """When a pod became ready, or None while it is not."""
    for row in pod["status"].get("conditions") or ():
        if row["type"] == "Ready" and row["status"] == "True":
            since: str = row["lastTransitionTime"]
            return since
    return None


def _worth(pod: Entry) -> tuple[bool, bool, bool, float]:
    """Deletion order, least worth first: unassigned, pending, not ready, then the youngest (k8s
    ActivePods)."""
    status = pod.obj["status"]
    born = seconds_of(pod.obj["metadata"]["creationTimestamp"])
    return (
        "nodeName" in pod.obj["spec"],
        status.get("phase") == "Running",
        ready_since(pod.obj) is not None,
        -born,
    )
