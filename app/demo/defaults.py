"""What the API server fills in and refuses: defaulting and validation of the built-in kinds.

Defaulting is idempotent, so a patch that changes nothing yields the very same object. Only the rules a
rollout meets are here (source: k8s pkg/apis/apps/v1/defaults.go, validation texts as recorded from 1.36).
"""

from __future__ import annotations

import re
from typing import Any

from app.demo.errors import ApiError, invalid
from app.demo.resources import Resource
from app.demo.selectors import matches

Obj = dict[str, Any]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RFC_1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_POD_DEFAULTS: Obj = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_TEMPLATED = ("deployments", "replicasets", "statefulsets", "daemonsets")


def fill(resource: Resource, obj: Obj) -> Obj:
    """Defaults, in place, on an object about to be stored. Custom resources get none."""
    if resource.plural in _TEMPLATED:
        spec = obj["spec"] = _without_nulls(obj.get("spec") or {})
        if resource.plural != "daemonsets":
            spec.setdefault("replicas", 1)
        template = spec.setdefault("template", {})
        template.setdefault("metadata", {})
        pod_spec(template.setdefault("spec", {}))
        if resource.plural == "deployments":
            _deployment(spec)
        obj.setdefault("status", {"replicas": 0} if resource.plural == "replicasets" else {})
    elif resource.plural == "rollouts":
        # the one default of the CRD's schema
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


def undecodable(obj_text: str, why: str) -> ApiError:
    """A patch whose result has a field of the wrong type: 422 with an empty name and the whole object in
    it."""
    quoted = obj_text.replace("\\", "\\\\").replace('"', '\\"')
    return invalid("", "", "", [("FieldValueInvalid", f'Invalid value: "{quoted}": {why}', "patch")])


def wrong_type(resource: Resource, obj: Obj) -> str | None:
    """The Go decoder's complaint about the first number or list field of the wrong type, or None."""
    spec = obj.get("spec")
    for key, kind in (
        ("replicas", int),
        ("minReadySeconds", int),
        ("progressDeadlineSeconds", int),
        ("revisionHistoryLimit", int),
        ("paused", bool),
    ):
        value = spec.get(key) if isinstance(spec, dict) else None
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            name = {str: "string", dict: "object", list: "array", bool: "bool"}.get(type(value), "number")
            goal = "bool" if kind is bool else "int32"
            where = f"{resource.kind}Spec.spec.{key}"
            return f"json: cannot unmarshal {name} into Go struct field {where} of type {goal}"
    if spec is not None and not isinstance(spec, dict):
        return (
            f"json: cannot unmarshal into Go struct field {resource.kind}.spec of type v1.{resource.kind}Spec"
        )
    return None


def check(resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Refuse (422) what validation of the built-in kinds refuses; `old` is the stored version on update."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    name = meta.get("name", "")
    causes: list[tuple[str, str, str]] = []

    def bad(message: str, field: str, reason: str = "FieldValueInvalid") -> None:
        causes.append((reason, message, field))

    if old is None and not name:
        bad("Required value: name or generateName is required", "metadata.name", "FieldValueRequired")
    elif old is None and not _NAME.fullmatch(name):
        bad(f'Invalid value: "{name}": {_RFC_1123}', "metadata.name")
    if resource.plural == "deployments":
        _check_deployment(spec, bad)
    if resource.plural in _TEMPLATED:
        selector, template = spec.get("selector"), spec.get("template") or {}
        own = (template.get("metadata") or {}).get("labels") or {}
        if not selector:
            bad("Required value", "spec.selector", "FieldValueRequired")
        if not selector or not matches(selector, own):
            shown = "{" + ",".join(f'"{k}":"{v}"' for k, v in sorted(own.items())) + "}" if own else "null"
            bad(
                f"Invalid value: {shown}: `selector` does not match template `labels`",
                "spec.template.metadata.labels",
            )
        if old is not None and selector != old["spec"].get("selector"):
            labels = (selector or {}).get("matchLabels") or {}
            shown = '{"matchLabels":{' + ",".join(f'"{k}":"{v}"' for k, v in labels.items()) + "}}"
            bad(f"Invalid value: {shown}: field is immutable", "spec.selector")
        _check_containers(template.get("spec") or {}, "spec.template.spec", bad)
    elif resource.plural == "pods" and old is None:
        _check_containers(spec, "spec", bad)
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        bad(f"Invalid value: {spec['replicas']}: must be greater than or equal to 0", "spec.replicas")
    if causes:
        raise invalid(resource.kind, resource.group, name, causes)


def _check_deployment(spec: Obj, bad: Any) -> None:
    strategy = spec["strategy"]
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        bad(
            "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            "spec.strategy.rollingUpdate",
            "FieldValueForbidden",
        )
    elif rolling and all(rolling.get(key) in (0, "0%") for key in ("maxSurge", "maxUnavailable")):
        bad(
            "Invalid value: 0: may not be 0 when `maxSurge` is 0",
            "spec.strategy.rollingUpdate.maxUnavailable",
        )
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        bad(
            f"Invalid value: {spec['progressDeadlineSeconds']}: must be greater than minReadySeconds",
            "spec.progressDeadlineSeconds",
        )


def _check_containers(spec: Obj, path: str, bad: Any) -> None:
    if not spec.get("containers"):
        bad("Required value", f"{path}.containers", "FieldValueRequired")
    for index, container in enumerate(spec.get("containers") or ()):
        if not container.get("image"):
            bad("Required value", f"{path}.containers[{index}].image", "FieldValueRequired")
