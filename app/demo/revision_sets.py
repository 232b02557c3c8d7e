"""ReplicaSets as the revisions of a Deployment or a Rollout: drafted, numbered, measured.

`prefix` is where the owner's controller keeps its annotations: deployment.kubernetes.io or
rollout.argoproj.io.
"""

from __future__ import annotations

import math
from typing import Any

from app.demo import shapes
from app.demo.store import Entry

Obj = dict[str, Any]


def draft(owner: Obj, plural: str, label: str, count: int, annotations: dict[str, str]) -> tuple[Obj, str]:
    """The ReplicaSet of an owner's present template, not stored yet, and its hash, which is the value of
    `label`."""
    meta, spec = owner["metadata"], owner["spec"]
    template, inner = spec["template"], spec["template"].get("metadata") or {}
    hashed = shapes.template_hash(template)
    labels = {**(inner.get("labels") or {}), label: hashed}
    selector = {**((spec.get("selector") or {}).get("matchLabels") or {}), label: hashed}
    body: Obj = {
        "metadata": {
            "name": f"{meta['name']}-{hashed}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [shapes.reference(owner, plural)],
        },
        "spec": {
            "replicas": count,
            **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
            "selector": {"matchLabels": selector},
            "template": {**template, "metadata": {**inner, "labels": labels}},
        },
    }
    return body, hashed


def renumbered(item: Entry, prefix: str, highest: int) -> dict[str, str]:
    """The annotations of a set that becomes the newest revision above `highest`: its old number goes to its
    history."""
    annotations = dict(item.obj["metadata"].get("annotations") or {})
    own = revision_of(item, prefix)
    if own <= highest:
        past = annotations.get(f"{prefix}/revision-history")
        annotations[f"{prefix}/revision-history"] = f"{past},{own}" if past else str(own)
        annotations[f"{prefix}/revision"] = str(highest + 1)
    return annotations


def revision_of(item: Entry, prefix: str) -> int:
    text = (item.obj["metadata"].get("annotations") or {}).get(f"{prefix}/revision", "0")
    return int(text) if text.isdigit() else 0


def asked(item: Entry) -> int:
    return int(item.obj["spec"].get("replicas", 1))


def available(item: Entry) -> int:
    """Available pods, never more than asked for: right after a scale-down the set's status is still the old
    one."""
    return min(int((item.obj.get("status") or {}).get("availableReplicas", 0)), asked(item))


def share(value: Any, total: int, *, up: bool) -> int:
    """An int-or-percent of a total."""
    if isinstance(value, str) and value.endswith("%"):
        part = total * int(value[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def progressed(old: Obj, new: Obj) -> bool:
    """Whether the counters of an owner's status moved on (this restarts its progress deadline)."""

    def behind(status: Obj) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return behind(new) < behind(old) or any(new.get(key, 0) > old.get(key, 0) for key in grown)
