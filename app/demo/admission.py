"""What lets a new pod in, or a pod out: ServiceAccounts, quotas of pods, disruption budgets.

Looked up when asked; no controller keeps the status of a quota or a budget. Source: k8s plugin/pkg/admission
{serviceaccount,resourcequota} and pkg/registry/core/pod/storage/eviction.go; words as recorded.
"""

from __future__ import annotations

import math
from typing import Any

from app.demo import errors
from app.demo.registry import Registry
from app.demo.selectors import matches
from app.demo.store import Entry, Store
from app.demo.targets import Target

Obj = dict[str, Any]
_SUCCESS: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def refusal(store: Store, pod: Obj) -> str | None:
    """Why a new pod of a controller is not let in, or None."""
    meta, namespace = pod["metadata"], pod["metadata"]["namespace"]
    account = pod["spec"]["serviceAccountName"]
    if account != "default" and store.get("serviceaccounts", namespace, account) is None:
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        return f'pods "{meta["generateName"]}" is forbidden: {why}'
    for quota in store.rows("resourcequotas", namespace):
        limit = ((quota.obj.get("spec") or {}).get("hard") or {}).get("pods")
        used = sum(not _over(pod) for pod in store.in_namespace("pods", namespace))
        if limit is not None and used >= int(limit):
            figures = f"requested: pods=1, used: pods={used}, limited: pods={limit}"
            return f'pods "{meta["name"]}" is forbidden: exceeded quota: {quota.name}, {figures}'
    return None


def evict(registry: Registry, target: Target, body: Obj, *, dry_run: bool = False) -> Obj:
    """Delete a pod if its disruption budgets allow it. Raises ApiError: 404, or 429 naming the budget."""
    store = registry.store
    pod = store.get("pods", target.namespace, target.name)
    if pod is None:
        raise errors.not_found(target.resource, target.name)
    labels = pod.obj["metadata"].get("labels") or {}
    for budget in store.rows("poddisruptionbudgets", target.namespace):
        if matches(budget.obj["spec"].get("selector"), labels):
            needed, healthy = _needed(store, budget)
            if healthy <= needed:
                raise errors.disrupted(budget.name, needed, healthy)
    options = body.get("deleteOptions") or {}
    registry.delete(
        "pods",
        target.namespace,
        target.name,
        grace=options.get("gracePeriodSeconds"),
        preconditions=options.get("preconditions"),
        dry_run=dry_run,
    )
    return _SUCCESS


def _needed(store: Store, budget: Entry) -> tuple[int, int]:
    """How many pods of a budget must be healthy, and how many are."""
    spec = budget.obj["spec"]
    pods = [
        pod.obj
        for pod in store.in_namespace("pods", budget.namespace)
        if not _over(pod) and matches(spec.get("selector"), pod.obj["metadata"].get("labels") or {})
    ]
    healthy = sum(_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
    if "maxUnavailable" in spec:
        return len(pods) - _of(spec["maxUnavailable"], len(pods)), healthy
    return _of(spec.get("minAvailable", 1), len(pods)), healthy


def _of(value: Any, total: int) -> int:
    """A number or percentage, which a budget rounds up."""
    text = str(value)
    return math.ceil(total * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def _ready(pod: Obj) -> bool:
    rows = pod["status"].get("conditions") or ()
    return any(row["type"] == "Ready" and row["status"] == "True" for row in rows)


def _over(pod: Entry) -> bool:
    return pod.obj["status"].get("phase") in ("Succeeded", "Failed")
