"""What an Argo Rollout says about itself: counts, conditions, phase and message.

Source: argo-rollouts utils/rollout/rolloututil.go and rollout/sync.go, checked against recordings. A custom
resource's observedGeneration is a string; zero counters are absent.
"""

from __future__ import annotations

from typing import Any

from app.demo.clock import seconds_of
from app.demo.deployment_status import set_condition
from app.demo.revision_sets import progressed
from app.demo.shapes import safe_hash
from app.demo.store import Entry

Obj = dict[str, Any]


def steps_of(spec: Obj) -> list[Obj]:
    return list(((spec.get("strategy") or {}).get("canary") or {}).get("steps") or ())


def is_blue_green(spec: Obj) -> bool:
    return bool((spec.get("strategy") or {}).get("blueGreen"))


def counts(spec: Obj, status: Obj, sets: list[Entry], new: Entry, active: Entry | None) -> None:
    """Replica counters, in place. Blue-green counts ready and available pods of the active set only."""
    serving = [active or new] if is_blue_green(spec) else sets
    own = [item.obj.get("status") or {} for item in serving]
    total = sum((item.obj.get("status") or {}).get("replicas", 0) for item in sets)
    values = {
        "HPAReplicas": sum(item.get("replicas", 0) for item in own),
        "availableReplicas": sum(item.get("availableReplicas", 0) for item in own),
        "readyReplicas": sum(item.get("readyReplicas", 0) for item in own),
        "replicas": total,
        "updatedReplicas": (new.obj.get("status") or {}).get("replicas", 0),
    }
    for key, value in values.items():
        if value:
            status[key] = value
        else:
            status.pop(key, None)


def note_pause(status: Obj, now: str) -> None:
    """A pause that a person must end has begun."""
    status["duration"] = {**(status.get("duration") or {}), "manualPauseStartedAt": now}


def note_resume(status: Obj, now: float) -> None:
    """Add up what a person's pause took, once it is over."""
    duration = dict(status.get("duration") or {})
    started = duration.pop("manualPauseStartedAt", None)
    if started and not status.get("pauseConditions"):
        waited = int(now - seconds_of(started))
        duration["totalManualPauseDurationSeconds"] = (
            duration.get("totalManualPauseDurationSeconds", 0) + waited
        )
        status["duration"] = duration


def put(status: Obj, kind: str, value: str, reason: str, message: str, now: str) -> None:
    status["conditions"] = set_condition(status.get("conditions") or [], kind, value, reason, message, now)


def condition(status: Obj, kind: str) -> Obj:
    return next((row for row in status.get("conditions") or () if row["type"] == kind), {})


def judge(
    ro: Obj, status: Obj, old: Obj, new: Entry, now: float, stamp: str, max_unavailable: int
) -> float | None:
    """Conditions, then phase and message, in place. Returns when to look again for the deadline, in
    seconds."""
    spec = ro["spec"]
    replicas = spec.get("replicas", 1)
    promoted = status.get("stableRS") == status.get("currentPodHash")
    put(status, "Completed", "True" if promoted else "False", "RolloutCompleted", "RolloutCompleted", stamp)
    enough = status.get("availableReplicas", 0) >= replicas - max_unavailable
    put(
        status,
        "Available",
        "True" if enough else "False",
        "AvailableReason",
        "Rollout has minimum availability" if enough else "Rollout does not have minimum availability",
        stamp,
    )
    again = _progress(ro, status, old, new, now, stamp)
    phase, message = phase_of(spec, status)
    status["phase"] = phase
    status.pop("message", None)
    if message:
        status["message"] = message
    if phase == "Healthy" and status.get("updatedReplicas", 0) == replicas:
        put(status, "Healthy", "True", "RolloutHealthy", "Rollout is healthy", stamp)
        put(
            status,
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            f'ReplicaSet "{new.name}" has successfully progressed.',
            stamp,
        )
        status["duration"] = {
            "completionStatus": "Promoted",
            "finishedAt": stamp,
            **(status.get("duration") or {}),
        }
    elif condition(status, "Healthy"):
        put(status, "Healthy", "False", "RolloutHealthy", "Rollout is not healthy", stamp)
    return again


def _progress(ro: Obj, status: Obj, old: Obj, new: Entry, now: float, stamp: str) -> float | None:
    current = condition(status, "Progressing")
    if status.get("abortedAt"):
        return None
    # the conditions follow the pause one write later, as the controller does it
    paused = bool(old.get("pauseConditions")) and bool(status.get("pauseConditions"))
    if paused or ro["spec"].get("paused"):
        if paused or status.get("stableRS") != status.get("currentPodHash"):
            put(status, "Progressing", "Unknown", "RolloutPaused", "Rollout is paused", stamp)
        put(status, "Paused", "True", "RolloutPaused", "Rollout is paused", stamp)
        return None
    if condition(status, "Paused").get("status") == "True" and not status.get("pauseConditions"):
        if current.get("reason") == "RolloutPaused":
            put(status, "Progressing", "Unknown", "RolloutResumed", "Rollout is resumed", stamp)
        put(status, "Paused", "False", "RolloutPaused", "Rollout is paused", stamp)
        return None
    if status.get("pauseConditions"):
        return None
    if (
        not current
        or progressed(old, status)
        or current["reason"] in ("RolloutResumed", "RolloutRetry", "RolloutAborted")
    ):
        since = current.get("lastTransitionTime") if current.get("status") == "True" else stamp
        rest = [row for row in status["conditions"] if row["type"] != "Progressing"]
        status["conditions"] = [
            *rest,
            {
                "lastTransitionTime": since,
                "lastUpdateTime": stamp,
                "message": f'ReplicaSet "{new.name}" is progressing.',
                "reason": "ReplicaSetUpdated",
                "status": "True",
                "type": "Progressing",
            },
        ]
        return float(ro["spec"].get("progressDeadlineSeconds", 600)) + 1
    if current["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    steps, index = steps_of(ro["spec"]), status.get("currentStepIndex", 0)
    if index < len(steps) and "analysis" in steps[index]:
        return None  # an analysis takes the time it takes
    left = seconds_of(current["lastUpdateTime"]) + ro["spec"].get("progressDeadlineSeconds", 600) - now
    if left < 0:
        put(
            status,
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            f'ReplicaSet "{new.name}" has timed out progressing.',
            stamp,
        )
        return None
    return float(left) + 1


def phase_of(spec: Obj, status: Obj) -> tuple[str, str]:
    """Phase and message, first hit wins."""
    for row in status.get("conditions") or ():
        if row["type"] == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {row['message']}"
        if row["reason"] in ("RolloutAborted", "ProgressDeadlineExceeded"):
            return "Degraded", f"{row['reason']}: {row['message']}"
    if spec.get("paused"):
        return "Paused", "manually paused"
    for pause in status.get("pauseConditions") or ():
        return "Paused", pause["reason"]
    restart = spec.get("restartAt")
    if restart and restart != status.get("restartedAt"):
        return "Progressing", "rollout is restarting"
    updated = status.get("updatedReplicas", 0)
    current, stable = status.get("currentPodHash"), status.get("stableRS")
    if updated < spec.get("replicas", 1):
        return "Progressing", "more replicas need to be updated"
    if status.get("availableReplicas", 0) < updated:
        return "Progressing", "updated replicas are still becoming available"
    if is_blue_green(spec):
        if (status.get("blueGreen") or {}).get("activeSelector") != current:
            return "Progressing", "active service cutover pending"
        if stable != current:
            return "Progressing", "waiting for analysis to complete"
        return "Healthy", ""
    if status.get("replicas", 0) > updated:
        return "Progressing", "old replicas are pending termination"
    if stable != current:
        return "Progressing", "waiting for all steps to complete"
    return "Healthy", ""


def invalid_spec(spec: Obj) -> str:
    """Why the controller refuses a spec the API server let in, or "" when it does not."""
    strategy = spec.get("strategy") or {}
    if bool(strategy.get("canary")) and bool(strategy.get("blueGreen")):
        return (
            'The Rollout "" is invalid: spec.strategy: Invalid value: Multiple strategies can not be listed'
        )
    for index, step in enumerate(steps_of(spec)):
        weight = step.get("setWeight", 0)
        if not isinstance(weight, int) or not 0 <= weight <= 100:
            return (
                f'The Rollout "" is invalid: spec.strategy.steps[{index}].setWeight: '
                f"Invalid value: {weight}: "
                "SetWeight needs to be between 0 and 100"
            )
    return ""


def seconds(duration: Any) -> float | None:
    """A pause's duration in seconds; None waits for a person."""
    if duration in (None, "", 0, "0"):
        return None
    text = str(duration)
    if text.isdigit():
        return float(text)
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}.get(text[-1], 1)


def settled_status(replicas: int, name: str, strategy: Obj, hashed: str, revision: int, changed: str) -> Obj:
    """The status of a Rollout that finished at `changed`."""
    selector = f"app={name}"
    status: Obj = {"HPAReplicas": replicas, "availableReplicas": replicas, "blueGreen": {}, "canary": {}}
    if strategy.get("blueGreen"):
        status["blueGreen"] = {"activeSelector": hashed, "previewSelector": hashed}
        selector += f",rollouts-pod-template-hash={hashed}"
    rows = (
        ("Available", "AvailableReason", "Rollout has minimum availability"),
        ("Completed", "RolloutCompleted", "RolloutCompleted"),
        ("Healthy", "RolloutHealthy", "Rollout is healthy"),
        (
            "Progressing",
            "NewReplicaSetAvailable",
            f'ReplicaSet "{name}-{hashed}" has successfully progressed.',
        ),
    )
    status["conditions"] = [
        {
            "lastTransitionTime": changed,
            "lastUpdateTime": changed,
            "message": message,
            "reason": reason,
            "status": "True",
            "type": kind,
        }
        for kind, reason, message in rows
    ]
    status["currentPodHash"] = hashed
    steps = (strategy.get("canary") or {}).get("steps")
    if steps:
        status |= {"currentStepHash": step_hash(steps), "currentStepIndex": len(steps)}
    status |= {
        "duration": {"completionStatus": "Promoted", "finishedAt": changed, "rolloutStartedAt": changed},
        "observedGeneration": str(revision),
        "phase": "Healthy",
        "readyReplicas": replicas,
        "replicas": replicas,
        "selector": selector,
        "stableRS": hashed,
        "updatedReplicas": replicas,
    }
    return status


def step_hash(steps: list[Obj]) -> str:
    return safe_hash(steps)
