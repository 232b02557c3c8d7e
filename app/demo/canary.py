"""Canary without traffic routing: weights are pod counts, steps are walked, pauses wait for time or a person,
analysis for its run."""

from __future__ import annotations

from typing import Any

from app.demo import analysis
from app.demo import rollout_status as view
from app.demo.clock import seconds_of
from app.demo.controllers import Controllers
from app.demo.revision_sets import asked, available
from app.demo.rollout_sets import ReplicaSetsOf
from app.demo.store import Entry

Obj = dict[str, Any]


class Canary:
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
        self.total = ro["spec"].get("replicas", 1)
        self.steps = view.steps_of(ro["spec"])
        self.failed = ""
        """Why the update is to be aborted."""

    def begin(self, hashed: str) -> bool:
        """No Service has to follow."""
        return False

    def move(self) -> None:
        """Scale towards the present weight; when there, walk the steps. The first revision ever has none to walk."""
        if not self.status.get("stableRS"):
            self.status["stableRS"] = self.status["currentPodHash"]
            self.status["duration"] = {"completionStatus": "Promoted", **(self.status.get("duration") or {})}
            if self.steps:
                self.status["currentStepIndex"] = len(self.steps)
        self._forget()
        wanted = self._targets()
        moved = self._scale(wanted)
        new = self.sets.of_hash(self.status["currentPodHash"]) or self.new
        there = (
            not moved
            and all(asked(item) == wanted[item.uid] for item in self.sets.all)
            and (available(new) >= wanted[new.uid])
        )
        if self.status.get("abort"):
            return
        index = self.status.get("currentStepIndex", 0)
        if index < len(self.steps) and self.status.get("stableRS") != self.status["currentPodHash"]:
            self._step(self.steps[index], index, there)
        elif self.status.get("stableRS") != self.status["currentPodHash"] and available(new) >= self.total:
            self.status["stableRS"] = self.status["currentPodHash"]
            how = "FastPromoted" if self.status.pop("promoteFull", False) else "Promoted"
            now = self.clock.stamp()
            self.status["duration"] = {
                **(self.status.get("duration") or {}),
                "completionStatus": how,
                "finishedAt": now,
            }

    def _weight(self) -> int:
        if self.status.get("abort"):
            return 0
        index = self.status.get("currentStepIndex", 0)
        if index >= len(self.steps):
            return 100
        weights = [step["setWeight"] for step in self.steps[: index + 1] if "setWeight" in step]
        return int(weights[-1]) if weights else 0

    def _targets(self) -> dict[str, int]:
        """The size of every set at the present weight."""
        wanted = {item.uid: 0 for item in self.sets.all}
        stable = self.sets.of_hash(self.status.get("stableRS", ""))
        if stable is None or stable.uid == self.new.uid:
            wanted[self.new.uid] = self.total
            return wanted
        weight = self._weight()
        canary = int(self.total * weight / 100 + 0.5)
        if 0 < weight < 100 and self.total > 1:
            canary = min(max(canary, 1), self.total - 1)
        wanted[self.new.uid] = canary
        wanted[stable.uid] = self.total - canary
        return wanted

    def _scale(self, wanted: dict[str, int]) -> bool:
        """Up within maxSurge, then down within maxUnavailable; pods that are not available go first."""
        surge, gone = self.sets.limits()
        first = not self.status.get("availableReplicas") and len(self.sets.all) == 1
        room = self.total + (surge if not first else 0) - sum(asked(item) for item in self.sets.all)
        moved = False
        for item in self.sets.all:
            step = min(wanted[item.uid] - asked(item), room)
            if step > 0:
                moved |= self.sets.resize(item, asked(item) + step)
                room -= step
        if moved:
            return True
        spare = sum(available(item) for item in self.sets.all) - (self.total - gone)
        for item in self.sets.all:
            over = asked(item) - wanted[item.uid]
            if over <= 0:
                continue
            dead = min(over, asked(item) - available(item))
            alive = min(over - dead, max(0, spare))
            spare -= alive
            if dead + alive:
                moved |= self.sets.resize(item, asked(item) - dead - alive)
        return moved

    def _step(self, step: Obj, index: int, there: bool) -> None:
        if "analysis" in step:
            self._analyse(step["analysis"], index)
            return
        if "pause" not in step:
            if there:
                self.status["currentStepIndex"] = index + 1
            return
        if not there and not self.status.get("pauseConditions"):
            return
        pauses = self.status.get("pauseConditions")
        if not pauses and self.status.get("controllerPause"):
            # someone promoted: the condition is gone, the flag is still there; one write for each
            if view.condition(self.status, "Paused").get("status") != "True":
                self._leave(index)
            return
        now = self.clock.now()
        if not pauses:
            self.status["pauseConditions"] = [{"reason": "CanaryPauseStep", "startTime": self.clock.stamp()}]
            self.status["controllerPause"] = True
            if view.seconds((step["pause"] or {}).get("duration")) is None:
                view.note_pause(self.status, self.clock.stamp())
            return
        limit = view.seconds((step["pause"] or {}).get("duration"))
        if limit is None:
            return
        left = seconds_of(pauses[0]["startTime"]) + limit - now
        if left <= 0:
            self._leave(index)
        else:
            meta = self.ro["metadata"]
            self.controllers.enqueue("rollouts", meta["namespace"], meta["name"], left + 0.05)

    def _analyse(self, asked: Obj, index: int) -> None:
        """Follow the run of this step: made, watched, and then on, stopped for a person, or back."""
        status, namespace = self.status, self.ro["metadata"]["namespace"]
        told = status["canary"].get("currentStepAnalysisRunStatus")
        if told is None:
            name = analysis.start(
                self.controllers, self.ro, status["currentPodHash"], index, asked.get("templates") or []
            )
            status["canary"] = {
                **status["canary"],
                "currentStepAnalysisRunStatus": {"name": name, "status": ""},
            }
            return
        run = self.controllers.store.get("analysisruns", namespace, told["name"])
        said = (run.obj.get("status") or {}) if run else {"phase": "Error", "message": "the run is gone"}
        fresh = {key: said[key] for key in ("message",) if said.get(key)}
        fresh |= {"name": told["name"], "status": said.get("phase", "")}
        if fresh != told:
            self._report(fresh, told["status"])
        status["canary"] = {**status["canary"], "currentStepAnalysisRunStatus": fresh}
        match fresh["status"]:
            case "Successful":
                self._leave(index)
                status["canary"] = {}
            case "Failed" | "Error":
                why = f": {fresh['message']}" if "message" in fresh else ""
                self.failed = f"Step-based analysis phase error/failed{why}"
            case "Inconclusive" if not status.get("pauseConditions") and not status.get("controllerPause"):
                now = self.clock.stamp()
                status["pauseConditions"] = [{"reason": "InconclusiveAnalysisRun", "startTime": now}]
                status["controllerPause"] = True
                view.note_pause(status, now)

    def _report(self, fresh: Obj, before: str) -> None:
        phase = fresh["status"]
        message = f"Step Analysis Run '{fresh['name']}' Status New: '{phase}' Previous: '{before}'"
        self.sets.event(f"AnalysisRun{phase}", message, warning=phase in ("Failed", "Error"))

    def _forget(self) -> None:
        """Drop the run of a step that has been left, and end it."""
        told = (self.status.get("canary") or {}).get("currentStepAnalysisRunStatus")
        index = self.status.get("currentStepIndex", 0)
        there = index < len(self.steps) and "analysis" in self.steps[index]
        if told and (not there or self.status.get("abort")):
            self.status["canary"] = {}
            run = self.controllers.store.get("analysisruns", self.ro["metadata"]["namespace"], told["name"])
            if run:
                analysis.stop(self.controllers, run)

    def _leave(self, index: int) -> None:
        self.status["currentStepIndex"] = index + 1
        self.status.pop("pauseConditions", None)
        self.status.pop("controllerPause", None)
