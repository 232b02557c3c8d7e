"""What a resource path names: group, namespace, object, subresource."""

from __future__ import annotations

from dataclasses import dataclass

from app.demo import errors
from app.demo.resources import Resource


@dataclass(frozen=True, slots=True)
class Target:
    """A resource path taken apart."""

    resource: Resource
    namespace: str
    name: str
    sub: str


def taken_apart(parts: list[str], installed: list[Resource]) -> Target:
    """The target of a path, given as its parts. Raises the 404 a server answers."""
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise errors.not_served()
    here = [r for r in installed if (r.group, r.version) == (group, version)]
    if not here:
        raise errors.no_resource() if any(r.group == group for r in installed) else errors.not_served()
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    resource = next((r for r in here if rest and r.plural == rest[0]), None)
    name, sub = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
    if resource is None or len(rest) > 3 or bool(namespace) > resource.namespaced:
        raise errors.no_resource()
    if (sub and sub not in resource.subresources) or (name and resource.namespaced and not namespace):
        raise errors.no_resource()
    return Target(resource, namespace, name, sub)
