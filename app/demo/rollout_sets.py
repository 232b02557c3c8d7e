"""The ReplicaSets of one Rollout: found by hash, created, numbered, sized, pruned."""

from __future__ import annotations

from typing import Any

from app.demo import shapes
from app.demo.controllers import Controllers
from app.demo.deployment_sets import share
from app.demo.resources import BY_PLURAL
from app.demo.store import Entry, copy

Obj = dict[str, Any]
PREFIX = "rollout.argoproj.io"
HASH = "rollouts-pod-template-hash"
DEADLINE = "scale-down-deadline"
MANAGER = "rollouts-controller"


class ReplicaSetsOf:
    """A view of a Rollout's ReplicaSets, oldest first, for the length of one pass."""

    def __init__(self, controllers: Controllers, ro: Obj) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.registry = controllers.registry
        self.ro = ro
        self.all: list[Entry] = []
        self.refresh()

    def refresh(self) -> None:
        self.all = self.store.children(self.ro["metadata"]["uid"], "replicasets")

    def of_hash(self, hashed: str) -> Entry | None:
        return next((item for item in self.all if item.obj["metadata"]["labels"].get(HASH) == hashed), None)

    def create(self) -> tuple[Entry, int]:
        """The ReplicaSet of the present template, without pods yet; returns it and its revision."""
        ro, spec = self.ro, self.ro["spec"]
        template = spec["template"]
        hashed = shapes.template_hash(template)
        labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: hashed}
        revision = 1 + max((revision_of(item) for item in self.all), default=0)
        resource = BY_PLURAL["rollouts"]
        carried = {
            key: value
            for key, value in (ro["metadata"].get("annotations") or {}).items()
            if not key.startswith(PREFIX) and "last-applied" not in key
        }
        body: Obj = {
            "metadata": {
                "name": f"{ro['metadata']['name']}-{hashed}",
                "namespace": ro["metadata"]["namespace"],
                "labels": labels,
                "annotations": {
                    **carried,
                    f"{PREFIX}/desired-replicas": str(spec.get("replicas", 1)),
                    f"{PREFIX}/revision": str(revision),
                },
                "ownerReferences": [shapes.reference(ro, resource.kind, resource.api_version)],
            },
            "spec": {
                "replicas": 0,
                **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
                "selector": {
                    "matchLabels": {**((spec.get("selector") or {}).get("matchLabels") or {}), HASH: hashed}
                },
                "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
            },
        }
        entry = self.registry.create("replicasets", body, manager=MANAGER)
        self.refresh()
        return entry, revision

    def adopt(self, new: Entry) -> int:
        """Number the new ReplicaSet as the highest revision; its old number goes to its history."""
        highest = max((revision_of(item) for item in self.all if item.uid != new.uid), default=0)
        own = revision_of(new)
        if own > highest:
            return own
        obj = copy(new)
        annotations = obj["metadata"].setdefault("annotations", {})
        past = annotations.get(f"{PREFIX}/revision-history")
        annotations[f"{PREFIX}/revision-history"] = f"{past},{own}" if past else str(own)
        annotations[f"{PREFIX}/revision"] = str(highest + 1)
        self.registry.update("replicasets", obj, manager=MANAGER)
        self.refresh()
        return highest + 1

    def resize(self, item: Entry, count: int) -> bool:
        """Set a size; a set that is resized loses its scale-down deadline. True when the size changed."""
        before = asked(item)
        annotations = dict(item.obj["metadata"].get("annotations") or {})
        wanted = {**annotations, f"{PREFIX}/desired-replicas": str(self.ro["spec"].get("replicas", 1))}
        if before != count:
            wanted.pop(DEADLINE, None)
        if before == count and wanted == annotations:
            return False
        obj = copy(item)
        obj["metadata"]["annotations"] = wanted
        obj["spec"]["replicas"] = count
        self.registry.update("replicasets", obj, manager=MANAGER)
        if before != count:
            way = "up" if count > before else "down"
            resource = BY_PLURAL["rollouts"]
            message = (
                f"Scaled {way} ReplicaSet {item.name} (revision {revision_of(item)}) from {before} to {count}"
            )
            self.controllers.recorder.record(
                self.ro,
                resource.kind,
                resource.api_version,
                "ScalingReplicaSet",
                message,
                component="rollouts-controller",
            )
        self.refresh()
        return before != count

    def mark(self, item: Entry, deadline: str | None) -> None:
        """Set or clear the scale-down deadline of a set."""
        if (item.obj["metadata"].get("annotations") or {}).get(DEADLINE) == deadline:
            return
        obj = copy(item)
        annotations = obj["metadata"].setdefault("annotations", {})
        if deadline is None:
            annotations.pop(DEADLINE, None)
        else:
            annotations[DEADLINE] = deadline
        self.registry.update("replicasets", obj, manager=MANAGER)
        self.refresh()

    def prune(self, new: Entry, status: Obj) -> None:
        """Delete the oldest idle revisions beyond revisionHistoryLimit (10)."""
        keep = {new.uid} | {item.uid for item in (self.of_hash(status.get("stableRS", "")),) if item}
        old = [item for item in self.all if item.uid not in keep]
        idle = [
            item for item in old if not asked(item) and not (item.obj.get("status") or {}).get("replicas")
        ]
        extra = len(old) - int(self.ro["spec"].get("revisionHistoryLimit", 10))
        for item in sorted(idle, key=revision_of)[: max(0, extra)]:
            self.registry.delete("replicasets", item.namespace, item.name)

    def limits(self) -> tuple[int, int]:
        """maxSurge and maxUnavailable in pods, never both zero (defaults 25 %)."""
        canary = (self.ro["spec"].get("strategy") or {}).get("canary") or {}
        total = self.ro["spec"].get("replicas", 1)
        surge = share(canary.get("maxSurge", "25%"), total, up=True)
        gone = share(canary.get("maxUnavailable", "25%"), total, up=False)
        return (surge, gone) if surge or gone else (0, 1)


def asked(item: Entry) -> int:
    return int(item.obj["spec"].get("replicas", 1))


def available(item: Entry) -> int:
    """Available pods, never more than asked for: right after a scale-down the set's status is still the old
    one."""
    return min(int((item.obj.get("status") or {}).get("availableReplicas", 0)), asked(item))


def revision_of(item: Entry) -> int:
    text = (item.obj["metadata"].get("annotations") or {}).get(f"{PREFIX}/revision", "0")
    return int(text) if text.isdigit() else 0
