"""Label and field selectors, parsed once per request into predicates over plain objects.

Label grammar: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`, `!a`, joined by commas.
Unknown field selectors are refused as the server does, naming the ones that exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.demo.errors import bad_request
from app.demo.resources import Resource

Obj = dict[str, Any]
Predicate = Callable[[Obj], bool]
_TERM = re.compile(
    r"\s*(?:(?P<not>!)\s*(?P<absent>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^\s,=!()]*)"
    r"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)
_EVENT_FIELDS = tuple(
    f"involvedObject.{name}"
    for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "status.phase",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (*_EVENT_FIELDS, "reason", "reportingComponent", "source", "type"),
    "replicasets": ("status.replicas",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
}


def labels(text: str) -> Predicate | None:
    """A predicate over an object's labels, or None for "everything". Raises 400 on a malformed selector."""
    tests: list[Callable[[dict[str, str]], bool]] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            found = text[position:].split()
            word = found[1] if len(found) > 1 else (found[0] if found else "")
            raise bad_request(
                f"unable to parse requirement: found '{word}', expected: in, notin, =, ==, !=, gt, lt"
            )
        tests.append(_label_test(match))
        position = match.end()
    if not tests:
        return None

    def predicate(obj: Obj) -> bool:
        own = obj["metadata"].get("labels") or {}
        return all(test(own) for test in tests)

    return predicate


def _label_test(match: re.Match[str]) -> Callable[[dict[str, str]], bool]:
    absent, key, op, value = match["absent"], match["key"], match["op"], match["value"]
    if absent:
        return lambda own: absent not in own
    if match["set"]:
        values = {part.strip() for part in match["values"].split(",")}
        if match["set"] == "in":
            return lambda own: key in own and own[key] in values
        return lambda own: own.get(key) not in values
    if op == "!=":
        return lambda own: own.get(key) != value
    if op:
        return lambda own: own.get(key) == value
    return lambda own: key in own


def matches(selector: Obj | None, own: dict[str, str]) -> bool:
    """A LabelSelector object (`matchLabels`, `matchExpressions`) against labels; an empty one matches
    nothing here."""
    if not selector:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if own.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or ():
        key, op, values = term["key"], term["operator"], term.get("values") or ()
        ok = {
            "In": own.get(key) in values,
            "NotIn": own.get(key) not in values,
            "Exists": key in own,
            "DoesNotExist": key not in own,
        }.get(op, False)
        if not ok:
            return False
    return True


def fields(text: str, resource: Resource) -> Predicate | None:
    """A predicate over an object's fields, or None for "everything". Raises 400 on an unknown field."""
    known = ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.plural, ()))
    tests: list[tuple[list[str], bool, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        negative = "!=" in part
        name, _, value = part.partition("!=" if negative else "=")
        value = value.removeprefix("=")
        if name not in known:
            listed = ", ".join(f'"{field}"' for field in known)
            if resource.plural == "pods":
                raise bad_request(f"field label not supported: {name}")
            raise bad_request(f'"{name}" is not a known field selector: only {listed}')
        path = ["source", "component"] if name == "source" else name.split(".")
        tests.append((path, negative, value))
    if not tests:
        return None

    def predicate(obj: Obj) -> bool:
        for path, negative, value in tests:
            found: Any = obj
            for step in path:
                found = found.get(step) if isinstance(found, dict) else None
            shown = "" if found is None else ("true" if found is True else str(found))
            if (shown == value) is negative:
                return False
        return True

    return predicate


def both(*predicates: Predicate | None) -> Predicate | None:
    """The conjunction of those predicates that exist."""
    real = [predicate for predicate in predicates if predicate is not None]
    if not real:
        return None
    if len(real) == 1:
        return real[0]
    return lambda obj: all(predicate(obj) for predicate in real)
