"""The Argo Rollouts controller, small: canary steps and blue-green, promote, abort, retry, restart.

Source: argo-rollouts rollout/{canary,bluegreen,pause,sync,service,restart}.go and recordings of it. Without
traffic routing and experiments; of analysis only that in a canary's steps. One pass makes one move and writes status
once; the write brings the next pass.
"""

from __future__ import annotations

from typing import Any

from app.demo import rollout_status as view
from app.demo.blue_green import BlueGreen
from app.demo.canary import Canary
from app.demo.clock import seconds_of
from app.demo.controllers import Controllers
from app.demo.revision_sets import share
from app.demo.rollout_sets import HASH, PREFIX, ReplicaSetsOf, number
from app.demo.store import Entry, copy

Obj = dict[str, Any]
MANAGER = "rollouts-controller"


class Rollouts:
    """One instance serves every Rollout."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.registry = controllers.registry
        self.clock = controllers.clock
        controllers.add("rollouts", self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("rollouts", namespace, name)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return
        ro = copy(entry)
        if self._refused(ro):
            return
        sets = ReplicaSetsOf(self.controllers, ro)
        new = sets.of_template(ro["spec"]["template"])
        if new is None:
            self._create(ro, sets)
            return
        if self._renumber(ro, sets, new):
            return
        old: Obj = entry.obj.get("status") or {}
        status: Obj = copy(entry).get("status") or {}
        status |= {
            "observedGeneration": str(ro["metadata"]["generation"]),
            "blueGreen": status.get("blueGreen") or {},
            "canary": status.get("canary") or {},
        }
        strategy = (
            BlueGreen(self.controllers, ro, status, sets, new)
            if view.is_blue_green(ro["spec"])
            else Canary(self.controllers, ro, status, sets, new)
        )
        hashed = new.obj["metadata"]["labels"][HASH]
        if status.get("currentPodHash") != hashed:
            if strategy.begin(hashed):
                self._look_again(ro, 0.0)
                return
            self._begin(ro, status, new, sets)
        else:
            self._orders(ro, status, new)
            if not ro["spec"].get("paused"):
                strategy.move()
            if strategy.failed:
                status["abort"] = True
                self._abort(ro, status, new, self.clock.stamp(), f": {strategy.failed}")
        self._restart(ro, status, sets)
        self._finish(ro, status, old, new, sets)
        sets.prune(new, status)

    # -- beginning -------------------------------------------------------------------------------------------
    def _refused(self, ro: Obj) -> bool:
        why = view.invalid_spec(ro["spec"])
        status: Obj = dict(ro.get("status") or {})
        rows = [row for row in status.get("conditions") or () if row["type"] != "InvalidSpec"]
        if not why:
            if len(rows) != len(status.get("conditions") or ()):
                self._write(ro, {**status, "conditions": rows})
            return False
        status["conditions"] = list(status.get("conditions") or ())
        view.put(status, "InvalidSpec", "True", "InvalidSpec", why, self.clock.stamp())
        status["observedGeneration"] = str(ro["metadata"]["generation"])
        status["phase"], status["message"] = view.phase_of(ro["spec"], status)
        self._write(ro, status)
        return True

    def _create(self, ro: Obj, sets: ReplicaSetsOf) -> None:
        made, revision = sets.create()
        self._event(ro, "RolloutUpdated", f"Rollout updated to revision {revision}")
        self._event(ro, "NewReplicaSetCreated", f"Created ReplicaSet {made.name} (revision {revision})")
        ro = self._annotate(ro, revision)
        status: Obj = {"blueGreen": {}, "canary": {}, **(ro.get("status") or {})}
        view.put(
            status,
            "Progressing",
            "True",
            "NewReplicaSetCreated",
            f'Created new replica set "{made.name}"',
            self.clock.stamp(),
        )
        self._write(ro, status)

    def _renumber(self, ro: Obj, sets: ReplicaSetsOf, new: Entry) -> bool:
        """A returning ReplicaSet becomes the newest revision. True when something was written."""
        revision = sets.adopt(new)
        if (ro["metadata"].get("annotations") or {}).get(f"{PREFIX}/revision") == str(revision):
            return False
        self._annotate(ro, revision)
        self._event(ro, "RolloutUpdated", f"Rollout updated to revision {revision}")
        return True

    def _annotate(self, ro: Obj, revision: int) -> Obj:
        annotations = {**(ro["metadata"].get("annotations") or {}), f"{PREFIX}/revision": str(revision)}
        ro = {**ro, "metadata": {**ro["metadata"], "annotations": annotations}}
        return copy(self.registry.update("rollouts", ro, manager=MANAGER))

    def _begin(self, ro: Obj, status: Obj, new: Entry, sets: ReplicaSetsOf) -> None:
        """A new template: steps from the start, or none when nothing is stable yet or it is the stable one
        again."""
        hashed, steps = new.obj["metadata"]["labels"][HASH], view.steps_of(ro["spec"])
        for key in ("pauseConditions", "controllerPause", "abort", "abortedAt", "promoteFull"):
            status.pop(key, None)
        first, blue_green = not status.get("stableRS"), view.is_blue_green(ro["spec"])
        back = status.get("stableRS") == hashed
        status["currentPodHash"] = hashed
        now, before = self.clock.stamp(), status.get("duration") or {}
        status["duration"] = {"rolloutStartedAt": now}
        if back:
            status["duration"] = {"completionStatus": "FastRolledBack", "finishedAt": now, **before}
        labels = (ro["spec"].get("selector") or {}).get("matchLabels") or {}
        status.setdefault("selector", ",".join(f"{key}={value}" for key, value in labels.items()))
        if steps:
            status["currentStepHash"] = view.step_hash(steps)
            status["currentStepIndex"] = len(steps) if back else 0
        elif not blue_green:
            status.pop("currentStepIndex", None)
        if first and blue_green:
            status["stableRS"] = hashed
        view.put(
            status,
            "Progressing",
            "True",
            "ReplicaSetUpdated",
            f'ReplicaSet "{new.name}" is progressing.',
            now,
        )
        self._event(
            ro,
            "RolloutNotCompleted",
            f"Rollout not completed, started update to revision {number(new)} ({hashed})",
        )

    # -- what a person asked through status ------------------------------------------------------------------
    def _orders(self, ro: Obj, status: Obj, new: Entry) -> None:
        now = self.clock.stamp()
        promoted = status.get("stableRS") == status["currentPodHash"]
        if status.get("abort") and promoted:
            del status["abort"]
        if status.get("promoteFull"):
            if promoted:
                del status["promoteFull"]
            for key in ("pauseConditions", "controllerPause", "abort", "abortedAt"):
                status.pop(key, None)
            if view.steps_of(ro["spec"]):
                status["currentStepIndex"] = len(view.steps_of(ro["spec"]))
        if status.get("abort"):
            if not status.get("abortedAt"):
                self._abort(ro, status, new, now)
        elif status.get("abortedAt"):
            del status["abortedAt"]
            status.pop("abort", None)
            status["duration"] = {"rolloutStartedAt": now}
            view.put(status, "Progressing", "Unknown", "RolloutRetry", "Retrying Rollout after abort", now)

    def _abort(self, ro: Obj, status: Obj, new: Entry, now: str, why: str = "") -> None:
        status["abortedAt"] = now
        for key in ("pauseConditions", "controllerPause"):
            status.pop(key, None)
        if view.steps_of(ro["spec"]):
            status["currentStepIndex"] = 0
        message = f"Rollout aborted update to revision {number(new)}{why}"
        view.put(status, "Progressing", "False", "RolloutAborted", message, now)
        status["duration"] = {
            **(status.get("duration") or {}),
            "completionStatus": "Aborted",
            "finishedAt": now,
        }
        self._event(ro, "RolloutAborted", message, warning=True)

    def _restart(self, ro: Obj, status: Obj, sets: ReplicaSetsOf) -> None:
        """Evict pods older than restartAt, one at a time while all are available."""
        wanted = ro["spec"].get("restartAt")
        if not wanted or wanted == status.get("restartedAt"):
            return
        now = self.clock.now()
        if seconds_of(wanted) > now:
            self._look_again(ro, seconds_of(wanted) - now + 0.1)
            return
        pods = [pod for item in sets.all for pod in self.store.children(item.uid, "pods")]
        stale = [p for p in pods if seconds_of(p.obj["metadata"]["creationTimestamp"]) < seconds_of(wanted)]
        if not stale:
            status["restartedAt"] = wanted
        elif status.get("availableReplicas", 0) >= ro["spec"].get("replicas", 1) and not any(
            "deletionTimestamp" in pod.obj["metadata"] for pod in pods
        ):
            self.registry.delete("pods", stale[0].namespace, stale[0].name)

    # -- the end of a pass -----------------------------------------------------------------------------------
    def _finish(self, ro: Obj, status: Obj, old: Obj, new: Entry, sets: ReplicaSetsOf) -> None:
        sets.refresh()
        view.note_resume(status, self.clock.now())
        spec = ro["spec"]
        active = sets.of_hash((status.get("blueGreen") or {}).get("activeSelector", ""))
        view.counts(spec, status, sets.all, sets.of_hash(status["currentPodHash"]) or new, active)
        rolling = (spec.get("strategy") or {}).get("canary") or {}
        gone = share(rolling.get("maxUnavailable", "25%"), spec.get("replicas", 1), up=False)
        again = view.judge(ro, status, old, new, self.clock.now(), self.clock.stamp(), gone)
        self._narrate(ro, status, old)
        self._write(ro, status)
        if again is not None:
            self._look_again(ro, again)

    def _narrate(self, ro: Obj, status: Obj, old: Obj) -> None:
        waited = bool(old.get("pauseConditions"))
        if status.get("pauseConditions") and not waited:
            self._event(ro, "RolloutPaused", f"Rollout is paused ({status['pauseConditions'][0]['reason']})")
        if waited and not status.get("pauseConditions") and not status.get("abort"):
            self._event(ro, "RolloutResumed", "Rollout is resumed")
        index, was = status.get("currentStepIndex", 0), old.get("currentStepIndex", 0)
        steps = view.steps_of(ro["spec"])
        if index == was + 1 <= len(steps) and old.get("currentPodHash") == status.get("currentPodHash"):
            step = steps[was]
            what = f"setWeight: {step['setWeight']}" if "setWeight" in step else next(iter(step), "")
            self._event(ro, "RolloutStepCompleted", f"Rollout step {index}/{len(steps)} completed ({what})")
        if (
            status.get("phase") == "Healthy"
            and old.get("phase") not in ("Healthy", None)
            and status["stableRS"] == status["currentPodHash"]
        ):
            revision = ro["metadata"]["annotations"].get(f"{PREFIX}/revision")
            self._event(
                ro,
                "RolloutCompleted",
                f"Rollout completed update to revision {revision} ({status['currentPodHash']}): "
                "Completed all canary steps",
            )

    def _look_again(self, ro: Obj, delay: float) -> None:
        self.controllers.enqueue(
            "rollouts", ro["metadata"]["namespace"], ro["metadata"]["name"], max(0.05, delay)
        )

    def _write(self, ro: Obj, status: Obj) -> None:
        if status == (ro.get("status") or {}):
            return
        meta = {key: value for key, value in ro["metadata"].items() if key != "resourceVersion"}
        self.registry.update(
            "rollouts",
            {**ro, "metadata": meta, "status": dict(sorted(status.items()))},
            manager=MANAGER,
            status=True,
        )

    def _event(self, ro: Obj, reason: str, message: str, *, warning: bool = False) -> None:
        self.controllers.recorder.record("rollouts", ro, reason, message, component=MANAGER, warning=warning)
