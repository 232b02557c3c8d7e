"""The ReplicaSet controller: as many pods as asked for, adopted by selector, counted into status.

Source: k8s pkg/controller/replicaset. Status is computed from the pods seen before this pass's creations and
deletions, so it lags one pass behind, as there.
"""

from __future__ import annotations

from typing import Any

from app.demo.clock import seconds_of
from app.demo.pod_controller import PodController, ending, over, ready_since
from app.demo.store import Entry
from app.demo.tables import suffix

Obj = dict[str, Any]
BURST = 500


class ReplicaSets(PodController):
    """One instance serves every ReplicaSet."""

    plural = "replicasets"

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("replicasets", namespace, name)
        if entry is None:
            return
        pods = self.own(entry)
        active = [p for p in pods if not ending(p) and not over(p)]
        leaving = sum(ending(p) for p in pods)
        failure = None if ending(entry) else self._manage(entry, active)
        self._status(entry, active, leaving, failure)

    def _manage(self, entry: Entry, active: list[Entry]) -> str | None:
        """Create or delete pods; the message of a refused creation comes back."""
        missing = entry.obj["spec"].get("replicas", 1) - len(active)
        for _ in range(min(missing, BURST)):
            name = f"{entry.name}-{suffix()}"
            failure = self.make(entry, self.draft(entry, entry.obj["spec"]["template"], name, {}))
            if failure:
                return failure
        if missing < 0:
            for surplus in sorted(active, key=_worth)[:-missing]:
                self.end(entry, surplus)
        return None

    def _status(self, entry: Entry, active: list[Entry], leaving: int, failure: str | None) -> None:
        spec, old = entry.obj["spec"], entry.obj.get("status") or {}
        labels = (spec["template"].get("metadata") or {}).get("labels") or {}
        labelled = sum(labels.items() <= (p.obj["metadata"].get("labels") or {}).items() for p in active)
        status: Obj = {"replicas": len(active)}
        for key, value in (
            ("fullyLabeledReplicas", labelled),
            ("readyReplicas", sum(ready_since(p.obj) is not None for p in active)),
            ("availableReplicas", len(self.available(entry, active))),
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
        self.write_status(entry, status)


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
