"""Who am I and what may I do: SelfSubjectReview and SelfSubjectAccessReview, answered from the 403 rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.demo.faults import Faults

Obj = dict[str, Any]
Review = Callable[[Any, Faults, str, str], Obj]


def of(parts: list[str]) -> Review | None:
    """The review at a path, or None."""
    match parts:
        case ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]:
            return _access
        case ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]:
            return _self
    return None


def _access(body: Any, faults: Faults, user: str, now: str) -> Obj:
    spec = body.get("spec") or {} if isinstance(body, dict) else {}
    asked = spec.get("resourceAttributes") or {}
    resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
    refused = any(
        faults.forbids(asked.get("verb", ""), name, asked.get("namespace", ""))
        for name in {resource, asked.get("resource", "")}
    )
    status: Obj = {"allowed": not refused}
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": status,
    }


def _self(body: Any, faults: Faults, user: str, now: str) -> Obj:
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": now},
        "status": {"userInfo": {"username": user, "uid": "demo", "groups": ["system:authenticated"]}},
    }
