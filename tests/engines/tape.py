"""Replays a tape: a recording of what a real API server said, watch line by watch line, with the commands
run meanwhile.

A line is JSON: `watch` (one event of one resource), `cmd` (a kubectl run from t0 to t, with its output),
`mark` (a step of the scenario); `t` is in seconds since the start. Tapes are read with the shapes, indexed
by owner, and observed anew at every event, as the collector does.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from app.domain.rollout import RolloutState
from app.engines import engine_for, shapes
from app.engines.port import Kin

TAPES = Path(__file__).parent.parent / "tapes"
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "deployments": msgspec.json.Decoder(shapes.Deployment),
    "rollouts": msgspec.json.Decoder(shapes.Rollout),
    "replicasets": msgspec.json.Decoder(shapes.ReplicaSet),
    "pods": msgspec.json.Decoder(shapes.Pod),
}
_ROOTS = ("deployments", "rollouts")


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    kind: str
    t: float
    t0: float = 0.0
    res: str = ""
    event: _Event | None = None
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
class _World:
    objects: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in _DECODERS})
    raw: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, res: str, event: _Event) -> None:
        if event.type not in ("ADDED", "MODIFIED", "DELETED"):
            return
        seen = _DECODERS[res].decode(event.object)
        if event.type == "DELETED":
            self.objects[res].pop(seen.metadata.uid, None)
            return
        self.objects[res][seen.metadata.uid] = seen
        if res in _ROOTS:
            self.raw[seen.metadata.uid] = msgspec.json.decode(event.object)

    def roots(self) -> Iterator[tuple[Any, Kin]]:
        for root in (root for res in _ROOTS for root in self.objects[res].values()):
            owned = [
                rs
                for rs in self.objects["replicasets"].values()
                if rs.metadata.owner_uid == root.metadata.uid
            ]
            uids = {rs.metadata.uid for rs in owned}
            yield root, Kin(owned, [p for p in self.objects["pods"].values() if p.metadata.owner_uid in uids])


def replay(name: str) -> Iterator[Moment | Command | Mark]:
    """Everything that happened, in order; a moment for each root after each event that could concern it."""
    path = next(TAPES.glob(f"{name}-*.jsonl.gz"))
    line_decoder = msgspec.json.Decoder(_Line)
    world = _World()
    with gzip.open(path, "rb") as tape:
        for text in tape:
            line = line_decoder.decode(text)
            if line.kind == "mark":
                yield Mark(line.t, line.text)
            elif line.kind == "cmd":
                yield Command(line.t0, line.t, tuple(line.argv[3:]), line.stdout + line.stderr)
            elif line.kind == "watch" and line.event is not None and line.res in _DECODERS:
                world.apply(line.res, line.event)
                for root, kin in world.roots():
                    engine = engine_for(root)
                    assert engine is not None
                    state = engine.observe(root, kin)
                    yield Moment(line.t, root.metadata.name, state, world.raw[root.metadata.uid])
