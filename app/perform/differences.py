"""In what a workload is not as somebody saw it, in words: people know versions, sides and steps, not keys and uids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from app.domain.commands import Expected
from app.domain.names import ImageRef
from app.domain.rollout import Phase
from app.engines.acting import Difference

from .look import Seen

_WORDS = {
    "uid": "the object",
    "stable": "the version before",
    "paused_at": "the pause",
}
_GONE = "a version that is not kept any more"


def moved(expected: Expected, seen: Seen) -> tuple[Difference, ...]:
    """In what the workload is not as expected; what is empty there was not looked at."""
    now = seen.expected
    found = []
    for field in fields(Expected):
        want, have = getattr(expected, field.name), getattr(now, field.name)
        if want in (None, "") or want == have:
            continue
        before, after = _told(field.name, want, seen), _told(field.name, have, seen)
        if field.name == "uid":
            before, after = "the one that you saw", _another(seen)
        elif before == after:  # one version, deployed twice
            before, after = f"{before}, as it was", f"{after}, deployed anew"
        found.append(Difference(_WORDS.get(field.name, f"the {field.name}"), before, after))
    return tuple(found)


def _told(name: str, value: object, seen: Seen) -> str:
    if value in (None, ""):
        return ""
    if name in ("revision", "stable"):
        return _version(str(value), seen)
    if isinstance(value, datetime):
        return f"since {value:%H:%M:%S} UTC"
    if isinstance(value, Phase):
        return value.value.replace("_", " ")
    if isinstance(value, int):
        steps = seen.state.steps
        named = f" ({steps[value].label})" if value < len(steps) and steps[value].label else ""
        return f"{value + 1} of {len(steps)}{named}" if steps else str(value + 1)
    return str(value)


def _version(key: str, seen: Seen) -> str:
    """What people call the revision of this key: by what the state knows of it, which side of a Service it is, or the
    image of the ReplicaSet that has it."""
    side = next((lane for lane in seen.state.lanes if lane.revision == key), None)
    known = next((r.version for r in seen.state.revisions if r.key == key and r.version), "")
    version = known or (side.version if side else "")
    if side and side.name:
        return f"{version} on {side.name}" if version else side.name
    return version or _image(key, seen) or _GONE


def _image(key: str, seen: Seen) -> str:
    for made in seen.look.kin.get("ReplicaSet", ()):
        meta = made.get("metadata") or {}
        if key in (meta.get("uid"), (meta.get("labels") or {}).get("pod-template-hash")):
            spec = _at(made, "spec", "template", "spec")
            for container in spec.get("containers") or ():
                return ImageRef.parse(str(container.get("image", ""))).version
    return ""


def _at(found: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for name in path:
        found = found.get(name) or {}
    return found


def _another(seen: Seen) -> str:
    made = str(_at(seen.look.root, "metadata").get("creationTimestamp", ""))
    try:
        return f"another of the same name, made {datetime.fromisoformat(made):%b %d, %H:%M:%S} UTC"
    except ValueError:
        return "another of the same name"
