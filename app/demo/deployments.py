"""The Deployment controller: rolling and recreate, pause, revisions, the progress deadline.

Source: k8s pkg/controller/deployment (sync, rolling, recreate, progress). One pass makes one kind of move and
then writes status, so observers see the same intermediate states as with the real one.
"""

from __future__ import annotations

import math
from typing import Any

from app.demo import shapes
from app.demo.controllers import Controllers
from app.demo.deployment_status import Progress, available_condition, calculate, set_condition
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


def share(value: Any, total: int, *, up: bool) -> int:
    """An int-or-percent of a total."""
    if isinstance(value, str) and value.endswith("%"):
        part = total * int(value[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def limits(spec: Obj) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods; never both zero."""
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    total = spec["replicas"]
    surge = share(rolling.get("maxSurge"), total, up=True)
    gone = share(rolling.get("maxUnavailable"), total, up=False)
    return (surge, gone) if surge or gone else (0, 1)


class Deployments:
    """One instance serves every Deployment."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.registry = controllers.registry
        self.clock = controllers.clock
        self.progress = Progress(controllers.clock)
        controllers.add("deployments", self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("deployments", namespace, name)
        if entry is None:
            return
        sets = self._sets(entry)
        deployment = copy(entry)
        if "deletionTimestamp" in deployment["metadata"]:
            self._write(deployment, calculate(deployment, sets, self._new(deployment, sets)))
            return
        deployment = self._mark_pause(deployment)
        paused = bool(deployment["spec"].get("paused"))
        if paused or self._is_scaling(deployment, sets):
            new = self._new(deployment, sets)
            if new is not None:
                deployment, new = self._adopt_revision(deployment, new, sets)
            sets = self._scale(deployment, self._sets(entry), new)
            if paused:
                self._clean_up(deployment, sets, new)
            new = self._new(deployment, sets)
            self._write(deployment, calculate(deployment, sets, new))
            return
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(deployment, sets)
        else:
            self._roll(deployment, sets)

    # -- strategies ------------------------------------------------------------------------------------------
    def _roll(self, deployment: Obj, sets: list[Entry]) -> None:
        deployment, new, sets = self._ensure_new(deployment, sets)
        spec, (surge, gone) = deployment["spec"], limits(deployment["spec"])
        total = sum(_asked(item) for item in sets)
        target = min(_asked(new) + max(0, spec["replicas"] + surge - total), spec["replicas"])
        if self._resize(deployment, new, target):
            self._sync(deployment)
            return
        old = [item for item in sets if item.uid != new.uid]
        if self._shrink_old(deployment, new, old, spec["replicas"] - gone):
            self._sync(deployment)
            return
        self._settle(deployment, new)

    def _shrink_old(self, deployment: Obj, new: Entry, old: list[Entry], least: int) -> bool:
        """Scale old sets down as far as availability allows: unhealthy pods first, then the oldest sets."""
        if not sum(_asked(item) for item in old):
            return False
        everything = [*old, new]
        missing_new = _asked(new) - _available(new)
        budget = sum(_asked(item) for item in everything) - least - missing_new
        if budget <= 0:
            return False
        moved, sizes = 0, {item.uid: _asked(item) for item in old}
        for item in old:
            unhealthy = min(budget - moved, sizes[item.uid] - _available(item))
            if unhealthy > 0:
                sizes[item.uid] -= unhealthy
                moved += unhealthy
        spare = sum(_available(item) for item in everything) - least
        for item in old:
            step = min(max(0, spare), sizes[item.uid])
            sizes[item.uid] -= step
            spare -= step
            moved += step
        return any([self._resize(deployment, item, sizes[item.uid]) for item in old])

    def _recreate(self, deployment: Obj, sets: list[Entry]) -> None:
        new = self._new(deployment, sets)
        old = [item for item in sets if new is None or item.uid != new.uid]
        if any([self._resize(deployment, item, 0) for item in old]):
            self._sync(deployment)
            return
        if any(self.store.children(item.uid, "pods") for item in old):
            self._sync(deployment)
            self.controllers.enqueue(
                "deployments", deployment["metadata"]["namespace"], deployment["metadata"]["name"], 0.2
            )
            return
        deployment, made, _ = self._ensure_new(deployment, sets)
        self._resize(deployment, made, deployment["spec"]["replicas"])
        self._settle(deployment, made)

    def _settle(self, deployment: Obj, new: Entry) -> None:
        status = deployment.get("status") or {}
        count = deployment["spec"]["replicas"]
        if all(status.get(key, 0) == count for key in ("replicas", "updatedReplicas", "availableReplicas")):
            self._clean_up(deployment, self._sets_of(deployment), new)
        self._sync(deployment)

    # -- revisions -------------------------------------------------------------------------------------------
    def _sets(self, entry: Entry) -> list[Entry]:
        """Own ReplicaSets, oldest first; orphans that match the selector are adopted."""
        for item in list(self.store.in_namespace("replicasets", entry.namespace)):
            if controller_uid(item.obj) is None and matches(
                entry.obj["spec"]["selector"], item.obj["metadata"].get("labels") or {}
            ):
                obj = copy(item)
                obj["metadata"]["ownerReferences"] = [shapes.reference(entry.obj, "Deployment", "apps/v1")]
                self.store.put("replicasets", obj)
        return self.store.children(entry.uid, "replicasets")

    def _sets_of(self, deployment: Obj) -> list[Entry]:
        return self.store.children(deployment["metadata"]["uid"], "replicasets")

    def _new(self, deployment: Obj, sets: list[Entry]) -> Entry | None:
        wanted = shapes.bare_template(deployment["spec"]["template"])
        return next(
            (item for item in sets if shapes.bare_template(item.obj["spec"]["template"]) == wanted), None
        )

    def _ensure_new(self, deployment: Obj, sets: list[Entry]) -> tuple[Obj, Entry, list[Entry]]:
        new = self._new(deployment, sets)
        if new is not None:
            deployment, new = self._adopt_revision(deployment, new, sets)
            return deployment, new, self._sets_of(deployment)
        meta, spec = deployment["metadata"], deployment["spec"]
        template = spec["template"]
        hashed = shapes.template_hash(template)
        labels = {**(template["metadata"].get("labels") or {}), "pod-template-hash": hashed}
        surge, _ = limits(spec)
        room = spec["replicas"] + surge - sum(_asked(item) for item in sets)
        count = (
            min(spec["replicas"], max(0, room))
            if spec["strategy"]["type"] == "RollingUpdate"
            else spec["replicas"]
        )
        revision = str(1 + max((_revision(item) for item in sets), default=0))
        body: Obj = {
            "metadata": {
                "name": f"{meta['name']}-{hashed}",
                "namespace": meta["namespace"],
                "labels": labels,
                "annotations": {
                    **_carried(meta),
                    DESIRED: str(spec["replicas"]),
                    MOST: str(spec["replicas"] + surge),
                    REVISION: revision,
                },
                "ownerReferences": [shapes.reference(deployment, "Deployment", "apps/v1")],
            },
            "spec": {
                "replicas": count,
                **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
                "selector": {
                    "matchLabels": {
                        **(spec["selector"].get("matchLabels") or {}),
                        "pod-template-hash": hashed,
                    }
                },
                "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
            },
        }
        made = self.registry.create("replicasets", body, manager=MANAGER)
        self._event(deployment, "ScalingReplicaSet", f"Scaled up replica set {made.name} from 0 to {count}")
        deployment = self._announce(
            deployment, revision, "NewReplicaSetCreated", f'Created new replica set "{made.name}"'
        )
        return deployment, made, self._sets_of(deployment)

    def _adopt_revision(self, deployment: Obj, new: Entry, sets: list[Entry]) -> tuple[Obj, Entry]:
        """An existing ReplicaSet is the new one: it gets the next number, its old one goes to its history."""
        others = max((_revision(item) for item in sets if item.uid != new.uid), default=0)
        annotations = dict(new.obj["metadata"].get("annotations") or {})
        wanted = {**annotations, **_carried(deployment["metadata"])}
        if _revision(new) <= others:
            past = annotations.get(HISTORY)
            wanted[HISTORY] = f"{past},{annotations[REVISION]}" if past else annotations.get(REVISION, "")
            wanted[REVISION] = str(others + 1)
        if wanted != annotations:
            obj = copy(new)
            obj["metadata"]["annotations"] = wanted
            new = self.registry.update("replicasets", obj, manager=MANAGER)
        revision = wanted.get(REVISION, "1")
        known = any(
            c["type"] == "Progressing" for c in (deployment.get("status") or {}).get("conditions") or ()
        )
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != revision or not known:
            deployment = self._announce(
                deployment, revision, "FoundNewReplicaSet", f'Found new replica set "{new.name}"'
            )
        return deployment, new

    def _announce(self, deployment: Obj, revision: str, reason: str, message: str) -> Obj:
        """Revision annotation and Progressing condition in one status write: observedGeneration stays behind."""
        obj = copy_of(deployment)
        obj["metadata"].setdefault("annotations", {})[REVISION] = revision
        obj.setdefault("status", {})
        obj["status"]["conditions"] = set_condition(
            obj["status"].get("conditions") or [], "Progressing", "True", reason, message, self.clock.stamp()
        )
        return copy(self.registry.update("deployments", obj, manager=MANAGER, status=True))

    def _clean_up(self, deployment: Obj, sets: list[Entry], new: Entry | None) -> None:
        old = [item for item in sets if new is None or item.uid != new.uid]
        idle = [
            item
            for item in old
            if not _asked(item)
            and not (item.obj.get("status") or {}).get("replicas")
            and (item.obj.get("status") or {}).get("observedGeneration", 0)
            >= item.obj["metadata"]["generation"]
        ]
        extra = len(old) - deployment["spec"]["revisionHistoryLimit"]
        for item in sorted(idle, key=_revision)[: max(0, extra)]:
            self.registry.delete("replicasets", item.namespace, item.name)

    # -- scaling ---------------------------------------------------------------------------------------------
    def _is_scaling(self, deployment: Obj, sets: list[Entry]) -> bool:
        wanted = str(deployment["spec"]["replicas"])
        return any(
            _asked(item) and (item.obj["metadata"].get("annotations") or {}).get(DESIRED, wanted) != wanted
            for item in sets
        )

    def _scale(self, deployment: Obj, sets: list[Entry], new: Entry | None) -> list[Entry]:
        """Bring the sets to the Deployment's size: one alone takes it all, several share in proportion."""
        spec = deployment["spec"]
        active = [item for item in sets if _asked(item)]
        only = (
            active[0] if len(active) == 1 else (new or (sets[-1] if sets else None)) if not active else None
        )
        if only is not None:
            self._resize(deployment, only, spec["replicas"])
        elif new is not None and _asked(new) == _available(new) == spec["replicas"]:
            for item in active:
                self._resize(deployment, item, 0 if item.uid != new.uid else _asked(item))
        elif spec["strategy"]["type"] == "RollingUpdate":
            allowed = spec["replicas"] + limits(spec)[0] if spec["replicas"] else 0
            left = allowed - sum(_asked(item) for item in active)
            sizes: dict[str, int] = {}
            for item in sorted(active, key=_asked, reverse=left >= 0):
                most = int((item.obj["metadata"].get("annotations") or {}).get(MOST, 0)) or allowed
                part = round(_asked(item) * allowed / most) - _asked(item)
                part = min(part, left) if left > 0 else max(part, left)
                sizes[item.uid] = _asked(item) + part
                left -= part
            for index, item in enumerate(sorted(active, key=_asked, reverse=True)):
                self._resize(deployment, item, max(0, sizes[item.uid] + (left if index == 0 else 0)))
        return self._sets_of(deployment)

    def _resize(self, deployment: Obj, item: Entry, count: int) -> bool:
        """Set a ReplicaSet's size and its size annotations. True when the size changed."""
        spec = deployment["spec"]
        wanted = {DESIRED: str(spec["replicas"]), MOST: str(spec["replicas"] + limits(spec)[0])}
        annotations = item.obj["metadata"].get("annotations") or {}
        before = _asked(item)
        if before == count and all(annotations.get(key) == value for key, value in wanted.items()):
            return False
        obj = copy(item)
        obj["metadata"]["annotations"] = {**annotations, **wanted}
        obj["spec"]["replicas"] = count
        self.registry.update("replicasets", obj, manager=MANAGER)
        if before != count:
            way = "up" if count > before else "down"
            self._event(
                deployment,
                "ScalingReplicaSet",
                f"Scaled {way} replica set {item.name} from {before} to {count}",
            )
        return before != count

    # -- status ----------------------------------------------------------------------------------------------
    def _mark_pause(self, deployment: Obj) -> Obj:
        status = deployment.get("status") or {}
        current = next((c for c in status.get("conditions") or () if c["type"] == "Progressing"), None)
        reason = current["reason"] if current else ""
        paused = bool(deployment["spec"].get("paused"))
        if reason == "ProgressDeadlineExceeded" or paused is (reason == "DeploymentPaused"):
            return deployment
        reason, message = (
            ("DeploymentPaused", "Deployment is paused")
            if paused
            else ("DeploymentResumed", "Deployment is resumed")
        )
        obj = copy_of(deployment)
        obj["status"]["conditions"] = set_condition(
            status.get("conditions") or [], "Progressing", "Unknown", reason, message, self.clock.stamp()
        )
        return copy(self.registry.update("deployments", obj, manager=MANAGER, status=True))

    def _sync(self, deployment: Obj) -> None:
        """Status with progress: complete, moving, or past the deadline; then an appointment at the deadline."""
        sets = self._sets_of(deployment)
        new = self._new(deployment, sets)
        status = calculate(deployment, sets, new)
        wait = self.progress.judge(deployment, status, new)
        self._write(deployment, status)
        if wait is not None:
            meta = deployment["metadata"]
            self.controllers.enqueue("deployments", meta["namespace"], meta["name"], wait)

    def _write(self, deployment: Obj, status: Obj) -> None:
        status["conditions"] = available_condition(
            deployment, status, self.clock.stamp(), limits(deployment["spec"])[1]
        )
        if status == (deployment.get("status") or {}):
            return
        obj = copy_of(deployment)
        obj["status"] = status
        obj["metadata"].pop("resourceVersion", None)
        self.registry.update("deployments", obj, manager=MANAGER, status=True)

    def _event(self, deployment: Obj, reason: str, message: str) -> None:
        self.controllers.recorder.record(
            deployment, "Deployment", "apps/v1", reason, message, component="deployment-controller"
        )


def copy_of(obj: Obj) -> Obj:
    """A copy deep enough to change metadata and status of."""
    meta = {**obj["metadata"], "annotations": dict(obj["metadata"].get("annotations") or {})}
    return {**obj, "metadata": meta, "status": dict(obj.get("status") or {})}


def _carried(meta: Obj) -> dict[str, str]:
    return {key: value for key, value in (meta.get("annotations") or {}).items() if key not in _OWN}


def _asked(item: Entry) -> int:
    return int(item.obj["spec"].get("replicas", 1))


def _available(item: Entry) -> int:
    # right after a scale-down the set's status is still the old one
    return min(int((item.obj.get("status") or {}).get("availableReplicas", 0)), _asked(item))


def _revision(item: Entry) -> int:
    text = (item.obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0
