"""What the API server refuses: validation of the built-in kinds, with the texts as recorded from 1.36.

Only the rules a rollout meets are here.
"""

from __future__ import annotations

import re
from typing import Any

from app.demo.defaults import EMPTY_STATUS
from app.demo.errors import ApiError, bad_request, invalid
from app.demo.resources import Resource
from app.demo.selectors import matches

Obj = dict[str, Any]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RFC_1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def undecodable(obj_text: str, why: str) -> ApiError:
    """A patch whose result has a field of the wrong type: 422 with an empty name and the whole object in
    it."""
    quoted = obj_text.replace("\\", "\\\\").replace('"', '\\"')
    return invalid("", "", "", [("FieldValueInvalid", f'Invalid value: "{quoted}": {why}', "patch")])


def check_kind(resource: Resource, obj: Obj) -> None:
    """Refuse (400) a body that says it is of another kind than what the path is about."""
    kind = obj.get("kind") or resource.kind
    if kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: converting '
            f"({resource.version}.{kind}) to ({resource.group or 'core'}.{resource.kind}): unknown conversion"
        )


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
    if resource.plural == "daemonsets":
        _check_daemon(spec, bad)
    if resource.plural == "statefulsets" and old is not None:
        _check_fixed(spec, old["spec"], bad)
    elif resource.plural in EMPTY_STATUS:
        _check_selector(spec, old["spec"] if old else None, bad)
    if resource.plural in EMPTY_STATUS:
        _check_containers((spec.get("template") or {}).get("spec") or {}, "spec.template.spec", bad)
    elif resource.plural == "pods" and old is None:
        _check_containers(spec, "spec", bad)
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        bad(f"Invalid value: {spec['replicas']}: must be greater than or equal to 0", "spec.replicas")
    if causes:
        raise invalid(resource.kind, resource.group, name, causes)


def _check_selector(spec: Obj, old: Obj | None, bad: Any) -> None:
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
    if old is not None and selector != old.get("selector"):
        labels = (selector or {}).get("matchLabels") or {}
        shown = '{"matchLabels":{' + ",".join(f'"{k}":"{v}"' for k, v in labels.items()) + "}}"
        bad(f"Invalid value: {shown}: field is immutable", "spec.selector")


def _check_fixed(spec: Obj, old: Obj, bad: Any) -> None:
    fixed = {key for key in spec.keys() | old.keys() if key not in _CHANGEABLE}
    if any(spec.get(key) != old.get(key) for key in fixed):
        names = ", ".join(f"'{key}'" for key in _CHANGEABLE[:-1])
        bad(
            f"Forbidden: updates to statefulset spec for fields other than {names} and "
            f"'{_CHANGEABLE[-1]}' are forbidden",
            "spec",
            "FieldValueForbidden",
        )


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


def _check_daemon(spec: Obj, bad: Any) -> None:
    rolling = spec["updateStrategy"].get("rollingUpdate")
    field = "spec.updateStrategy.rollingUpdate"
    if rolling:
        off = [rolling.get(key) in (0, "0%") for key in ("maxUnavailable", "maxSurge")]
        if all(off):
            bad("Invalid value: 0: cannot be 0 when maxSurge is 0", f"{field}.maxUnavailable")
        elif not any(off):
            shown = rolling["maxSurge"]
            bad(
                f"Invalid value: {shown}: may not be set when maxUnavailable is non-zero", f"{field}.maxSurge"
            )


def _check_containers(spec: Obj, path: str, bad: Any) -> None:
    if not spec.get("containers"):
        bad("Required value", f"{path}.containers", "FieldValueRequired")
    for index, container in enumerate(spec.get("containers") or ()):
        if not container.get("image"):
            bad("Required value", f"{path}.containers[{index}].image", "FieldValueRequired")
