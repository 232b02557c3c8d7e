"""Pod templates as JSON: put back from a kept revision, given other images, compared in words.

Rules of undo: the label by which a controller tells its ReplicaSets apart is left out (kubectl's rollback and that of
the Argo Rollouts plugin). Values of environment variables are never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import msgspec

from ..domain.names import cut
from .acting import Difference, Look, Raw
from .drafting import Path, items, mapping, value

MOST = 40
"""Differences that are told; more are counted."""
_LONGEST = 200
_HASHES = ("pod-template-hash", "rollouts-pod-template-hash")
_LISTS = ("initContainers", "containers")
_PROBES = (
    ("startupProbe", "startup probe"),
    ("readinessProbe", "readiness probe"),
    ("livenessProbe", "liveness probe"),
)


def bare(template: Raw, label: str) -> dict[str, Any]:
    """A kept template as it goes back: without the label `label`, without a merge directive."""
    made = deepcopy({key: part for key, part in template.items() if not key.startswith("$")})
    labels = value(made, "metadata", "labels")
    if isinstance(labels, dict):
        labels.pop(label, None)
    return made


def lasting(template: dict[str, Any], note: Any) -> dict[str, Any]:
    """A kept template without the labels and annotations that Argo Rollouts put on its pods for as long as they were
    canary or stable; `note`, an annotation of the ReplicaSet (JSON), names them. They are none of the release's."""
    try:
        put = msgspec.json.decode(note) if isinstance(note, str) else {}
    except (msgspec.DecodeError, RecursionError):
        return template
    for kind in ("labels", "annotations"):
        there = value(template, "metadata", kind)
        for key in mapping(put, kind) if isinstance(there, dict) else ():
            there.pop(key, None)
        if there == {}:
            template["metadata"].pop(kind)
    return template


def covers(part: Any, of: Any) -> bool:
    """Whether everything that `part` says is so in `of`, what it leaves empty aside: how a template that the API server
    has not filled in with defaults is compared with one that it has."""
    if isinstance(part, Mapping):
        return isinstance(of, Mapping) and all(covers(inner, of.get(key)) for key, inner in part.items())
    if isinstance(part, list):
        return isinstance(of, list) and len(part) == len(of) and all(map(covers, part, of))
    return part in (None, "", 0, False) or part == of


def alike(one: Any, other: Any) -> bool:
    """Whether two parts of templates are the same but for defaults filled in."""
    if one is None or other is None:
        return one is other or not (one or other)
    return covers(one, other) or covers(other, one)


def containers(template: Any) -> dict[str, tuple[Path, Raw]]:
    """Containers by name, init containers too, with where they are in the template."""
    found: dict[str, tuple[Path, Raw]] = {}
    for list_ in _LISTS:
        for i, container in enumerate(items(template, "spec", list_)):
            found[str(container.get("name", ""))] = (("spec", list_, i), container)
    return found


def with_images(template: Any, images: Mapping[str, str]) -> dict[str, Any]:
    """The template with other images, by container name; names that it does not have are left out."""
    made: dict[str, Any] = deepcopy(dict(template))
    for name, (path, _) in containers(made).items():
        if name in images:
            value(made, *path)["image"] = images[name]
    return made


def images(template: Any) -> tuple[str, ...]:
    """The images of a template's containers, in order, init containers aside."""
    every = (str(c.get("image", "")) for c in items(template, "spec", "containers"))
    return tuple(cut(image, 300) for image in every if image)


def difference(before: Any, after: Any) -> tuple[Difference, ...]:
    """What changes from one template to the other, in words, at most `MOST`."""
    found = list(_differences(before, after))
    if len(found) <= MOST:
        return tuple(found)
    return (*found[: MOST - 1], Difference(f"and {len(found) - MOST + 1} more"))


def since(look: Look, key: str) -> tuple[Difference, ...] | None:
    """What the root's template has that is not an image and that its revision `key` has not; None where no template of
    that revision is in the look."""
    kept = next((made for made in _kept(look, key)), None)
    now = value(look.root, "spec", "template")
    if kept is None or now is None:
        return None
    return tuple(d for d in difference(kept, now) if not d.what.startswith("image of "))


def _kept(look: Look, key: str) -> Iterable[Any]:
    for each in look.kin.get("ReplicaSet", ()):
        labels = mapping(each, "metadata", "labels")
        if key in (value(each, "metadata", "uid"), *(labels.get(name) for name in _HASHES)):
            yield value(each, "spec", "template")
    for each in look.kin.get("ControllerRevision", ()):
        if key in (value(each, "metadata", "name"), value(each, "metadata", "uid")):
            yield value(each, "data", "spec", "template")


def _differences(before: Any, after: Any) -> Iterable[Difference]:
    old, new = containers(before), containers(after)
    for name in dict.fromkeys((*old, *new)):
        shown = cut(name, 63)
        if name not in old or name not in new:
            here = [
                cut(str(side[name][1].get("image", "")), 300) if name in side else "" for side in (old, new)
            ]
            yield Difference(f"container {shown}", *here)
            continue
        yield from _container(shown, old[name][1], new[name][1])
    counts = [len(value(side, "spec", "volumes") or ()) for side in (before, after)]
    if not alike(value(before, "spec", "volumes"), value(after, "spec", "volumes")):
        yield Difference("volumes", *(_volumes(count) for count in counts))
    stamps = [
        str(value(side, "metadata", "annotations", "kubectl.kubernetes.io/restartedAt") or "")
        for side in (before, after)
    ]
    if stamps[0] != stamps[1]:
        yield Difference("restarted at", *(cut(stamp, 40) for stamp in stamps))
    for where in ("labels", "annotations"):
        sides = [_other(mapping(side, "metadata", where)) for side in (before, after)]
        yield from _mapping(f"{where[:-1]} ", sides[0], sides[1], shown=where == "labels")


def _container(name: str, old: Raw, new: Raw) -> Iterable[Difference]:
    if old.get("image") != new.get("image"):
        yield Difference(f"image of {name}", _text(old.get("image")), _text(new.get("image")))
    env = [{str(e.get("name", "")): e for e in items(side, "env")} for side in (old, new)]
    yield from _mapping(f"{name}: env ", env[0], env[1], shown=False)
    if not alike(old.get("envFrom"), new.get("envFrom")):
        yield Difference(f"{name}: env from other objects", "as before", "changed")
    for which in ("requests", "limits"):
        sides = [mapping(side, "resources", which) for side in (old, new)]
        for resource in dict.fromkeys((*sides[0], *sides[1])):
            asked = [_text(side.get(resource)) for side in sides]
            if asked[0] != asked[1]:
                yield Difference(f"{name}: {cut(str(resource), 60)} {which[:-1]}", *asked)
    for key in ("command", "args"):
        if (old.get(key) or []) != (new.get(key) or []):
            yield Difference(f"{name}: {key}", _present(old.get(key)), "changed" if new.get(key) else "")
    for key, word in _PROBES:
        if not alike(old.get(key), new.get(key)):
            yield Difference(f"{name}: {word}", _present(old.get(key)), "changed" if new.get(key) else "")


def _mapping(what: str, old: Raw, new: Raw, *, shown: bool) -> Iterable[Difference]:
    for key in dict.fromkeys((*old, *new)):
        if not alike(old.get(key), new.get(key)) or (key in old) is not (key in new):
            say: Callable[[Any], str] = _text if shown else _present
            before = say(old.get(key)) if key in old else ""
            after = (say(new.get(key)) if shown or key not in old else "changed") if key in new else ""
            yield Difference(f"{what}{cut(str(key), 100)}", before, after)


def _other(marks: Any) -> dict[str, Any]:
    hidden = ("kubectl.kubernetes.io/restartedAt", *_HASHES)
    return {key: mark for key, mark in marks.items() if key not in hidden}


def _volumes(count: int) -> str:
    return f"{count} volume" if count == 1 else f"{count} volumes"


def _present(part: Any) -> str:
    return "set" if part is not None and part != [] else ""


def _text(part: Any) -> str:
    return cut(str(part), _LONGEST) if part is not None else ""
