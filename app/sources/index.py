"""Which of a cluster's objects hang together, and which roots an object is read with.

Relations as `kinship` tells them, kept as two dictionaries: children by the keys they offer, anchors by the
keys they ask. Nothing here knows an engine or a kind. What a uid leads to is remembered until something that
could lie on the way changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..engines import kinship
from ..engines.kinship import BY_UID, Key
from ..engines.port import Engine, Kin, Relation, Via

_Step = tuple[Engine, int, Relation]
"""One relation of an engine, with its place among them: on the way up only earlier ones follow."""


class Index:
    """`objects` by kind and uid; `engine` of each root, by uid (of unreadable ones too)."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        relations = [(e, i, r) for e in engines for i, r in enumerate(e.relations)]
        self.roots = frozenset(e.root.name for e in engines)
        kinds = self.roots.union(r.kind.name for _, _, r in relations)
        self.objects: dict[str, dict[str, Any]] = {kind: {} for kind in sorted(kinds)}
        self.engine: dict[str, Engine] = {}
        self._engines = {kind: [e for e in engines if e.root.name == kind] for kind in self.roots}
        self._offered: dict[Key, dict[str, None]] = {}
        self._asked: dict[Key, dict[str, None]] = {}
        self._led: dict[Key, tuple[str, ...]] = {}
        self._steps: defaultdict[tuple[str, str], list[_Step]] = defaultdict(list)
        self._swallows: defaultdict[str, list[_Step]] = defaultdict(list)
        self._ways: defaultdict[str, dict[Via, None]] = defaultdict(dict)
        self._asks: defaultdict[str, dict[tuple[Via, str], Relation]] = defaultdict(dict)
        for engine, place, relation in relations:
            kind = relation.kind.name
            self._steps[relation.via, kind].append((engine, place, relation))
            self._ways[kind][relation.via] = None
            if relation.swallows:
                self._swallows[kind].append((engine, place, relation))
            for of in filter(None, relation.of):
                self._asks[of].setdefault((relation.via, kind), relation)
        anchors = {of or e.root.name for e, _, r in relations for of in r.of}
        children: defaultdict[str, set[str]] = defaultdict(set)
        for e, _, r in relations:
            for of in r.of:
                children[of or e.root.name].add(r.kind.name)
        self._anchors = anchors
        self._ends = {
            kind: [(via.value, child) for via, child in self._asks[kind] if via in BY_UID]
            for kind in anchors
            if not children[kind] & anchors
        }

    def claimed(self, kind: str, root: Any) -> Engine | None:
        """The engine that reads this object of `kind` as a root."""
        return next((e for e in self._engines.get(kind, ()) if e.claims(root)), None)

    def holders(self, kind: str) -> frozenset[str] | None:
        """The kinds of object that one of `kind` must hang on to be of any use, by uid; None when it can be
        found in other ways, or is a root."""
        if kind in self.roots or not set(self._ways[kind]) <= set(BY_UID):
            return None
        steps = (step for via in self._ways[kind] for step in self._steps[via, kind])
        return frozenset(of or engine.root.name for engine, _, relation in steps for of in relation.of)

    def held(self, kind: str) -> Via | None:
        """The one way by which objects of `kind` are found, when that and what hangs on them is told by uids
        alone."""
        ways = tuple(self._ways[kind])
        by_uid = all(via in BY_UID for via, _ in self._asks[kind])
        return ways[0] if kind not in self.roots and by_uid and len(ways) == 1 and ways[0] in BY_UID else None

    # -- one object --------------------

    def standing(self, kind: str, obj: Any, engine: Engine | None) -> tuple[object, ...]:
        """All that decides what an object hangs together with: equal for two versions of it that need no new
        look."""
        ends = (*self._offers(kind, obj), *self._wants(kind, obj, engine))
        return engine, ends, kinship.bonds(obj)

    def add(self, kind: str, obj: Any, engine: Engine | None = None) -> None:
        """Take in an object that is not there; `engine` is whose root it is."""
        uid = obj.metadata.uid
        self.objects[kind][uid] = obj
        if engine is not None:
            self.engine[uid] = engine
        for key in self._offers(kind, obj):
            self._offered.setdefault(key, {})[uid] = None
        for key in self._wants(kind, obj, engine):
            self._asked.setdefault(key, {})[uid] = None
        self._forget(kind, uid)

    def remove(self, kind: str, uid: str) -> Any | None:
        """Take out an object and answer it; None when it is not there."""
        obj = self.objects[kind].pop(uid, None)
        if obj is None:
            return None
        engine = self.engine.pop(uid, None)
        for key in self._offers(kind, obj):
            _discard(self._offered, key, uid)
        for key in self._wants(kind, obj, engine):
            _discard(self._asked, key, uid)
        self._forget(kind, uid)
        return obj

    # -- up: whom it concerns --------------------

    def led(self, key: Key) -> tuple[str, ...]:
        """Uids of the roots that are read with an object that offers this key of a uid."""
        known = self._led.get(key)
        if known is None:
            found: set[str] = set()
            for step in self._steps[Via(key[0]), key[1]]:
                self._ascend(step, key, None, found)
            known = tuple(found)
            if known:
                self._led[key] = known
        return known

    def above(self, kind: str, child: Any) -> set[str]:
        """Uids of the roots that are read with this object, itself not among them."""
        found: set[str] = set()
        for via in self._ways[kind]:
            for key in kinship.offers(via, kind, child):
                if via in BY_UID:
                    found.update(self.led(key))
                    continue
                for step in self._steps[via, kind]:
                    self._ascend(step, key, child, found)
        return found

    def hidden(self, uid: str, within: frozenset[str] = frozenset()) -> bool:
        """Whether a root is part of another one that is itself shown. Of roots that swallow each other in a
        circle none is hidden."""
        engine = self.engine.get(uid)
        root = self.objects[engine.root.name].get(uid) if engine is not None else None
        if engine is None or root is None:
            return False
        within |= {uid}
        return any(
            not self.hidden(other, within)
            for other in self._swallowers(engine.root.name, root)
            if other not in within
        )

    # -- down: what belongs to it --------------------

    def find(self, key: Key) -> list[Any]:
        """The objects that offer a key."""
        there = self.objects.get(key[1], {})
        return [there[uid] for uid in self._offered.get(key, ())]

    def kin(self, uid: str, missing: frozenset[str] = frozenset()) -> Kin:
        """The kin of a root; none of a kind that is `missing`."""
        engine = self.engine[uid]
        return kinship.gather(self.objects[engine.root.name][uid], engine.relations, self.find, missing)

    def swallowed(self, uid: str) -> set[str]:
        """Uids of all objects that a root swallows, and of those that they would, were they shown."""
        found: set[str] = set()
        left = [uid]
        while left:
            engine = self.engine.get(one := left.pop())
            root = self.objects[engine.root.name].get(one) if engine is not None else None
            if engine is not None and root is not None:
                more = kinship.swallowed(root, engine.relations, self.find) - found
                found |= more
                left += more
        return found

    # -- inside --------------------

    def _offers(self, kind: str, obj: Any) -> Iterator[Key]:
        for via in self._ways[kind]:
            yield from kinship.offers(via, kind, obj)

    def _wants(self, kind: str, obj: Any, engine: Engine | None) -> Iterator[Key]:
        """The keys to be indexed; those of a uid need not be."""
        for relation in engine.relations if engine is not None else ():
            if "" in relation.of and relation.via not in BY_UID:
                yield from kinship.asks(relation, "", obj)
        for relation in self._asks[kind].values():
            if relation.via not in BY_UID:
                yield from kinship.asks(relation, kind, obj)

    def _swallowers(self, kind: str, child: Any) -> Iterator[str]:
        for engine, _, relation in self._swallows[kind]:
            for key in kinship.offers(relation.via, kind, child):
                for uid in self._asked.get(key, ()):
                    anchor = self.objects[engine.root.name].get(uid)
                    if self.engine.get(uid) is engine and kinship.holds(relation, anchor, child):
                        yield uid

    def _ascend(self, step: _Step, key: Key, child: Any, found: set[str]) -> None:
        engine, place, relation = step
        uids: Iterable[str] = (key[-1],) if relation.via in BY_UID else self._asked.get(key, ())
        for of in relation.of:
            there = self.objects[of or engine.root.name]
            for uid in uids:
                anchor = there.get(uid)
                if anchor is None or (child is not None and not kinship.holds(relation, anchor, child)):
                    continue
                if not of:
                    if self.engine.get(uid) is engine:
                        found.add(uid)
                    continue
                for earlier, other in enumerate(engine.relations[:place]):
                    if other.kind.name == of:
                        for higher in kinship.offers(other.via, of, anchor):
                            self._ascend((engine, earlier, other), higher, anchor, found)

    def _forget(self, kind: str, uid: str) -> None:
        if (ends := self._ends.get(kind)) is not None:
            for via, child in ends:
                self._led.pop((via, child, uid), None)
        elif kind in self._anchors:
            self._led.clear()


def _discard(index: dict[Key, dict[str, None]], key: Key, uid: str) -> None:
    if (uids := index.get(key)) is not None:
        uids.pop(uid, None)
        if not uids:
            del index[key]
