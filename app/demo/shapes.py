"""How a new pod looks, as the API server completes it; template hashes, owner references, image digests.

Pure functions over plain objects. The bulk a real object carries (managedFields, token volume) is here too,
so that a reader has something to drop.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

from app.demo.registry import field_set, managed
from app.demo.resources import BY_PLURAL
from app.demo.store import encode

Obj = dict[str, Any]
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def safe_hash(value: Any, length: int = 10) -> str:
    """A short stable hash in the alphabet Kubernetes uses for names."""
    digest = int.from_bytes(hashlib.sha256(encode(value)).digest()[:12])
    text = ""
    while len(text) < length:
        digest, digit = divmod(digest, len(_SAFE))
        text += _SAFE[digit]
    return text


def template_hash(template: Obj) -> str:
    """The hash of a pod template, independent of key order and of a hash label in it."""
    return safe_hash(ordered(bare_template(template)), random.Random(len(encode(template))).choice((9, 10)))


def bare_template(template: Obj) -> Obj:
    """A template without the controllers' hash labels: what two revisions are compared by."""
    meta = template.get("metadata") or {}
    labels = {
        k: v
        for k, v in (meta.get("labels") or {}).items()
        if k not in ("pod-template-hash", "rollouts-pod-template-hash")
    }
    return {**template, "metadata": {**meta, "labels": labels}}


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def image_id(image: str) -> str:
    """The digest an image resolves to: repository@sha256, always the same for the same reference."""
    repository = image.partition("@")[0]
    head, _, tail = repository.rpartition("/")
    name = tail.partition(":")[0]
    return f"{head}/{name}@sha256:{hashlib.sha256(image.encode()).hexdigest()}".lstrip("/")


def pod(owner: Obj, plural: str, template: Obj, name: str, now: str) -> Obj:
    """A new pod of an owner: pending, unscheduled, with the projected token and the default
    tolerations."""
    meta, spec = template.get("metadata") or {}, template["spec"]
    volume = f"kube-api-access-{safe_hash(name, 5)}"
    mount = {"name": volume, "readOnly": True, "mountPath": _ACCOUNT_MOUNT}
    containers = [{**c, "volumeMounts": [*(c.get("volumeMounts") or ()), mount]} for c in spec["containers"]]
    sources: list[Obj] = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                ]
            }
        },
    ]
    volumes = [
        *(spec.get("volumes") or ()),
        {"name": volume, "projected": {"sources": sources, "defaultMode": 420}},
    ]
    tolerations = [
        {
            "key": f"node.kubernetes.io/{why}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for why in ("not-ready", "unreachable")
    ]
    account = spec.get("serviceAccountName", "default")
    resources = any(c.get("resources") for c in containers)
    return {
        "metadata": {
            "name": name,
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "creationTimestamp": now,
            "labels": dict(meta.get("labels") or {}),
            "annotations": dict(meta.get("annotations") or {}),
            "ownerReferences": [reference(owner, plural)],
            "managedFields": [],
        },
        "spec": {
            "volumes": volumes,
            "containers": containers,
            **{
                k: v
                for k, v in spec.items()
                if k not in ("containers", "volumes", "securityContext", "schedulerName")
            },
            "serviceAccountName": account,
            "serviceAccount": account,
            "securityContext": spec.get("securityContext", {}),
            "schedulerName": spec.get("schedulerName", "default-scheduler"),
            "tolerations": [*(spec.get("tolerations") or ()), *tolerations],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {"phase": "Pending", "qosClass": "Burstable" if resources else "BestEffort"},
    }


def reference(owner: Obj, plural: str) -> Obj:
    """A controlling ownerReference to an object of a resource."""
    meta, resource = owner["metadata"], BY_PLURAL[plural]
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_managed_fields(obj: Obj, now: str, *, status: bool = True) -> list[Obj]:
    """managedFields of a pod: the controller's on the spec and (once it has written) the kubelet's on the
    status."""
    resource = BY_PLURAL["pods"]
    labels, annotations = obj["metadata"].get("labels") or {}, obj["metadata"].get("annotations") or {}
    meta: Obj = {
        "f:annotations": {".": {}, **{f"f:{k}": {} for k in annotations}},
        "f:generateName": {},
        "f:labels": {".": {}, **{f"f:{k}": {} for k in labels}},
        "f:ownerReferences": {
            ".": {},
            **{f'k:{{"uid":"{r["uid"]}"}}': {} for r in obj["metadata"].get("ownerReferences") or ()},
        },
    }
    spec = {
        k: v for k, v in obj["spec"].items() if k not in ("volumes", "tolerations", "nodeName", "priority")
    }
    entries = [
        managed(
            resource, "kube-controller-manager", now, {"f:metadata": meta, "f:spec": field_set(spec, depth=9)}
        )
    ]
    if status:
        entries.append(
            managed(resource, "kubelet", now, {"f:status": field_set(obj["status"], depth=6)}, "status")
        )
    return entries
