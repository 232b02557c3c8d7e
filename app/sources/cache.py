"""What one cluster holds now, as far as the board needs it: roots, and what hangs together with them.

Every change answers, without looking at all objects, which roots it touches; those land in `dirty`. No I/O
and no clock. Objects of ignored namespaces, those that no root can own, and all but the newest Events about
an object are not kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ..engines.kinship import HOLDERS, Key, holder_kind
from ..engines.port import EVENT, Engine, Kin, Via
from ..engines.shapes import Root
from ..engines.warnings import TYPE, last, told_above
from .decode import Object, Unreadable
from .index import Index

EVENTS = 8
"""Most Events kept of one object: its newest warnings, and as many others."""
STRAYS = 4096
"""Most objects that Events are kept of before they have been seen themselves."""


class Cache:
    """One cluster's objects. `ignores` tells which namespaces are left out; `roots` are the objects that an
    engine claims, `dirty` holds uids of those that changed or went since whoever flushes last took them."""

    def __init__(self, engines: Sequence[Engine], ignores: Callable[[str], bool] = lambda _: False) -> None:
        self.dirty: set[str] = set()
        self.roots: dict[str, Root | Unreadable] = {}
        self._index = Index(engines)
        self._unreadable: dict[str, dict[str, Unreadable]] = defaultdict(dict)
        self._named: dict[tuple[str, str, str], str] = {}
        self._strays: dict[Key, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._ignored: dict[str, bool] = {}
        self._ignores = ignores

    # -- one object --------------------

    def writer(self, kind: str) -> Callable[[Any, bool], bool]:
        """The function that puts an object of `kind` in, and answers whether that changed anything. Its
        second argument tells whether an equal resourceVersion means an equal object (true but after a store
        went backwards)."""
        there, held, index = self._index.objects[kind], self._index.held(kind), self._index
        if held is None:
            return lambda obj, trusted: self._put(kind, obj, trusted)
        holder, way, led, dirty = HOLDERS[held], held.value, index.led, self.dirty
        holders = index.holders(kind) or frozenset()

        def put(obj: Any, trusted: bool) -> bool:
            meta = obj.metadata
            uid = meta.uid
            old = there.get(uid)
            on = holder(obj)
            if old is not None:
                if trusted and old.metadata.resource_version == meta.resource_version:
                    return False
                if holder(old) == on:
                    there[uid] = obj
                    dirty.update(led((way, kind, on)))
                    return True
            told = held is Via.INVOLVED and told_above(obj)
            if told or self._left_out(meta.namespace) or holder_kind(obj) not in holders:
                self.remove(kind, uid)
                return False
            if old is None:
                self._add(kind, obj)
            else:
                dirty.update(led((way, kind, holder(old))))
                index.remove(kind, uid)
                index.add(kind, obj)
            roots = led((way, kind, on))
            dirty.update(roots)
            return self._bound((way, kind, on), obj, bool(roots)) if held is Via.INVOLVED else True

        return put

    def set_aside(self, poison: Unreadable) -> None:
        """Remember that an object cannot be read; a root keeps its place on the board, as unknown."""
        kind, uid = poison.kind, poison.uid
        if self._left_out(poison.namespace):
            return
        key = uid or f"{poison.namespace}/{poison.name}"
        if self._unreadable[kind].get(key) == poison:
            return
        self.remove(kind, uid)
        self._unreadable[kind][key] = poison
        engine = self._index.claimed(kind, poison.stub)
        if engine is not None and uid:
            self.roots[uid] = poison
            self._index.engine[uid] = engine
            self._counts[kind, poison.namespace] += 1
            self.dirty.add(uid)
        elif poison.owner:
            self.dirty.update(self._index.led((Via.OWNER.value, kind, poison.owner)))

    def remove(self, kind: str, uid: str, path: str = "") -> None:
        """Take out an object by uid; `path` ("namespace/name") finds poison that has none."""
        for key in (uid, path):
            if key and (poison := self._unreadable[kind].pop(key, None)) is not None and uid in self.roots:
                self._counts[kind, poison.namespace] -= 1
                self._unroot(uid)
        self._drop(kind, uid)

    # -- a whole kind --------------------

    def versions(self, kind: str, namespace: str = "") -> dict[str, str]:
        """resourceVersion by uid of what is kept of one kind, in one namespace or (empty) all."""
        return {
            uid: o.metadata.resource_version
            for uid, o in self._index.objects[kind].items()
            if not namespace or o.metadata.namespace == namespace
        }

    def retain(self, kind: str, namespace: str, seen: set[str]) -> int:
        """Remove what a complete list of a kind (and namespace) did not have; answers how many."""
        gone = [uid for uid in self.versions(kind, namespace) if uid not in seen]
        for key, poison in tuple(self._unreadable[kind].items()):
            if key not in seen and (not namespace or poison.namespace == namespace):
                self.remove(kind, poison.uid, key)
        for uid in gone:
            self._drop(kind, uid)
        return len(gone)

    def touch(self, kind: str = "") -> None:
        """Mark every root dirty that is read with objects of `kind` (empty: every one)."""
        self.dirty.update(
            uid
            for uid in self.roots
            if not kind or any(r.kind.name == kind for r in self._index.engine[uid].relations)
        )

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

    def engine(self, uid: str) -> Engine:
        """Whose a root in `roots` is."""
        return self._index.engine[uid]

    def kin(self, uid: str, missing: frozenset[str] = frozenset()) -> Kin:
        """What a readable root is read with; none of a kind that is `missing`."""
        return self._index.kin(uid, missing)

    def hidden(self, uid: str) -> bool:
        """Whether a root is part of another one, so not shown itself."""
        return self._index.hidden(uid)

    def shown(self, kind: str, namespace: str = "") -> frozenset[str]:
        """Uids of the roots of a kind that stand on the board."""
        return frozenset(
            uid
            for uid, root in self.roots.items()
            if self._index.engine[uid].root.name == kind
            and (not namespace or _namespace(root) == namespace)
            and not self.hidden(uid)
        )

    # -- inside --------------------

    def _left_out(self, namespace: str) -> bool:
        known = self._ignored.get(namespace)
        if known is None:
            known = self._ignored[namespace] = self._ignores(namespace)
        return known

    def _put(self, kind: str, obj: Any, trusted: bool) -> bool:
        """Put in an object that others may be found by: whom it concerned, and whom it concerns now."""
        meta, index = obj.metadata, self._index
        uid = meta.uid
        if self._left_out(meta.namespace):
            return False
        old = index.objects[kind].get(uid)
        engine = index.claimed(kind, obj)
        if old is None:
            self._add(kind, obj, engine)
        elif trusted and old.metadata.resource_version == meta.resource_version:
            return False
        elif index.standing(kind, old, index.engine.get(uid)) == index.standing(kind, obj, engine):
            index.objects[kind][uid] = obj
        else:
            self.dirty |= index.above(kind, old) | index.swallowed(uid)
            if engine is None and uid in self.roots:
                self._unroot(uid)
            index.remove(kind, uid)
            index.add(kind, obj, engine)
            self.dirty |= index.swallowed(uid)
        if engine is not None:
            self.roots[uid] = obj
            self.dirty.add(uid)
        self.dirty |= index.above(kind, obj)
        return True

    def _add(self, kind: str, obj: Any, engine: Engine | None = None) -> None:
        meta = obj.metadata
        if self._unreadable[kind]:
            self.remove(kind, meta.uid, f"{meta.namespace}/{meta.name}")
        if kind in self._index.roots:
            name = (kind, meta.namespace, meta.name)
            if (namesake := self._named.get(name)) is not None and namesake != meta.uid:
                self._drop(kind, namesake)
            self._named[name] = meta.uid
        self._counts[kind, meta.namespace] += 1
        self._index.add(kind, obj, engine)
        if engine is not None:
            self.dirty |= self._index.swallowed(meta.uid)

    def _drop(self, kind: str, uid: str) -> None:
        index = self._index
        obj = index.objects[kind].get(uid)
        if obj is None:
            return
        meta = obj.metadata
        self.dirty |= index.above(kind, obj) | index.swallowed(uid)
        index.remove(kind, uid)
        self._counts[kind, meta.namespace] -= 1
        if self._named.get(name := (kind, meta.namespace, meta.name)) == uid:
            del self._named[name]
        if uid in self.roots:
            self._unroot(uid)
        for event in index.find((Via.INVOLVED.value, EVENT.name, uid)):
            self._drop(EVENT.name, event.metadata.uid)

    def _unroot(self, uid: str) -> None:
        del self.roots[uid]
        self._index.engine.pop(uid, None)
        self.dirty.add(uid)

    def _bound(self, key: Key, event: Any, known: bool) -> bool:
        """Keep only the newest Events of an object, and few of objects not seen yet; answers whether this one
        was news to a root."""
        events = [e for e in self._index.find(key) if (e.type == TYPE) is (event.type == TYPE)]
        if len(events) > EVENTS:
            oldest = min(events, key=_last)
            self._drop(EVENT.name, oldest.metadata.uid)
            known = known and oldest is not event
        about = event.involved_object
        if about.uid not in self._index.objects[about.kind]:
            self._strays[key] = about.kind
            if len(self._strays) > STRAYS:
                self._forget_stray()
        return known

    def _forget_stray(self) -> None:
        key = next(iter(self._strays))
        if key[-1] not in self._index.objects[self._strays.pop(key)]:
            for event in self._index.find(key):
                self._drop(EVENT.name, event.metadata.uid)


def _last(event: Any) -> tuple[float, str]:
    seen = last(event)
    return (seen.timestamp() if seen is not None else 0.0), event.metadata.name


def _namespace(item: Object | Unreadable) -> str:
    return item.namespace if isinstance(item, Unreadable) else item.metadata.namespace
