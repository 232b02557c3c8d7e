"""Repositories as GitOps controllers see them: commits, and the manifests of the objects that each wants.

In memory, and only as much of Git as they use: a branch that moves on, and commits that can be gone back to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.demo.errors import ApiError
from app.demo.registry import Registry
from app.demo.resources import BY_PLURAL
from app.demo.store import Store, copy, decode, encode

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a commit wants of one object: `wanted` is a part of it, whatever it leaves out is not cared about."""

    plural: str
    namespace: str
    name: str
    wanted: Obj

    @property
    def id(self) -> str:
        """What Argo CD tracks it by, less the application."""
        resource = BY_PLURAL[self.plural]
        return f"{resource.group}/{resource.kind}:{self.namespace}/{self.name}"


class Git:
    """Repositories by address; whoever listens hears of pushes."""

    def __init__(self) -> None:
        self._commits: dict[str, dict[str, tuple[Manifest, ...]]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the address of each repository that is pushed to."""
        self._listeners.append(listener)

    def push(self, url: str, sha: str, *manifests: Manifest) -> None:
        """A commit on top of the branch; one that was there before is on top again."""
        commits = self._commits.setdefault(url, {})
        commits.pop(sha, None)
        commits[sha] = manifests
        for listener in self._listeners:
            listener(url)

    def head(self, url: str) -> str:
        """The newest commit of a repository; empty for one that is not there."""
        return next(reversed(self._commits.get(url, {})), "")

    def at(self, url: str, sha: str) -> tuple[Manifest, ...] | None:
        """What a commit wants; None when there is none."""
        return self._commits.get(url, {}).get(sha)


def synced(store: Store, manifest: Manifest) -> bool:
    """Whether the object is as the manifest wants it."""
    entry = store.get(manifest.plural, manifest.namespace, manifest.name)
    return entry is not None and _covers(entry.obj, manifest.wanted)


def apply(registry: Registry, manifest: Manifest, manager: str) -> None:
    """Make the object what the manifest wants, and leave alone what it does not speak of. Raises ApiError."""
    entry = registry.store.get(manifest.plural, manifest.namespace, manifest.name)
    if entry is None:
        made = decode(encode(manifest.wanted))
        made.setdefault("metadata", {}).update(name=manifest.name, namespace=manifest.namespace)
        registry.create(manifest.plural, made, manager=manager)
    elif not _covers(entry.obj, manifest.wanted):
        obj = _laid_over(copy(entry), decode(encode(manifest.wanted)))
        registry.update(manifest.plural, obj, manager=manager)


def applied(registry: Registry, manifests: tuple[Manifest, ...], manager: str) -> str:
    """Apply all; what the API said where it refused, empty when it did not."""
    try:
        for manifest in manifests:
            apply(registry, manifest, manager)
    except ApiError as error:
        return str(error)
    return ""


def _covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            key in live and _covers(live[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_covers(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def _laid_over(live: Any, wanted: Any) -> Any:
    if not isinstance(live, dict) or not isinstance(wanted, dict):
        return wanted
    return {**live, **{key: _laid_over(live.get(key), value) for key, value in wanted.items()}}
