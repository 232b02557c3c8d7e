"""What Flagger does with a Canary, as far as others rely on it: it asks its hooks at every interval, and moves on yes.

The target is the canary, at zero when idle; `<target>-primary` serves. Limits: weighted canaries of Deployments, no
metrics, no route objects, no mirroring, of the hooks those that confirm and the one that rolls back. Source: flagger
pkg/controller/{scheduler,scheduler_hooks,webhook}.go.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from app.demo import shapes
from app.demo.controllers import Controllers
from app.demo.rollout_status import seconds
from app.demo.store import Entry, copy
from app.demo.teller import complete

log = logging.getLogger(__name__)
Obj = dict[str, Any]
MANAGER = "flagger"
IDLE = ("Initialized", "Succeeded", "Failed")
AT_WORK = ("Progressing", "WaitingPromotion")
YES = 202
"""The highest status that is a yes."""
_TIMEOUT = 10.0


class Canaries:
    """One instance serves every Canary."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers, self.store, self.registry = controllers, controllers.store, controllers.registry
        self._ticking: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._due: dict[tuple[str, str], float] = {}
        controllers.add("canaries", self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        """Tick, if it is time and none is under way."""
        key, entry = (namespace, name), self.store.get("canaries", namespace, name)
        if entry is None or key in self._ticking:
            return
        left = self._due.get(key, 0.0) - self.store.clock.now()
        if left <= 0:
            left = seconds(entry.obj["spec"]["analysis"].get("interval")) or 60.0
            self._due[key] = self.store.clock.now() + left
            task = asyncio.get_running_loop().create_task(self._tick(key))
            self._ticking[key] = task
            task.add_done_callback(lambda _: self._ticking.pop(key, None))
        self.controllers.enqueue("canaries", namespace, name, left + 0.05)

    async def close(self) -> None:
        """Let go of the hooks that are being asked."""
        for task in list(self._ticking.values()):
            task.cancel()
        await asyncio.gather(*self._ticking.values(), return_exceptions=True)

    async def _tick(self, key: tuple[str, str]) -> None:
        try:
            await _Tick(self, key).run()
        except Exception:
            log.exception("the canary %s/%s could not be looked at", *key)


class _Tick:
    """One look at one Canary, and at most one step."""

    def __init__(self, canaries: Canaries, key: tuple[str, str]) -> None:
        self.store, self.registry = canaries.store, canaries.registry
        self.recorder, self.namespace, self.name = canaries.controllers.recorder, *key
        self.spec: Obj = self._entry("canaries", self.name).obj["spec"]
        self.analysis: Obj = self.spec["analysis"]
        self.target: str = self.spec["targetRef"]["name"]
        self.primary = f"{self.target}-primary"

    async def run(self) -> None:
        """Do what the phase asks for."""
        status, version = self._status(), self._version()
        phase = status.get("phase", "")
        if self.spec.get("suspend"):
            return
        if phase in (*IDLE, "Waiting"):
            await self._begin(phase, status, version)
        elif phase in AT_WORK and version != status["lastAppliedSpec"]:
            self._say("New revision detected! Restarting analysis")
            self._enter("Progressing", lastAppliedSpec=version)
        elif phase in AT_WORK:
            await self._advance(phase, status["canaryWeight"])
        elif phase == "Promoting" and self._ready(self.primary):
            self._enter("Finalising")
        elif phase == "Finalising":
            self._scale(0)
            self._enter("Succeeded", lastPromotedSpec=status["lastAppliedSpec"])
            self._say(f"Promotion completed! Scaling down {self.target}.{self.namespace}")

    async def _begin(self, phase: str, status: Obj, version: str) -> None:
        if version in (status.get("lastPromotedSpec"), status.get("lastAppliedSpec")):
            if phase == "Waiting":
                self._enter("Succeeded")  # what waited was taken back
            self._scale(0)
            return
        if not await self._confirmed("confirm-rollout", phase):
            self._enter("Waiting")
            self._say(f"Halt {self.name}.{self.namespace} advancement waiting for approval", warning=True)
            return
        self._say(f"New revision detected! Scaling up {self.target}.{self.namespace}")
        self._scale(self._entry("deployments", self.primary).obj["spec"]["replicas"])
        self._enter("Progressing", lastAppliedSpec=version)

    async def _advance(self, phase: str, weight: int) -> None:
        if not self._ready(self.target):
            if self._late():
                self._back("its pods were not ready in time")
            return
        if self._hooks("rollback") and await self._confirmed("rollback", phase):
            self._back("a rollback was asked for")
            return
        most = self.analysis.get("maxWeight", 100)
        if phase == "Progressing" and weight < most and not self.spec.get("skipAnalysis"):
            if await self._confirmed("confirm-traffic-increase", phase):
                weight = min(most, weight + self.analysis["stepWeight"])
                self._enter("Progressing", canaryWeight=weight)
                self._say(f"Advance {self.name}.{self.namespace} canary weight {weight}")
            return
        if not self.spec.get("skipAnalysis") and not await self._confirmed("confirm-promotion", phase):
            self._enter("WaitingPromotion")
            self._say(f"Halt {self.name}.{self.namespace} advancement waiting for promotion approval")
            return
        self._promote()
        self._enter("Promoting")

    async def _confirmed(self, kind: str, phase: str) -> bool:
        """Whether all hooks of a type say yes; a hook that cannot be asked says no."""
        checksum = shapes.safe_hash(self._status().get("lastAppliedSpec", ""))
        for hook in self._hooks(kind):
            told: Obj = {"name": self.name, "namespace": self.namespace, "phase": phase}
            told |= {"checksum": checksum, "metadata": hook.get("metadata") or {}}
            try:
                limit = aiohttp.ClientTimeout(total=_TIMEOUT)
                async with (
                    aiohttp.ClientSession(timeout=limit) as session,
                    session.post(hook["url"], json=told) as answer,
                ):
                    if answer.status > YES:
                        return False
            except (TimeoutError, aiohttp.ClientError):
                return False
        return True

    def _hooks(self, kind: str) -> list[Obj]:
        return [hook for hook in self.analysis.get("webhooks") or () if hook.get("type") == kind]

    def _back(self, why: str) -> None:
        self._say(f"Rolling back {self.name}.{self.namespace}: {why}", warning=True)
        self._scale(0)
        self._enter("Failed")

    def _entry(self, plural: str, name: str) -> Entry:
        entry = self.store.get(plural, self.namespace, name)
        if entry is None:
            raise LookupError(f"{plural} {self.namespace}/{name}")
        return entry

    def _status(self) -> Obj:
        return self._entry("canaries", self.name).obj.get("status") or {}

    def _version(self) -> str:
        return version_of(self._entry("deployments", self.target).obj)

    def _ready(self, name: str) -> bool:
        obj = self._entry("deployments", name).obj
        return complete(obj) and obj["spec"]["replicas"] > 0

    def _late(self) -> bool:
        conditions = self._entry("deployments", self.target).obj["status"].get("conditions") or ()
        return any(one.get("reason") == "ProgressDeadlineExceeded" for one in conditions)

    def _scale(self, replicas: int) -> None:
        obj = copy(self._entry("deployments", self.target))
        if obj["spec"]["replicas"] != replicas:
            obj["spec"]["replicas"] = replicas
            self.registry.update("deployments", obj, manager=MANAGER)

    def _promote(self) -> None:
        wanted = copy(self._entry("deployments", self.target))["spec"]["template"]
        obj = copy(self._entry("deployments", self.primary))
        wanted["metadata"]["labels"] |= obj["spec"]["selector"]["matchLabels"]
        obj["spec"]["template"] = wanted
        self.registry.update("deployments", obj, manager=MANAGER)

    def _enter(self, phase: str, **changes: Any) -> None:
        obj = copy(self._entry("canaries", self.name))
        status = obj.setdefault("status", {})
        if phase == status.get("phase") and not changes:
            return
        kept = phase in ("Progressing", "Promoting") and "lastAppliedSpec" not in changes
        status |= {"canaryWeight": status.get("canaryWeight", 0) if kept else 0, "failedChecks": 0}
        status |= {"phase": phase, "iterations": 0, **changes}
        status["lastTransitionTime"] = now = self.store.clock.stamp()
        status["conditions"] = [promoted(phase, now)]
        self.store.put("canaries", obj)

    def _say(self, message: str, *, warning: bool = False) -> None:
        about = self._entry("canaries", self.name).obj
        self.recorder.record("canaries", about, "Synced", message, component=MANAGER, warning=warning)


def version_of(deployment: Obj) -> str:
    """What tells one version of a target from another."""
    return shapes.template_hash(deployment["spec"]["template"])


def promoted(phase: str, at: str) -> Obj:
    """The one condition of a Canary."""
    said = {"Initialized": "True", "Succeeded": "True", "Failed": "False"}.get(phase, "Unknown")
    waits = "Waiting for approval." if phase.startswith("Waiting") else f"Canary analysis: {phase}."
    times = {"lastTransitionTime": at, "lastUpdateTime": at}
    return {"type": "Promoted", "status": said, "reason": phase, "message": waits, **times}
