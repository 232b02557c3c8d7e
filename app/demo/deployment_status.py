"""A Deployment's status: the counts, the Available condition, and whether it makes progress.

Source: k8s pkg/controller/deployment/{sync,progress}.go. Zero counters are left out, `terminatingReplicas`
is not.
"""

from __future__ import annotations

from typing import Any

from app.demo.clock import Clock, seconds_of
from app.demo.revision_sets import progressed
from app.demo.store import Entry

Obj = dict[str, Any]
NO_DEADLINE = 2147483647


def set_condition(rows: list[Obj], kind: str, status: str, reason: str, message: str, now: str) -> list[Obj]:
    """Rows with one condition replaced; the same status and reason is left as it is."""
    current = next((row for row in rows if row["type"] == kind), None)
    if current and current["status"] == status and current["reason"] == reason:
        return rows
    since = current["lastTransitionTime"] if current and current["status"] == status else now
    fresh = {
        "type": kind,
        "status": status,
        "lastUpdateTime": now,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    return [*(row for row in rows if row["type"] != kind), fresh]


def calculate(deployment: Obj, sets: list[Entry], new: Entry | None) -> Obj:
    """Counts from the ReplicaSets' own status; conditions as they stand."""
    own = [item.obj.get("status") or {} for item in sets]
    available = sum(status.get("availableReplicas", 0) for status in own)
    asked = sum(item.obj["spec"].get("replicas", 1) for item in sets)
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": sum(status.get("replicas", 0) for status in own),
        "updatedReplicas": (new.obj.get("status") or {}).get("replicas", 0) if new else 0,
        "readyReplicas": sum(status.get("readyReplicas", 0) for status in own),
        "availableReplicas": available,
        "unavailableReplicas": max(0, asked - available),
    }
    status: Obj = {key: value for key, value in counts.items() if value}
    status["terminatingReplicas"] = sum(item.get("terminatingReplicas", 0) for item in own)
    status["conditions"] = list((deployment.get("status") or {}).get("conditions") or ())
    # what a set says that has just been resized is about its old size
    failed = [
        item.obj["status"].get("conditions") or () for item in ([new] if new else []) + sets if _seen(item)
    ]
    failure = next((row for rows in failed for row in rows if row["type"] == "ReplicaFailure"), None)
    rows = [row for row in status["conditions"] if row["type"] != "ReplicaFailure"]
    if failure:
        at = failure["lastTransitionTime"]
        rows.append(
            {
                "type": "ReplicaFailure",
                "status": failure["status"],
                "lastUpdateTime": at,
                "lastTransitionTime": at,
                "reason": failure["reason"],
                "message": failure["message"],
            }
        )
    status["conditions"] = rows
    return status


def _seen(item: Entry) -> bool:
    status = item.obj.get("status") or {}
    return int(status.get("observedGeneration", 0)) >= int(item.obj["metadata"]["generation"])


def available_condition(deployment: Obj, status: Obj, now: str, max_unavailable: int) -> list[Obj]:
    """The conditions with Available judged against spec minus maxUnavailable (Recreate: none may be
    missing)."""
    allowed = max_unavailable if deployment["spec"]["strategy"]["type"] == "RollingUpdate" else 0
    rows: list[Obj] = status["conditions"]
    if status.get("availableReplicas", 0) >= deployment["spec"]["replicas"] - allowed:
        return set_condition(
            rows, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    return set_condition(
        rows,
        "Available",
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
        now,
    )


class Progress:
    """Judges the Progressing condition."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def judge(self, deployment: Obj, status: Obj, new: Entry | None) -> float | None:
        """Set Progressing in `status`; returns in how many seconds to look again, or None."""
        spec, old = deployment["spec"], deployment.get("status") or {}
        deadline = int(spec.get("progressDeadlineSeconds", NO_DEADLINE))
        rows: list[Obj] = status["conditions"]
        if deadline == NO_DEADLINE:
            status["conditions"] = [row for row in rows if row["type"] != "Progressing"]
            return None
        current = next((row for row in rows if row["type"] == "Progressing"), None)
        updated, replicas = status.get("updatedReplicas", 0), status.get("replicas", 0)
        if current and current["reason"] == "NewReplicaSetAvailable" and replicas == updated:
            return None
        now, count = self.clock.stamp(), spec["replicas"]
        name = new.name if new else deployment["metadata"]["name"]
        subject = f'ReplicaSet "{name}"' if new else f'Deployment "{name}"'
        if updated == replicas == status.get("availableReplicas", 0) == count:
            status["conditions"] = set_condition(
                rows,
                "Progressing",
                "True",
                "NewReplicaSetAvailable",
                f"{subject} has successfully progressed.",
                now,
            )
            return None
        if progressed(old, status):
            since = current["lastTransitionTime"] if current and current["status"] == "True" else now
            others = [row for row in rows if row["type"] != "Progressing"]
            status["conditions"] = [
                *others,
                {
                    "type": "Progressing",
                    "status": "True",
                    "lastUpdateTime": now,
                    "lastTransitionTime": since,
                    "reason": "ReplicaSetUpdated",
                    "message": f"{subject} is progressing.",
                },
            ]
            return float(deadline) + 1
        if current is None or current["reason"] == "ProgressDeadlineExceeded":
            return None
        left = seconds_of(current["lastUpdateTime"]) + deadline - self.clock.now()
        if left < 0:
            status["conditions"] = set_condition(
                rows,
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
                f"{subject} has timed out progressing.",
                now,
            )
            return None
        return left + 1
