"""A pod turned over between ready and crash-looping, encoded by splicing: metadata and spec are most of its bytes, and
stay.

For the bench, which makes more such events than encoding whole pods would allow. A pod that no kubelet has
written to yet has no readiness to turn.
"""

from __future__ import annotations

from typing import Any

from app.demo import pod_status
from app.demo.store import Entry, Store, encode

Obj = dict[str, Any]
_OF_READINESS = ("Ready", "ContainersReady")


def flip(store: Store, entry: Entry, now: str) -> Entry | None:
    """Store the pod with its readiness turned over as of `now` (RFC 3339); None if it has none."""
    old = entry.obj.get("status")
    if not isinstance(old, dict) or not old.get("conditions") or not old.get("containerStatuses"):
        return None
    status = turned(old, not old["containerStatuses"][0]["ready"], now)
    version = str(store.version + 1)
    obj = {**entry.obj, "metadata": {**entry.obj["metadata"], "resourceVersion": version}, "status": status}
    return store.put("pods", obj, quiet=True, tail=_spliced(entry, version, status))


def turned(status: Obj, ready: bool, now: str) -> Obj:
    """A pod's status with every container, and so the pod, ready; or waiting for its next restart."""
    containers = status.get("containerStatuses") or []
    return {
        **status,
        "conditions": [_condition(row, ready, now, containers) for row in status.get("conditions") or ()],
        "containerStatuses": [_container(row, ready, now) for row in containers],
    }


def _container(row: Obj, ready: bool, now: str) -> Obj:
    if ready:
        return {**row, "ready": True, "started": True, "state": {"running": {"startedAt": now}}}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
    restarts = (row.get("restartCount") or 0) + 1
    return {
        **row,
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": {"waiting": waiting},
        "lastState": {"terminated": ended},
    }


def _condition(row: Obj, ready: bool, now: str, containers: list[Obj]) -> Obj:
    if row["type"] not in _OF_READINESS:
        return row
    fresh = {key: row[key] for key in row if key not in ("reason", "message")}
    fresh |= {"status": "True" if ready else "False", "lastTransitionTime": now}
    if not ready:
        names = " ".join(container["name"] for container in containers)
        fresh |= {"reason": "ContainersNotReady", "message": pod_status.UNREADY.format(names)}
    return fresh


def _spliced(entry: Entry, version: str, status: Obj) -> bytes | None:
    """The new bytes from the old ones; None when they are not laid out as our own pods are."""
    tail = entry.tail
    head, found, rest = tail.partition(b'"resourceVersion":"%d"' % entry.version)
    end = b'"status":' + encode(entry.obj["status"]) + b"}"
    if not found or not rest.endswith(end):
        return None
    parts = (
        head,
        b'"resourceVersion":"',
        version.encode(),
        b'"',
        rest[: -len(end)],
        b'"status":',
        encode(status),
        b"}",
    )
    return b"".join(parts)
