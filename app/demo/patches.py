"""The four ways to change an object: merge patch, strategic merge patch, JSON patch; apply is refused
elsewhere.

Pure: each function returns a new object and leaves its arguments alone. Rules: RFC 7386, RFC 6902, and
Kubernetes' strategic merge (merge keys, `$patch`, `$retainKeys`, `$setElementOrder`,
`$deleteFromPrimitiveList`).
"""

from __future__ import annotations

from typing import Any

from app.demo.errors import bad_request, rejected

# Lists that merge by a key; by (parent field) as the built-in types declare it. Other lists are replaced.
_MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
}


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any, field: str = "") -> Any:
    """Strategic merge of `patch` into `target`; `field` is the name the value hangs under."""
    if isinstance(patch, dict):
        return _strategic_map(target if isinstance(target, dict) else {}, patch)
    if isinstance(patch, list) and field in _MERGE_KEYS:
        return _strategic_list(target if isinstance(target, list) else [], patch, _MERGE_KEYS[field])
    return patch


def _strategic_map(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.get("$patch")
    body = {key: value for key, value in patch.items() if not key.startswith("$")}
    if directive == "replace":
        return body
    if directive == "delete":
        return {}
    result = dict(target)
    retain = patch.get("$retainKeys")
    if isinstance(retain, list):
        result = {key: value for key, value in result.items() if key in retain}
    for key, doomed in patch.items():
        name = key.removeprefix("$deleteFromPrimitiveList/")
        if name != key and isinstance(result.get(name), list):
            result[name] = [item for item in result[name] if item not in doomed]
    for key, value in body.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = strategic(result.get(key), value, key)
    return result


def _strategic_list(target: list[Any], patch: list[Any], keys: tuple[str, ...]) -> list[Any]:
    items = [item for item in patch if isinstance(item, dict)]
    if any(item.get("$patch") == "replace" and len(item) == 1 for item in items):
        return [item for item in items if "$patch" not in item]
    result = list(target)
    for item in items:
        key = next((name for name in keys if name in item), None)
        if key is None:
            raise bad_request(f"map: {list(item)} does not contain declared merge key: {keys[0]}")
        at = next(
            (i for i, have in enumerate(result) if isinstance(have, dict) and have.get(key) == item[key]),
            None,
        )
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(_strategic_map({}, item))
        else:
            result[at] = _strategic_map(result[at], item)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902 on a copy. A failed test or a path that is not there: 422 that names nothing, as the server
    does."""
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    root = {"": _copy(target)}
    for operation in operations:
        try:
            op, path = operation["op"], _pointer(operation["path"])
            if op in ("copy", "move"):
                value = _copy(_resolve(root, _pointer(operation["from"])))
                if op == "move":
                    _change(root, _pointer(operation["from"]), "remove", None)
                _change(root, path, "add", value)
            elif op == "test":
                if _lookup(root, path) != operation.get("value"):
                    raise rejected()
            elif op in ("add", "replace", "remove"):
                _change(root, path, op, _copy(operation.get("value")))
            else:
                raise rejected()
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise rejected() from error
    return root[""]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in ("" + text).split("/")]


def _resolve(root: Any, path: list[str]) -> Any:
    for step in path:
        root = root[int(step)] if isinstance(root, list) else root[step]
    return root


def _lookup(root: Any, path: list[str]) -> Any:
    parent = _resolve(root, path[:-1])
    if isinstance(parent, dict):
        return parent.get(path[-1])  # a missing member equals null, as the server's library has it
    return parent[int(path[-1])]


def _change(root: Any, path: list[str], op: str, value: Any) -> None:
    parent, last = _resolve(root, path[:-1]), path[-1]
    if isinstance(parent, list):
        at = len(parent) if last == "-" and op == "add" else int(last)
        if not 0 <= at <= len(parent) - (op != "add"):
            raise IndexError(at)
        if op == "add":
            parent.insert(at, value)
        elif op == "replace":
            parent[at] = value
        else:
            del parent[at]
    elif isinstance(parent, dict):
        if op != "add" and last not in parent:
            raise KeyError(last)
        if op == "remove":
            del parent[last]
        else:
            parent[last] = value
    else:
        raise TypeError(last)
