"""What kubectl prints: server-side tables for the common kinds, and a short made-up pod log.

Columns and status words follow kubectl's printers (k8s printers/internalversion); other kinds get name and
age.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from app.demo.clock import seconds_of, stamp
from app.demo.resources import Resource
from app.demo.store import Entry

Obj = dict[str, Any]
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def suffix(length: int = 5) -> str:
    """A random name ending as the API server makes them."""
    return "".join(random.choices(_SUFFIX, k=length))


def age(then: str | None, now: float) -> str:
    """kubectl's short human duration."""
    seconds = max(0, int(now - seconds_of(then)))
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"


def _pod(obj: Obj, now: float) -> list[Any]:
    status = obj.get("status") or {}
    statuses = status.get("containerStatuses") or []
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for container in reversed(statuses):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        reason = waiting.get("reason") or ended.get("reason") or reason
    if "deletionTimestamp" in obj["metadata"]:
        reason = "Terminating"
    ready = sum(bool(c.get("ready")) for c in statuses)
    total = len((obj.get("spec") or {}).get("containers") or ())
    restarts = sum(int(c.get("restartCount") or 0) for c in statuses)
    return [f"{ready}/{total}", reason, str(restarts), age(obj["metadata"]["creationTimestamp"], now)]


def _deployment(obj: Obj, now: float) -> list[Any]:
    status = obj.get("status") or {}
    return [
        f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj["metadata"]["creationTimestamp"], now),
    ]


def _replicaset(obj: Obj, now: float) -> list[Any]:
    status = obj.get("status") or {}
    return [
        obj["spec"].get("replicas", 1),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj["metadata"]["creationTimestamp"], now),
    ]


def _rollout(obj: Obj, now: float) -> list[Any]:
    status = obj.get("status") or {}
    return [
        obj["spec"].get("replicas", 1),
        status.get("replicas", 0),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj["metadata"]["creationTimestamp"], now),
    ]


def _statefulset(obj: Obj, now: float) -> list[Any]:
    ready = (obj.get("status") or {}).get("readyReplicas", 0)
    return [f"{ready}/{obj['spec'].get('replicas', 1)}", age(obj["metadata"]["creationTimestamp"], now)]


def _daemonset(obj: Obj, now: float) -> list[Any]:
    status = obj.get("status") or {}
    keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
    more = ("updatedNumberScheduled", "numberAvailable")
    return [
        *(status.get(key, 0) for key in (*keys, *more)),
        age(obj["metadata"]["creationTimestamp"], now),
    ]


def _service(obj: Obj, now: float) -> list[Any]:
    spec = obj["spec"]
    ports = ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ())
    return [spec.get("type"), spec.get("clusterIP"), ports, age(obj["metadata"]["creationTimestamp"], now)]


def _event(obj: Obj, now: float) -> list[Any]:
    about = obj.get("involvedObject") or {}
    last = obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"]["creationTimestamp"]
    return [
        age(last, now),
        obj.get("type"),
        obj.get("reason"),
        f"{about.get('kind', '').lower()}/{about.get('name')}",
        obj.get("message"),
    ]


def _node(obj: Obj, now: float) -> list[Any]:
    ready = any(
        c.get("type") == "Ready" and c.get("status") == "True" for c in obj["status"].get("conditions") or ()
    )
    return [
        "Ready" if ready else "NotReady",
        age(obj["metadata"]["creationTimestamp"], now),
        obj["status"].get("nodeInfo", {}).get("kubeletVersion", ""),
    ]


def _other(obj: Obj, now: float) -> list[Any]:
    return [age(obj["metadata"]["creationTimestamp"], now)]


_COLUMNS: dict[str, tuple[tuple[str, ...], Callable[[Obj, float], list[Any]]]] = {
    "pods": (("Ready", "Status", "Restarts", "Age"), _pod),
    "deployments": (("Ready", "Up-to-date", "Available", "Age"), _deployment),
    "replicasets": (("Desired", "Current", "Ready", "Age"), _replicaset),
    "statefulsets": (("Ready", "Age"), _statefulset),
    "daemonsets": (("Desired", "Current", "Ready", "Up-to-date", "Available", "Age"), _daemonset),
    "rollouts": (("Desired", "Current", "Up-to-date", "Available", "Age"), _rollout),
    "services": (("Type", "Cluster-IP", "Port(s)", "Age"), _service),
    "events": (("Last Seen", "Type", "Reason", "Object", "Message"), _event),
    "nodes": (("Status", "Age", "Version"), _node),
}


def table(resource: Resource, rows: list[Entry], meta: Obj, now: float) -> Obj:
    """A meta.k8s.io/v1 Table of some rows."""
    names, cells = _COLUMNS.get(resource.plural, (("Age",), _other))
    named = () if resource.plural == "events" else ("Name",)
    columns = [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": 0,
        }
        for name in (*named, *names)
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta or {"resourceVersion": rows[0].obj["metadata"]["resourceVersion"] if rows else ""},
        "columnDefinitions": columns,
        "rows": [
            {
                "cells": [*([entry.name] if named else []), *cells(entry.obj, now)],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": entry.obj["metadata"],
                },
            }
            for entry in rows
        ],
    }


def pod_log(obj: Obj, query: Mapping[str, str]) -> str:
    """A few plausible lines; a crashing container says why it dies."""
    meta, status = obj["metadata"], obj.get("status") or {}
    started = seconds_of(status.get("startTime") or meta["creationTimestamp"])
    name = (obj["spec"].get("containers") or [{"name": "app"}])[0]["name"]
    lines = [
        f"{stamp(started + n)} {name} {text}"
        for n, text in enumerate(("INFO starting", "INFO configuration loaded", "INFO listening on :8080"))
    ]
    ended = [
        c["lastState"]["terminated"] for c in status.get("containerStatuses") or () if c.get("lastState")
    ]
    if ended:
        lines.append(f"{ended[0].get('finishedAt')} {name} FATAL exit code {ended[0].get('exitCode')}")
    tail = query.get("tailLines", "")
    return "\n".join(lines[-int(tail) :] if tail.isdigit() and int(tail) else lines) + "\n"
