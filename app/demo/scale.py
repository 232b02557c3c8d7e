"""The `scale` subresource: replicas and nothing else, as autoscaling/v1 Scale."""

from __future__ import annotations

from typing import Any

from app.demo.resources import Resource

Obj = dict[str, Any]


def of(resource: Resource, obj: Obj) -> Obj:
    """The Scale view of an object."""
    meta = obj["metadata"]
    kept = {
        key: meta[key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in meta
    }
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    text = ",".join(f"{key}={value}" for key, value in labels.items())
    replicas = (obj.get("status") or {}).get("replicas", 0)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": kept,
        "spec": {"replicas": wanted} if (wanted := obj["spec"].get("replicas", 1)) else {},
        "status": {"replicas": replicas, "selector": text},
    }


def applied(resource: Resource, obj: Obj, scale: Any) -> Obj:
    """The object with the replicas (and preconditions) of a changed Scale."""
    spec = scale.get("spec") if isinstance(scale, dict) else None
    changed = {**obj, "spec": {**obj["spec"], "replicas": (spec or {}).get("replicas", 0)}}
    given = scale.get("metadata") if isinstance(scale, dict) else None
    keys = {key: value for key, value in (given or {}).items() if key in ("uid", "resourceVersion")}
    return {**changed, "metadata": {**obj["metadata"], **keys}}
