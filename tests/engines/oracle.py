"""The truth about a tape, reckoned a second time: by the rules of kubectl and of Argo Rollouts alone, from JSON,
and by what kubectl itself printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.rollout import Phase
from tests.engines.tape import Command, Moment

A_MOMENT = 0.3  # seconds between kubectl's end and the same fact on our watch


def kubectl(raw: dict[str, Any]) -> str:
    """What `kubectl rollout status` would say of a Deployment."""
    spec, status = raw["spec"], raw.get("status", {})
    updated = status.get("updatedReplicas", 0)
    if raw["metadata"]["generation"] > status.get("observedGeneration", 0):
        return "unobserved"
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition["reason"] == "ProgressDeadlineExceeded":
            return "error"
    if updated < spec["replicas"] or status.get("replicas", 0) > updated:
        return "waiting"
    return "waiting" if status.get("availableReplicas", 0) < updated else "done"


def kubectl_of_set(raw: dict[str, Any]) -> str:
    """What `kubectl rollout status` would say of a StatefulSet or a DaemonSet; of a StatefulSet "idle" where
    no pod is left to end and all run one revision."""
    spec, status = raw["spec"], raw.get("status", {})
    if raw["metadata"]["generation"] > status.get("observedGeneration", 0):
        return "unobserved"
    if "desiredNumberScheduled" in status:
        wanted, up = status["desiredNumberScheduled"], status.get("numberAvailable", 0)
        return "idle" if status.get("updatedNumberScheduled", 0) >= wanted and up >= wanted else "waiting"
    partition = spec["updateStrategy"]["rollingUpdate"]["partition"]
    if status.get("readyReplicas", 0) < spec["replicas"]:
        return "waiting"
    if partition and status.get("updatedReplicas", 0) < spec["replicas"] - partition:
        return "waiting"
    if status["replicas"] > spec["replicas"]:
        return "ending"
    if status["currentRevision"] == status["updateRevision"]:
        return "idle"
    return "partitioned" if partition else "waiting"


def argo(raw: dict[str, Any]) -> str:
    """What `GetRolloutPhase` would say of a Rollout whose status has a phase."""
    status = raw.get("status", {})
    if "phase" not in status or raw["metadata"]["generation"] != int(status["observedGeneration"]):
        return "unobserved"
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return "Progressing"
    return str(status["phase"])


def done(raw: dict[str, Any]) -> bool:
    """Whether nothing of a workload's rollout is left to do."""
    match raw["kind"]:
        case "Deployment":
            return kubectl(raw) == "done"
        case "Rollout":
            return argo(raw) == "Healthy"
        case "StatefulSet" | "DaemonSet":
            return kubectl_of_set(raw) == "idle"
    return True


def agree(command: Command, seen: Sequence[Moment]) -> None:
    """Compare what `kubectl rollout status` printed of a workload with the moments of it."""
    before = [m.state for m in seen if m.t <= command.t]
    around = [m.state for m in seen if command.t - A_MOMENT <= m.t <= command.t + A_MOMENT] or before[-1:]
    if "successfully rolled out" in command.said or "roll out complete: 4 new" in command.said:
        assert any(s.phase is Phase.IDLE and s.progress == 100 for s in (*around, before[-1])), command
    elif "partitioned roll out complete" in command.said:
        assert any(s.phase is Phase.PAUSED for s in (*around, before[-1])), command
    elif "exceeded its progress deadline" in command.said:
        assert any(s.phase is Phase.FAILED for s in (*around, before[-1])), command
    else:
        assert "timed out" in command.said
        waited = [m.state for m in seen if command.t0 + A_MOMENT <= m.t <= command.t]
        assert waited
        assert all(s.phase is not Phase.IDLE for s in waited), command
