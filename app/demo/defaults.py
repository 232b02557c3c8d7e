"""What the API server fills in: defaulting of the built-in kinds.

Idempotent, so a patch that changes nothing yields the very same object. Only the rules a rollout meets are
here (source: k8s pkg/apis/apps/v1/defaults.go).
"""

from __future__ import annotations

from typing import Any

from app.demo.resources import Resource

Obj = dict[str, Any]
_POD_DEFAULTS: Obj = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
EMPTY_STATUS: dict[str, Obj] = {
    "deployments": {},
    "replicasets": {"replicas": 0},
    "statefulsets": {"replicas": 0, "availableReplicas": 0},
    "daemonsets": {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
}

_ROLLOUT_SPEC = (
    "analysis",
    "minReadySeconds",
    "paused",
    "progressDeadlineAbort",
    "progressDeadlineSeconds",
    "replicas",
    "restartAt",
    "revisionHistoryLimit",
    "rollbackWindow",
    "selector",
    "strategy",
    "template",
    "workloadRef",
)


def fill(resource: Resource, obj: Obj) -> Obj:
    """Defaults, in place, on an object about to be stored. Custom resources get none."""
    if resource.plural in EMPTY_STATUS:
        spec = obj["spec"] = _without_nulls(obj.get("spec") or {})
        if resource.plural != "daemonsets":
            spec.setdefault("replicas", 1)
        template = spec.setdefault("template", {})
        template.setdefault("metadata", {})
        pod_spec(template.setdefault("spec", {}))
        if resource.plural == "deployments":
            _deployment(spec)
        elif resource.plural in ("statefulsets", "daemonsets"):
            _stateful(spec) if resource.plural == "statefulsets" else _daemon(spec)
        obj.setdefault("status", dict(EMPTY_STATUS[resource.plural]))
    elif resource.plural == "rollouts":
        # the one default of the CRD's schema, which drops what it does not know
        if isinstance(obj.get("spec"), dict):
            obj["spec"] = {key: value for key, value in obj["spec"].items() if key in _ROLLOUT_SPEC}
        template = (obj.get("spec") or {}).get("template") or {}
        for container in (template.get("spec") or {}).get("containers") or ():
            for port in container.get("ports") or ():
                port.setdefault("protocol", "TCP")
    elif resource.plural == "pods":
        pod_spec(obj.setdefault("spec", {}))
        obj.setdefault("status", {"phase": "Pending", "qosClass": _qos(obj["spec"])})
    elif resource.plural == "services":
        _service(obj)
    elif resource.plural == "namespaces":
        name = obj["metadata"]["name"]
        obj["metadata"].setdefault("labels", {}).setdefault("kubernetes.io/metadata.name", name)
        obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        obj.setdefault("status", {"phase": "Active"})
    return obj


def _without_nulls(value: Any) -> Any:
    """A typed decode drops nulls (kubectl writes `creationTimestamp: null` into templates)."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _deployment(spec: Obj) -> None:
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    # omitempty in the Go type: a false or zero never comes back
    for key in ("paused", "minReadySeconds"):
        if not spec.get(key, True):
            del spec[key]


def _stateful(spec: Obj) -> None:
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    # an explicit type without the block keeps it absent, which kubectl reads differently
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate" and (
        strategy.keys() == {"type"} or "rollingUpdate" in strategy
    ):
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})


def _daemon(spec: Obj) -> None:
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def pod_spec(spec: Obj) -> None:
    for container in spec.get("containers") or ():
        if not isinstance(container, dict):
            continue
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        tag = str(container.get("image", "")).rpartition("/")[2].partition(":")[2]
        container.setdefault("imagePullPolicy", "Always" if tag in ("", "latest") else "IfNotPresent")
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")
        for probe in (container.get(key) for key in ("readinessProbe", "livenessProbe", "startupProbe")):
            if isinstance(probe, dict):
                for key, value in (
                    ("timeoutSeconds", 1),
                    ("periodSeconds", 10),
                    ("successThreshold", 1),
                    ("failureThreshold", 3),
                ):
                    probe.setdefault(key, value)
                if "httpGet" in probe:
                    probe["httpGet"].setdefault("scheme", "HTTP")
    for key, value in _POD_DEFAULTS.items():
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]  # the deprecated name of the same


def _qos(spec: Obj) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(resources):
        return "BestEffort"
    guaranteed = all(
        r.get("limits") and r.get("limits") == r.get("requests", r.get("limits")) for r in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    address = (
        f"10.96.{hash(obj['metadata']['name']) % 200 + 1}.{hash(obj['metadata'].get('namespace')) % 250 + 1}"
    )
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    for key, value in (
        ("type", "ClusterIP"),
        ("sessionAffinity", "None"),
        ("clusterIP", address),
        ("ipFamilyPolicy", "SingleStack"),
        ("internalTrafficPolicy", "Cluster"),
    ):
        spec.setdefault(key, value)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    obj.setdefault("status", {"loadBalancer": {}})
