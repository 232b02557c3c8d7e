"""The ReplicaSets of one Rollout: found by hash, created, numbered, sized, pruned."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from app.demo import defaults, shapes
from app.demo.controllers import Controllers
from app.demo.revision_sets import asked, draft, renumbered, revision_of, share
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

    def of_template(self, template: Obj) -> Entry | None:
        """The set that makes its pods from this template: by hash, else as equal once defaults are filled in, which an
        undo brings along from a ReplicaSet."""
        found = self.of_hash(shapes.template_hash(template))
        if found is not None:
            return found
        wanted = _completed(template)
        return next((item for item in self.all if _completed(item.obj["spec"]["template"]) == wanted), None)

    def create(self) -> tuple[Entry, int]:
        """The ReplicaSet of the present template, without pods yet; returns it and its revision."""
        revision = 1 + max(map(number, self.all), default=0)
        carried = {
            key: value
            for key, value in (self.ro["metadata"].get("annotations") or {}).items()
            if not key.startswith(PREFIX) and "last-applied" not in key
        }
        annotations = {
            **carried,
            f"{PREFIX}/desired-replicas": str(self.ro["spec"].get("replicas", 1)),
            f"{PREFIX}/revision": str(revision),
        }
        body, _hash = draft(self.ro, "rollouts", HASH, 0, annotations)
        entry = self.registry.create("replicasets", body, manager=MANAGER)
        self.refresh()
        return entry, revision

    def adopt(self, new: Entry) -> int:
        """Number the new ReplicaSet as the highest revision; its old number goes to its history."""
        highest = max((number(item) for item in self.all if item.uid != new.uid), default=0)
        if number(new) > highest:
            return number(new)
        obj = copy(new)
        obj["metadata"]["annotations"] = renumbered(new, PREFIX, highest)
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
            what = f"ReplicaSet {item.name} (revision {number(item)})"
            self.event("ScalingReplicaSet", f"Scaled {way} {what} from {before} to {count}")
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
        for item in sorted(idle, key=number)[: max(0, extra)]:
            self.registry.delete("replicasets", item.namespace, item.name)

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """An Event about the Rollout."""
        self.controllers.recorder.record(
            "rollouts", self.ro, reason, message, component=MANAGER, warning=warning
        )

    def limits(self) -> tuple[int, int]:
        """maxSurge and maxUnavailable in pods, never both zero (defaults 25 %)."""
        canary = (self.ro["spec"].get("strategy") or {}).get("canary") or {}
        total = self.ro["spec"].get("replicas", 1)
        surge = share(canary.get("maxSurge", "25%"), total, up=True)
        gone = share(canary.get("maxUnavailable", "25%"), total, up=False)
        return (surge, gone) if surge or gone else (0, 1)


def number(item: Entry) -> int:
    """The revision a set is."""
    return revision_of(item, PREFIX)


def _completed(template: Obj) -> Obj:
    made: Obj = deepcopy(shapes.bare_template(template))
    defaults.pod_spec(made["spec"])
    return made
