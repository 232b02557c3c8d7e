"""The ReplicaSets of Deployments: found, created, numbered, sized in proportion, pruned.

Source: k8s pkg/controller/deployment/{sync,util}. What moves when is decided in `deployments`.
"""

from __future__ import annotations

from typing import Any

from app.demo import shapes
from app.demo.controllers import Controllers
from app.demo.deployment_status import set_condition
from app.demo.revision_sets import asked, available, draft, renumbered, revision_of, share
from app.demo.selectors import matches
from app.demo.store import Entry, controller_uid, copy

Obj = dict[str, Any]
MANAGER = "kube-controller-manager"
PREFIX = "deployment.kubernetes.io"
REVISION, HISTORY = f"{PREFIX}/revision", f"{PREFIX}/revision-history"
DESIRED, MOST = f"{PREFIX}/desired-replicas", f"{PREFIX}/max-replicas"
_OWN = (
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
)


def limits(spec: Obj) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods; never both zero."""
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    total = spec["replicas"]
    surge = share(rolling.get("maxSurge"), total, up=True)
    gone = share(rolling.get("maxUnavailable"), total, up=False)
    return (surge, gone) if surge or gone else (0, 1)


class ReplicaSetsOfDeployments:
    """What a Deployment's controller does to its ReplicaSets."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.registry = controllers.registry
        self.clock = controllers.clock

    # -- revisions -------------------------------------------------------------------------------------------
    def sets(self, entry: Entry) -> list[Entry]:
        """Own ReplicaSets, oldest first; orphans that match the selector are adopted, but by none that is going."""
        going = "deletionTimestamp" in entry.obj["metadata"]
        for item in () if going else list(self.store.in_namespace("replicasets", entry.namespace)):
            if controller_uid(item.obj) is None and matches(
                entry.obj["spec"]["selector"], item.obj["metadata"].get("labels") or {}
            ):
                obj = copy(item)
                obj["metadata"]["ownerReferences"] = [shapes.reference(entry.obj, "deployments")]
                self.store.put("replicasets", obj)
        return self.store.children(entry.uid, "replicasets")

    def sets_of(self, deployment: Obj) -> list[Entry]:
        return self.store.children(deployment["metadata"]["uid"], "replicasets")

    def new(self, deployment: Obj, sets: list[Entry]) -> Entry | None:
        wanted = shapes.bare_template(deployment["spec"]["template"])
        return next(
            (item for item in sets if shapes.bare_template(item.obj["spec"]["template"]) == wanted), None
        )

    def ensure_new(self, deployment: Obj, sets: list[Entry]) -> tuple[Obj, Entry, list[Entry]]:
        new = self.new(deployment, sets)
        if new is not None:
            deployment, new = self.adopt_revision(deployment, new, sets)
            return deployment, new, self.sets_of(deployment)
        spec, (surge, _) = deployment["spec"], limits(deployment["spec"])
        room = max(0, spec["replicas"] + surge - sum(asked(item) for item in sets))
        rolling = spec["strategy"]["type"] == "RollingUpdate"
        count = min(spec["replicas"], room) if rolling else spec["replicas"]
        revision = str(1 + max((revision_of(item, PREFIX) for item in sets), default=0))
        annotations = {
            **_carried(deployment["metadata"]),
            DESIRED: str(spec["replicas"]),
            MOST: str(spec["replicas"] + surge),
            REVISION: revision,
        }
        body, _hash = draft(deployment, "deployments", "pod-template-hash", count, annotations)
        made = self.registry.create("replicasets", body, manager=MANAGER)
        self.event(deployment, "ScalingReplicaSet", f"Scaled up replica set {made.name} from 0 to {count}")
        deployment = self.announce(
            deployment, revision, "NewReplicaSetCreated", f'Created new replica set "{made.name}"'
        )
        return deployment, made, self.sets_of(deployment)

    def adopt_revision(self, deployment: Obj, new: Entry, sets: list[Entry]) -> tuple[Obj, Entry]:
        """An existing ReplicaSet is the new one: it gets the next number, its old one goes to its history."""
        others = max((revision_of(item, PREFIX) for item in sets if item.uid != new.uid), default=0)
        annotations = new.obj["metadata"].get("annotations") or {}
        wanted = {**renumbered(new, PREFIX, others), **_carried(deployment["metadata"])}
        if wanted != annotations:
            obj = copy(new)
            obj["metadata"]["annotations"] = wanted
            new = self.registry.update("replicasets", obj, manager=MANAGER)
        revision = wanted.get(REVISION, "1")
        known = any(
            c["type"] == "Progressing" for c in (deployment.get("status") or {}).get("conditions") or ()
        )
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != revision or not known:
            deployment = self.announce(
                deployment, revision, "FoundNewReplicaSet", f'Found new replica set "{new.name}"'
            )
        return deployment, new

    def announce(self, deployment: Obj, revision: str, reason: str, message: str) -> Obj:
        """Revision annotation and Progressing condition in one status write: observedGeneration stays behind. A set
        that was found leaves the condition as it is, even when it is past the deadline."""
        obj = copy_of(deployment)
        obj["metadata"].setdefault("annotations", {})[REVISION] = revision
        rows = obj.setdefault("status", {}).get("conditions") or []
        if reason == "NewReplicaSetCreated" or not any(row["type"] == "Progressing" for row in rows):
            rows = set_condition(rows, "Progressing", "True", reason, message, self.clock.stamp())
        obj["status"]["conditions"] = rows
        return copy(self.registry.update("deployments", obj, manager=MANAGER, status=True))

    def clean_up(self, deployment: Obj, sets: list[Entry], new: Entry | None) -> None:
        old = [item for item in sets if new is None or item.uid != new.uid]
        idle = [
            item
            for item in old
            if not asked(item)
            and not (item.obj.get("status") or {}).get("replicas")
            and (item.obj.get("status") or {}).get("observedGeneration", 0)
            >= item.obj["metadata"]["generation"]
        ]
        extra = len(old) - deployment["spec"]["revisionHistoryLimit"]
        for item in sorted(idle, key=lambda item: revision_of(item, PREFIX))[: max(0, extra)]:
            self.registry.delete("replicasets", item.namespace, item.name)

    # -- scaling ---------------------------------------------------------------------------------------------
    def is_scaling(self, deployment: Obj, sets: list[Entry]) -> bool:
        wanted = str(deployment["spec"]["replicas"])
        return any(
            asked(item) and (item.obj["metadata"].get("annotations") or {}).get(DESIRED, wanted) != wanted
            for item in sets
        )

    def scale(self, deployment: Obj, sets: list[Entry], new: Entry | None) -> list[Entry]:
        """Bring the sets to the Deployment's size: one alone takes it all, several share in proportion."""
        spec = deployment["spec"]
        active = [item for item in sets if asked(item)]
        only = (
            active[0] if len(active) == 1 else (new or (sets[-1] if sets else None)) if not active else None
        )
        if only is not None:
            self.resize(deployment, only, spec["replicas"])
        elif new is not None and asked(new) == available(new) == spec["replicas"]:
            for item in active:
                self.resize(deployment, item, 0 if item.uid != new.uid else asked(item))
        elif spec["strategy"]["type"] == "RollingUpdate":
            allowed = spec["replicas"] + limits(spec)[0] if spec["replicas"] else 0
            left = allowed - sum(asked(item) for item in active)
            sizes: dict[str, int] = {}
            for item in sorted(active, key=asked, reverse=left >= 0):
                most = int((item.obj["metadata"].get("annotations") or {}).get(MOST, 0)) or allowed
                part = round(asked(item) * allowed / most) - asked(item)
                part = min(part, left) if left > 0 else max(part, left)
                sizes[item.uid] = asked(item) + part
                left -= part
            for index, item in enumerate(sorted(active, key=asked, reverse=True)):
                self.resize(deployment, item, max(0, sizes[item.uid] + (left if index == 0 else 0)))
        return self.sets_of(deployment)

    def resize(self, deployment: Obj, item: Entry, count: int) -> bool:
        """Set a ReplicaSet's size and its size annotations. True when the size changed."""
        spec = deployment["spec"]
        wanted = {DESIRED: str(spec["replicas"]), MOST: str(spec["replicas"] + limits(spec)[0])}
        annotations = item.obj["metadata"].get("annotations") or {}
        before = asked(item)
        if before == count and all(annotations.get(key) == value for key, value in wanted.items()):
            return False
        obj = copy(item)
        obj["metadata"]["annotations"] = {**annotations, **wanted}
        obj["spec"]["replicas"] = count
        self.registry.update("replicasets", obj, manager=MANAGER)
        if before != count:
            way = "up" if count > before else "down"
            self.event(
                deployment,
                "ScalingReplicaSet",
                f"Scaled {way} replica set {item.name} from {before} to {count}",
            )
        return before != count

    def event(self, deployment: Obj, reason: str, message: str) -> None:
        self.controllers.recorder.record(
            "deployments", deployment, reason, message, component="deployment-controller"
        )


def copy_of(obj: Obj) -> Obj:
    """A copy deep enough to change metadata and status of."""
    meta = {**obj["metadata"], "annotations": dict(obj["metadata"].get("annotations") or {})}
    return {**obj, "metadata": meta, "status": dict(obj.get("status") or {})}


def _carried(meta: Obj) -> dict[str, str]:
    return {key: value for key, value in (meta.get("annotations") or {}).items() if key not in _OWN}
