"""Blue-green: the new set grows beside the active one, Services are switched, the old set goes after a
delay."""

from __future__ import annotations

from typing import Any

from app.demo import rollout_status as view
from app.demo.clock import seconds_of, stamp
from app.demo.controllers import Controllers
from app.demo.revision_sets import asked, available
from app.demo.rollout_sets import DEADLINE, HASH, ReplicaSetsOf
from app.demo.store import Entry

Obj = dict[str, Any]


class BlueGreen:
    """One pass over one Rollout; changes `status` in place."""

    def __init__(
        self, controllers: Controllers, ro: Obj, status: Obj, sets: ReplicaSetsOf, new: Entry
    ) -> None:
        self.controllers = controllers
        self.clock = controllers.clock
        self.ro = ro
        self.status = status
        self.sets = sets
        self.new = new
        self.spec: Obj = ro["spec"]["strategy"]["blueGreen"]
        self.total = ro["spec"].get("replicas", 1)
        self.failed = ""

    def begin(self, hashed: str) -> bool:
        """The preview Service follows the new template at once. Whether it was switched just now: the status says so
        when the endpoints have followed."""
        preview = self.spec.get("previewService")
        if not preview:
            return False
        self.status["blueGreen"] = {**self.status["blueGreen"], "previewSelector": hashed}
        return self._switch(preview, hashed)

    def move(self) -> None:
        """Preview, grow, wait, switch, retire: the first that is due."""
        status, hashed = self.status, self.status["currentPodHash"]
        self._retire()
        if status.get("abort"):
            delay = int(self.spec.get("abortScaleDownDelaySeconds", 30))
            if (
                asked(self.new)
                and delay
                and DEADLINE not in (self.new.obj["metadata"].get("annotations") or {})
            ):
                self.sets.mark(self.new, stamp(self.clock.now() + delay))
                self._again(delay)
            return
        self.begin(hashed)
        self.sets.mark(self.new, None)
        if asked(self.new) != self.total:
            self.sets.resize(self.sets.of_hash(hashed) or self.new, self.total)
            return
        active = status["blueGreen"].get("activeSelector", "")
        if active == hashed or available(self.new) < self.total:
            return
        if active and self._waits():
            return
        self._promote(active, hashed)

    def _waits(self) -> bool:
        """Whether a person (or the clock) still has to let it through; enters the pause when it is time."""
        status = self.status
        by_hand = self.spec.get("autoPromotionEnabled", True) is False
        after = float(self.spec.get("autoPromotionSeconds") or 0)
        if status.get("promoteFull") or (not by_hand and not after):
            return False
        pauses = status.get("pauseConditions")
        if not pauses and status.get("controllerPause"):
            # promoted: first the Paused condition is taken back, then the Service is switched
            return bool(view.condition(status, "Paused").get("status") == "True")
        if not pauses:
            status["pauseConditions"] = [{"reason": "BlueGreenPause", "startTime": self.clock.stamp()}]
            status["controllerPause"] = True
            if by_hand:
                view.note_pause(status, self.clock.stamp())
            return True
        if by_hand:
            return True
        left = seconds_of(pauses[0]["startTime"]) + after - self.clock.now()
        if left > 0:
            self._again(left)
        return left > 0

    def _promote(self, active: str, hashed: str) -> None:
        status = self.status
        self._switch(self.spec["activeService"], hashed)
        status["blueGreen"] = {**status["blueGreen"], "activeSelector": hashed}
        labels = (self.ro["spec"].get("selector") or {}).get("matchLabels") or {}
        status["selector"] = ",".join(f"{key}={value}" for key, value in {**labels, HASH: hashed}.items())
        status["stableRS"] = hashed
        how = "FastPromoted" if status.pop("promoteFull", False) else "Promoted"
        for key in ("pauseConditions", "controllerPause"):
            status.pop(key, None)
        status["duration"] = {
            **(status.get("duration") or {}),
            "completionStatus": how,
            "finishedAt": self.clock.stamp(),
        }
        delay = float(self.spec.get("scaleDownDelaySeconds", 30))
        for item in self.sets.all:
            if item.uid != self.new.uid and asked(item):
                self.sets.mark(item, stamp(self.clock.now() + delay))
        self._again(delay)

    def _retire(self) -> None:
        """Scale sets down whose deadline has passed; the active and the wanted one are spared."""
        now = self.clock.now()
        spared = {self.status["blueGreen"].get("activeSelector")}
        if not self.status.get("abort"):
            spared.add(self.status["currentPodHash"])
        for item in list(self.sets.all):
            if item.obj["metadata"]["labels"].get(HASH) in spared or not asked(item):
                continue
            deadline = (item.obj["metadata"].get("annotations") or {}).get(DEADLINE)
            if deadline is None:
                if (
                    not self.status.get("abort")
                    and self.status["blueGreen"].get("activeSelector") == self.status["currentPodHash"]
                ):
                    delay = float(self.spec.get("scaleDownDelaySeconds", 30))
                    self.sets.mark(item, stamp(now + delay))
                    self._again(delay)
            elif seconds_of(deadline) <= now:
                self.sets.resize(item, 0)
            else:
                self._again(seconds_of(deadline) - now)

    def _switch(self, service: str, hashed: str) -> bool:
        namespace = self.ro["metadata"]["namespace"]
        obj = self.controllers.store.copy("services", namespace, service)
        before = ((obj or {"spec": {}})["spec"].get("selector") or {}).get(HASH, "")
        if obj is None or before == hashed:
            return False
        obj["spec"]["selector"] = {**(obj["spec"].get("selector") or {}), HASH: hashed}
        owner = {"argo-rollouts.argoproj.io/managed-by-rollouts": self.ro["metadata"]["name"]}
        obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), **owner}
        self.controllers.registry.update("services", obj, manager="rollouts-controller")
        message = f"Switched selector for service '{service}' from '{before}' to '{hashed}'"
        self.sets.event("SwitchService", message)
        return True

    def _again(self, delay: float) -> None:
        meta = self.ro["metadata"]
        self.controllers.enqueue("rollouts", meta["namespace"], meta["name"], delay + 0.05)
