"""The StatefulSet controller: named pods in order, updated from the last one down to the partition.

Source: k8s pkg/controller/statefulset. A pass makes one move with OrderedReady and all of a kind with
Parallel. A broken pod holds OrderedReady up, even after its template was taken back: someone must delete
it, as there. No volume claims.
"""

from __future__ import annotations

from typing import Any

from app.demo.controllers import Controllers
from app.demo.pod_controller import PodController, ending, over, ready_since
from app.demo.revisions import HASH, Revisions, template_of
from app.demo.store import Entry

Obj = dict[str, Any]
POD_NAME, INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


class StatefulSets(PodController):
    """One instance serves every StatefulSet."""

    plural = "statefulsets"
    words = (
        "Create Pod {pod} in StatefulSet {owner} successful",
        "Delete Pod {pod} in StatefulSet {owner} successful",
        "create Pod {pod} in StatefulSet {owner} failed error: {why}",
    )

    def __init__(self, controllers: Controllers) -> None:
        super().__init__(controllers)
        self.revisions = Revisions(controllers, self.resource)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("statefulsets", namespace, name)
        if entry is None or ending(entry):
            return
        _Pass(self, entry).run()

    def may_adopt(self, entry: Entry, pod: Entry) -> bool:
        return ordinal(entry, pod) is not None


class _Pass:
    """One look at one StatefulSet."""

    def __init__(self, controller: StatefulSets, entry: Entry) -> None:
        self.controller = controller
        self.entry = entry
        self.spec = entry.obj["spec"]
        strategy = self.spec["updateStrategy"]
        self.rolling = strategy["type"] == "RollingUpdate"
        self.partition: int | None = (strategy.get("rollingUpdate") or {}).get("partition")
        self.ordered = self.spec["podManagementPolicy"] == "OrderedReady"
        self.start = int((self.spec.get("ordinals") or {}).get("start", 0))
        self.update = controller.revisions.update(entry)
        known = {item.name: item for item in controller.revisions.of(entry)}
        self.current = known.get((entry.obj.get("status") or {}).get("currentRevision", ""), self.update)
        own = [(at, p) for p in controller.own(entry) if (at := ordinal(entry, p)) is not None]
        self.pods = dict(sorted(own))
        self.healthy = {p.uid for p in controller.available(entry, list(self.pods.values()))}

    def run(self) -> None:
        status = self._counts()
        self._move(status)
        count = self.spec["replicas"]
        complete = all(status[key] == count for key in ("replicas", "readyReplicas", "updatedReplicas"))
        if self.rolling and complete:
            status["currentRevision"] = self.update.name
            status["currentReplicas"] = status["updatedReplicas"]
        kept = {"observedGeneration", "replicas", "collisionCount", "availableReplicas"}
        written = {key: value for key, value in status.items() if value or key in kept}
        self.controller.write_status(self.entry, written)
        live = {self.current.name, self.update.name, *map(revision_of, self.pods.values())}
        self.controller.revisions.prune(self.entry, live)

    def _counts(self) -> Obj:
        living = [p for p in self.pods.values() if not ending(p)]
        return {
            "observedGeneration": self.entry.obj["metadata"]["generation"],
            "replicas": len(self.pods),
            "readyReplicas": sum(running(p) for p in self.pods.values()),
            "currentReplicas": sum(revision_of(p) == self.current.name for p in living),
            "updatedReplicas": sum(revision_of(p) == self.update.name for p in living),
            "currentRevision": self.current.name,
            "updateRevision": self.update.name,
            "collisionCount": 0,
            "availableReplicas": len(self.healthy),
        }

    def _move(self, status: Obj) -> None:
        wanted = range(self.start, self.start + self.spec["replicas"])
        if not self._fill(wanted) or not self._shrink(wanted, status) or not self.rolling:
            return
        for at in reversed(wanted[max(0, (self.partition or 0) - self.start) :]):
            pod = self.pods.get(at)
            if pod is None:
                return
            if revision_of(pod) != self.update.name and not ending(pod):
                self._delete(pod, status)
                return
            if pod.uid not in self.healthy or ending(pod):
                return

    def _fill(self, wanted: range) -> bool:
        """Create what is missing; False when the rest has to wait."""
        for at in wanted:
            pod = self.pods.get(at)
            if pod is not None and over(pod) and not ending(pod):
                self.controller.end(self.entry, pod)
            elif pod is None and self.controller.make(self.entry, self._draft(at)):
                return False
            if self.ordered and (pod is None or ending(pod) or pod.uid not in self.healthy):
                return False
        return True

    def _shrink(self, wanted: range, status: Obj) -> bool:
        condemned = [self.pods[at] for at in sorted(self.pods, reverse=True) if at not in wanted]
        for pod in condemned:
            if not ending(pod):
                self._delete(pod, status)
            if self.ordered:
                return False
        return True

    def _delete(self, pod: Entry, status: Obj) -> None:
        self.controller.end(self.entry, pod)
        for key, revision in (("currentReplicas", self.current), ("updatedReplicas", self.update)):
            status[key] -= revision_of(pod) == revision.name

    def _draft(self, at: int) -> Obj:
        name = f"{self.entry.name}-{at}"
        stays = (self.entry.obj.get("status") or {}).get("currentReplicas", 0)
        below = self.start + (stays if self.partition is None else self.partition)
        revision = self.current if self.rolling and at < below else self.update
        pod = self.controller.draft(self.entry, template_of(revision), name, {})
        return named(pod, self.spec, at, revision.name)


def named(pod: Obj, spec: Obj, at: int, revision: str) -> Obj:
    """A pod with what only a StatefulSet's has: the labels of ordinal and revision, host name, subdomain."""
    name = pod["metadata"]["name"]
    pod["metadata"]["labels"] |= {INDEX: str(at), HASH: revision, POD_NAME: name}
    pod["spec"]["hostname"] = name
    if spec.get("serviceName"):
        pod["spec"]["subdomain"] = spec["serviceName"]
    return pod


def ordinal(entry: Entry, pod: Entry) -> int | None:
    """The number a pod of this StatefulSet ends in; None for a stranger's name."""
    parent, _, number = pod.name.rpartition("-")
    return int(number) if parent == entry.name and number.isdigit() else None


def revision_of(pod: Entry) -> str:
    return str((pod.obj["metadata"].get("labels") or {}).get(HASH, ""))


def running(pod: Entry) -> bool:
    return pod.obj["status"].get("phase") == "Running" and ready_since(pod.obj) is not None
