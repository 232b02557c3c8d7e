"""What one cluster holds now, as far as the board needs it: roots, their ReplicaSets and Pods, by uid and by
owner.

Every change answers, in constant time, which roots it touches; those land in `dirty`. No I/O and no clock.
Objects of ignored namespaces, and pods that no root can own, are not kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from ..engines.port import Kin
from ..engines.shapes import Deployment, Meta, Owner, Pod, ReplicaSet, Rollout, Root
from .decode import Object, Unreadable

_BY_NAME = attrgetter("metadata.name")


class Cache:
    """One cluster's objects. `ignores` tells which namespaces are left out; `dirty` holds uids of roots that
    changed or went since whoever flushes last took them."""

    def __init__(self, root_kinds: Iterable[str], ignores: Callable[[str], bool] = lambda _: False) -> None:
        self.dirty: set[str] = set()
        self.roots: dict[str, Root | Unreadable] = {}
        self._replicasets: dict[str, ReplicaSet] = {}
        self._pods: dict[str, Pod] = {}
        self._root_kinds = frozenset(root_kinds)
        self._pod_owners = self._root_kinds | {"ReplicaSet"}
        self._root_kind: dict[str, str] = {}
        self._unreadable: dict[str, dict[str, Unreadable]] = defaultdict(dict)
        self._below: dict[str, set[str]] = defaultdict(set)
        self._named: dict[tuple[str, str, str], str] = {}
        self._referrers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._ignored: dict[str, bool] = {}
        self._ignores = ignores

    # -- one object --------------------

    def writer(self, kind: str) -> Callable[[Any, bool], bool]:
        """The function that puts an object of `kind` in, and answers whether that changed anything. Its
        second argument tells whether an equal resourceVersion means an equal object (true but after a store
        went backwards)."""
        if kind == "Pod":
            return self._put_pod
        if kind == "ReplicaSet":
            return self._put_replicaset
        return lambda root, trusted: self._put_root(kind, root, trusted)

    def set_aside(self, poison: Unreadable) -> None:
        """Remember that an object cannot be read; a root keeps its place on the board, as unknown."""
        if self._left_out(poison.namespace):
            return
        key = poison.uid or f"{poison.namespace}/{poison.name}"
        if self._unreadable[poison.kind].get(key) == poison:
            return
        self._drop(poison.kind, poison.uid)
        self._unreadable[poison.kind][key] = poison
        if poison.kind in self._root_kinds and poison.uid:
            self.roots[poison.uid] = poison
            self._counts[poison.kind, poison.namespace] += 1
            self._root_kind[poison.uid] = poison.kind
            self.dirty.add(poison.uid)
        elif poison.owner:
            self._touch(poison.owner)

    def remove(self, kind: str, uid: str, path: str = "") -> None:
        """Take out an object by uid; `path` ("namespace/name") finds poison that has none."""
        for key in (uid, path):
            if key and self._unreadable[kind].pop(key, None) is not None and kind in self._root_kinds:
                self._drop_root(uid)
        self._drop(kind, uid)

    # -- a whole kind --------------------

    def versions(self, kind: str, namespace: str = "") -> dict[str, str]:
        """resourceVersion by uid, of one kind, in one namespace or (empty) all."""
        return {
            uid: o.version if isinstance(o, Unreadable) else o.metadata.resource_version
            for uid, o in self._of(kind)
            if not namespace or _namespace(o) == namespace
        }

    def retain(self, kind: str, namespace: str, seen: set[str]) -> int:
        """Remove what a complete list of a kind (and namespace) did not have; answers how many."""
        gone = [uid for uid in self.versions(kind, namespace) if uid not in seen]
        for key, poison in tuple(self._unreadable[kind].items()):
            if key not in seen and (not namespace or poison.namespace == namespace):
                del self._unreadable[kind][key]
        for uid in gone:
            self._drop(kind, uid)
        return len(gone)

    def touch_all(self) -> None:
        """Mark every root dirty."""
        self.dirty.update(self.roots)

    def unreadable(self, kind: str, namespace: str = "") -> tuple[str, ...]:
        """What could not be read, for people; at most twenty, sorted."""
        poison = self._unreadable[kind].values()
        return tuple(sorted(str(p) for p in poison if not namespace or p.namespace == namespace)[:20])

    def count(self, kind: str, namespace: str = "") -> int:
        """Objects kept of a kind."""
        if namespace:
            return self._counts[kind, namespace]
        return sum(n for (name, _), n in self._counts.items() if name == kind)

    # -- looking --------------------

    def kin(self, uid: str, missing: frozenset[str] = frozenset()) -> Kin:
        """The ReplicaSets and Pods below a root, each sorted by name; none of a kind that is `missing`."""
        replicasets: list[ReplicaSet] = []
        pods: list[Pod] = []
        for child in self._below.get(uid, ()):
            if (replicaset := self._replicasets.get(child)) is not None:
                replicasets.append(replicaset)
                pods.extend(self._pods[p] for p in self._below.get(child, ()) if p in self._pods)
            elif (pod := self._pods.get(child)) is not None:
                pods.append(pod)
        if "ReplicaSet" in missing:
            replicasets = []
        if "Pod" in missing:
            pods = []
        return Kin(sorted(replicasets, key=_BY_NAME), sorted(pods, key=_BY_NAME), missing)

    def hidden(self, root: Root | Unreadable) -> bool:
        """Whether a root is only the template of another one (an Argo Rollout's workloadRef), so not shown
        itself."""
        if isinstance(root, Unreadable):
            return False
        meta = root.metadata
        if meta.owner_uid in self.roots:
            return True
        return bool(self._referrers.get((self._root_kind[meta.uid], meta.namespace, meta.name)))

    def shown(self, kind: str, namespace: str = "") -> frozenset[str]:
        """Uids of the roots of a kind that stand on the board."""
        return frozenset(
            uid
            for uid, root in self._of(kind)
            if (not namespace or _namespace(root) == namespace) and not self.hidden(root)
        )

    def kind_of(self, uid: str) -> str:
        """The kind of a root in `roots`."""
        return self._root_kind[uid]

    # -- inside --------------------

    def _of(self, kind: str) -> Iterable[tuple[str, Any]]:
        if kind == "Pod":
            return self._pods.items()
        if kind == "ReplicaSet":
            return self._replicasets.items()
        return [(uid, self.roots[uid]) for uid, name in self._root_kind.items() if name == kind]

    def _left_out(self, namespace: str) -> bool:
        known = self._ignored.get(namespace)
        if known is None:
            known = self._ignored[namespace] = self._ignores(namespace)
        return known

    def _touch(self, owner: str) -> None:
        replicaset = self._replicasets.get(owner)
        root = replicaset.metadata.owner_uid if replicaset is not None else owner
        if root in self.roots:
            self.dirty.add(root)

    def _link(self, uid: str, before: str, after: str) -> None:
        if before != after:
            if before:
                self._below[before].discard(uid)
                if not self._below[before]:
                    del self._below[before]
                self._touch(before)
            if after:
                self._below[after].add(uid)

    def _put_pod(self, pod: Pod, trusted: bool) -> bool:
        meta = pod.metadata
        uid = meta.uid
        owner = _controller(meta)
        if owner is None or owner.kind not in self._pod_owners or self._left_out(meta.namespace):
            self.remove("Pod", uid)
            return False
        old = self._pods.get(uid)
        if old is None:
            self._counts["Pod", meta.namespace] += 1
            self._below[owner.uid].add(uid)
            if self._unreadable["Pod"]:
                self._unreadable["Pod"].pop(uid, None)
        elif trusted and old.metadata.resource_version == meta.resource_version:
            return False
        elif (before := _controller(old.metadata)) is not None and before.uid != owner.uid:
            self._link(uid, before.uid, owner.uid)
        self._pods[uid] = pod
        self._touch(owner.uid)
        return True

    def _put_replicaset(self, replicaset: ReplicaSet, trusted: bool) -> bool:
        meta = replicaset.metadata
        uid, owner = meta.uid, meta.owner_uid
        if self._left_out(meta.namespace):
            return False
        old = self._replicasets.get(uid)
        if trusted and old is not None and old.metadata.resource_version == meta.resource_version:
            return False
        if old is None:
            self._counts["ReplicaSet", meta.namespace] += 1
            self._unreadable["ReplicaSet"].pop(uid, None)
        self._link(uid, old.metadata.owner_uid if old is not None else "", owner)
        self._replicasets[uid] = replicaset
        if owner in self.roots:
            self.dirty.add(owner)
        return True

    def _put_root(self, kind: str, root: Root, trusted: bool) -> bool:
        meta = root.metadata
        uid = meta.uid
        if self._left_out(meta.namespace):
            return False
        old = self.roots.get(uid)
        if isinstance(old, Unreadable):
            self._unreadable[kind].pop(uid, None)
        elif trusted and old is not None and old.metadata.resource_version == meta.resource_version:
            return False
        if old is None:
            self._counts[kind, meta.namespace] += 1
        name = (kind, meta.namespace, meta.name)
        if (namesake := self._named.get(name)) is not None and namesake != uid:
            self._drop_root(namesake)
        self._named[name] = uid
        self._refer(uid, old, root)
        self.roots[uid] = root
        self._root_kind[uid] = kind
        self.dirty.add(uid)
        return True

    def _refer(self, uid: str, old: Root | Unreadable | None, new: Root | None) -> None:
        before, after = _reference(old), _reference(new)
        if before == after:
            return
        if before:
            self._referrers[before].discard(uid)
        if after:
            self._referrers[after].add(uid)
        self.dirty.update(self._named[name] for name in (before, after) if name in self._named)

    def _drop(self, kind: str, uid: str) -> None:
        if kind == "Pod":
            if (pod := self._pods.pop(uid, None)) is not None:
                self._counts[kind, pod.metadata.namespace] -= 1
                self._link(uid, pod.metadata.owner_uid, "")
        elif kind == "ReplicaSet":
            if (replicaset := self._replicasets.pop(uid, None)) is not None:
                self._counts[kind, replicaset.metadata.namespace] -= 1
                self._link(uid, replicaset.metadata.owner_uid, "")
        else:
            self._drop_root(uid)

    def _drop_root(self, uid: str) -> None:
        root = self.roots.pop(uid, None)
        if root is None:
            return
        self._refer(uid, root, None)
        kind = self._root_kind.pop(uid)
        self._counts[kind, _namespace(root)] -= 1
        if not isinstance(root, Unreadable):
            name = (kind, root.metadata.namespace, root.metadata.name)
            if self._named.get(name) == uid:
                del self._named[name]
        self.dirty.add(uid)


def _controller(meta: Meta) -> Owner | None:
    owners = meta.owner_references
    if not owners:
        return None
    return owners[0] if owners[0].controller else next((o for o in owners if o.controller), None)


def _namespace(item: Object | Unreadable) -> str:
    return item.namespace if isinstance(item, Unreadable) else item.metadata.namespace


def _reference(root: Root | Unreadable | None) -> tuple[str, str, str] | None:
    if not isinstance(root, Rollout) or root.spec is None or root.spec.workload_ref is None:
        return None
    ref = root.spec.workload_ref
    return (ref.kind or Deployment.__name__, root.metadata.namespace, ref.name or "")
