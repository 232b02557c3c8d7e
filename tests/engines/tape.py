"""Replays a tape: a recording of what a real API server said, watch line by watch line, with the commands
run meanwhile.

A line is JSON: `watch` (one event of one resource), `cmd` (a kubectl run from t0 to t, with its output),
`mark` (a step of the scenario); `t` is in seconds since the start. Tapes are read with the shapes, indexed
by the keys that relations use, and observed anew at every event, as the collector does.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from app.domain.rollout import RolloutState
from app.engines import engine_for, kinship, observe, relatives, roots, shapes
from app.engines.port import EVENT, Kin
from tests.engines.objects import WAYS

UNASKED = frozenset(part.removeprefix("reason!=") for part in EVENT.fields.split(","))
"""Reasons of events that the field selector leaves out."""
TAPES = Path(__file__).parent.parent / "tapes"
KINDS = {kind.plural: kind.name for kind in (*roots(), *relatives())}
_DECODERS = {res: msgspec.json.Decoder(shapes.SHAPES[name]) for res, name in KINDS.items()}
_ROOTS = tuple(kind.plural for kind in roots())


class Change(msgspec.Struct):
    """One event of a watch."""

    type: str
    object: msgspec.Raw = msgspec.Raw()


class Line(msgspec.Struct):
    """One line of a tape."""

    kind: str
    t: float
    t0: float = 0.0
    res: str = ""
    event: Change | None = None
    body: msgspec.Raw = msgspec.Raw()
    text: str = ""
    argv: list[str] = []
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class Moment:
    """The root's state after an event; `raw` is the root as JSON said it, for an oracle that shares no
    code."""

    t: float
    name: str
    state: RolloutState
    raw: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One kubectl run: from when to when, its words after the namespace, and what it said."""

    t0: float
    t: float
    words: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class Mark:
    """One step of the scenario begins."""

    t: float
    text: str


@dataclass
class World:
    """The objects of a cluster as the collector keeps them."""

    edit: Callable[[str, dict[str, Any]], None] | None = None
    objects: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    raw: dict[str, dict[str, Any]] = field(default_factory=dict)
    offered: dict[kinship.Key, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def apply(self, res: str, event: Change) -> None:
        """Take in one event of a watched resource."""
        kind = KINDS[res]
        body = bytes(event.object)
        if self.edit is not None:
            document = msgspec.json.decode(body)
            self.edit(kind, document)
            body = msgspec.json.encode(document)
        seen = _DECODERS[res].decode(body)
        if kind == "Event" and seen.reason in UNASKED:
            return
        uid = seen.metadata.uid
        self._index(kind, self.objects[res].pop(uid, None), uid, False)
        if event.type == "DELETED":
            return
        self.objects[res][uid] = seen
        self._index(kind, seen, uid, True)
        if res in _ROOTS:
            self.raw[uid] = msgspec.json.decode(body)

    def _index(self, kind: str, child: Any, uid: str, there: bool) -> None:
        for via, of in WAYS if child is not None else ():
            for key in kinship.offers(via, kind, child) if of == kind else ():
                if there:
                    self.offered[key][uid] = child
                else:
                    self.offered[key].pop(uid, None)

    def find(self, key: kinship.Key) -> Iterable[Any]:
        return self.offered[key].values() if key in self.offered else ()

    def moments(self, t: float) -> Iterator[Moment]:
        """The state of every root now."""
        for root in [root for res in _ROOTS for root in self.objects[res].values()]:
            engine = engine_for(root)
            if engine is not None:
                state = observe(engine, root, self.kin(root))
                yield Moment(t, root.metadata.name, state, self.raw[root.metadata.uid])

    def kin(self, root: Any) -> Kin:
        engine = engine_for(root)
        assert engine is not None
        return kinship.gather(root, engine.relations, self.find)


def lines(name: str) -> Iterator[Line]:
    """A tape as it was recorded."""
    decoder = msgspec.json.Decoder(Line)
    with gzip.open(next(TAPES.glob(f"{name}-*.jsonl.gz")), "rb") as tape:
        for text in tape:
            yield decoder.decode(text)


def replay(
    name: str, edit: Callable[[str, dict[str, Any]], None] | None = None
) -> Iterator[Moment | Command | Mark]:
    """Everything that happened, in order; a moment for each root after each event that could concern it.
    `edit` may change objects before they are read."""
    world = World(edit)
    for line in lines(name):
        if line.kind == "mark":
            yield Mark(line.t, line.text)
        elif line.kind == "cmd":
            yield Command(line.t0, line.t, tuple(line.argv[3:]), line.stdout + line.stderr)
        elif line.kind == "watch" and line.event is not None and line.res in KINDS:
            if line.event.type not in ("ADDED", "MODIFIED", "DELETED"):
                continue
            world.apply(line.res, line.event)
            yield from world.moments(line.t)
