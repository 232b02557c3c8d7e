"""The Deployment controller: rolling and recreate, pause, revisions, the progress deadline.

Source: k8s pkg/controller/deployment (sync, rolling, recreate, progress). One pass makes one kind of move and
then writes status, so observers see the same intermediate states as with the real one.
"""

from __future__ import annotations

from typing import Any

from app.demo.controllers import Controllers
from app.demo.deployment_sets import (
    MANAGER,
    ReplicaSetsOfDeployments,
    copy_of,
    limits,
)
from app.demo.deployment_status import Progress, available_condition, calculate, set_condition
from app.demo.revision_sets import asked, available
from app.demo.store import Entry, copy

Obj = dict[str, Any]
CACHED = 0.05
"""Seconds for which the controller still sees what it saw before."""


class Deployments(ReplicaSetsOfDeployments):
    """One instance serves every Deployment."""

    def __init__(self, controllers: Controllers) -> None:
        super().__init__(controllers)
        self.progress = Progress(controllers.clock)
        self._paused_at: dict[tuple[str, str], float] = {}
        controllers.add("deployments", self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("deployments", namespace, name)
        if entry is None:
            self._paused_at.pop((namespace, name), None)
            return
        sets = self.sets(entry)
        deployment = self._as_cached(copy(entry), sets)
        if "deletionTimestamp" in deployment["metadata"]:
            self._write(deployment, calculate(deployment, sets, self.new(deployment, sets)))
            return
        deployment = self._mark_pause(deployment)
        paused = bool(deployment["spec"].get("paused"))
        if paused or self.is_scaling(deployment, sets):
            new = self.new(deployment, sets)
            if new is not None:
                deployment, new = self.adopt_revision(deployment, new, sets)
            sets = self.scale(deployment, self.sets(entry), new)
            if paused:
                self.clean_up(deployment, sets, new)
            new = self.new(deployment, sets)
            self._write(deployment, calculate(deployment, sets, new))
            return
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(deployment, sets)
        else:
            self._roll(deployment, sets)

    def _as_cached(self, deployment: Obj, sets: list[Entry]) -> Obj:
        """A pause is not instant: what the controller has in hand is still the Deployment before it."""
        meta, spec = deployment["metadata"], deployment["spec"]
        key = meta["namespace"], meta["name"]
        if not spec.get("paused"):
            self._paused_at.pop(key, None)
            return deployment
        began = self._paused_at.setdefault(key, self.clock.now())
        running = (deployment.get("status") or {}).get("observedGeneration") == meta["generation"] - 1
        if not running or self.clock.now() > began + CACHED or self.new(deployment, sets) is None:
            return deployment
        self.controllers.enqueue("deployments", *key, CACHED)
        before = {name: value for name, value in spec.items() if name != "paused"}
        return {**deployment, "metadata": {**meta, "generation": meta["generation"] - 1}, "spec": before}

    # -- strategies ------------------------------------------------------------------------------------------
    def _roll(self, deployment: Obj, sets: list[Entry]) -> None:
        known = self.new(deployment, sets)
        deployment, new, sets = self.ensure_new(deployment, sets)
        if known is None:
            return  # the next pass sees what became of it
        spec, (surge, gone) = deployment["spec"], limits(deployment["spec"])
        total = sum(asked(item) for item in sets)
        target = min(asked(new) + max(0, spec["replicas"] + surge - total), spec["replicas"])
        if self.resize(deployment, new, target):
            self._sync(deployment)
            return
        old = [item for item in sets if item.uid != new.uid]
        if self._shrink_old(deployment, new, old, spec["replicas"] - gone):
            self._sync(deployment)
            return
        self._settle(deployment, new)

    def _shrink_old(self, deployment: Obj, new: Entry, old: list[Entry], least: int) -> bool:
        """Scale old sets down as far as availability allows: unhealthy pods first, then the oldest sets."""
        if not sum(asked(item) for item in old):
            return False
        everything = [*old, new]
        missing_new = asked(new) - available(new)
        budget = sum(asked(item) for item in everything) - least - missing_new
        if budget <= 0:
            return False
        moved, sizes = 0, {item.uid: asked(item) for item in old}
        for item in old:
            unhealthy = min(budget - moved, sizes[item.uid] - available(item))
            if unhealthy > 0:
                sizes[item.uid] -= unhealthy
                moved += unhealthy
        spare = sum(available(item) for item in everything) - least
        for item in old:
            step = min(max(0, spare), sizes[item.uid])
            sizes[item.uid] -= step
            spare -= step
            moved += step
        resized = [self.resize(deployment, item, sizes[item.uid]) for item in old]
        return any(resized)

    def _recreate(self, deployment: Obj, sets: list[Entry]) -> None:
        new = self.new(deployment, sets)
        old = [item for item in sets if new is None or item.uid != new.uid]
        stopped = [self.resize(deployment, item, 0) for item in old]
        if any(stopped):
            self._sync(deployment)
            return
        if any(self.store.children(item.uid, "pods") for item in old):
            self._sync(deployment)
            self.controllers.enqueue(
                "deployments", deployment["metadata"]["namespace"], deployment["metadata"]["name"], 0.2
            )
            return
        deployment, made, _ = self.ensure_new(deployment, sets)
        self.resize(deployment, made, deployment["spec"]["replicas"])
        self._settle(deployment, made)

    def _settle(self, deployment: Obj, new: Entry) -> None:
        status = deployment.get("status") or {}
        count = deployment["spec"]["replicas"]
        if all(status.get(key, 0) == count for key in ("replicas", "updatedReplicas", "availableReplicas")):
            self.clean_up(deployment, self.sets_of(deployment), new)
        self._sync(deployment)

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
        """Status with progress: complete, moving, or past the deadline; then an appointment at the
        deadline."""
        sets = self.sets_of(deployment)
        new = self.new(deployment, sets)
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
