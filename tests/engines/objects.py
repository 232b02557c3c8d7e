"""Objects for engine tests: case files (root, kin, expectation) decoded with the shapes, and states
compared in part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from app.domain.rollout import RolloutState
from app.engines import engine_for, shapes
from app.engines.port import Engine, Kin

CASES = Path(__file__).parent / "cases"
SHAPES: dict[str, type[shapes.Shape]] = {
    "Deployment": shapes.Deployment,
    "Rollout": shapes.Rollout,
    "ReplicaSet": shapes.ReplicaSet,
    "Pod": shapes.Pod,
}


@dataclass(frozen=True)
class Case:
    """One case file: objects as JSON would hold them, the kinds that could not be looked at, what must come
    out."""

    engine: str
    name: str
    documents: list[dict[str, Any]]
    missing: frozenset[str]
    expect: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.engine}: {self.name}"


def cases() -> Iterator[Case]:
    """Every case of every engine."""
    for path in sorted(CASES.glob("*/*.yaml")):
        *documents, last = yaml.safe_load_all(path.read_text())
        missing = frozenset(last.get("missing", ()))
        yield Case(path.parent.name, path.stem, documents, missing, last["expect"])


def decode(document: Mapping[str, Any]) -> Any:
    """One object, as the shape of its kind."""
    return msgspec.convert(document, type=SHAPES[document["kind"]])


def look(documents: list[dict[str, Any]], missing: frozenset[str] = frozenset()) -> tuple[Engine, Any, Kin]:
    """The engine, the root and its kin, from documents of which the first is the root."""
    root, *others = [decode(d) for d in documents]
    engine = engine_for(root)
    assert engine is not None
    replicasets = [o for o in others if isinstance(o, shapes.ReplicaSet)]
    return engine, root, Kin(replicasets, [o for o in others if isinstance(o, shapes.Pod)], missing)


def observe(documents: list[dict[str, Any]], missing: frozenset[str] = frozenset()) -> RolloutState:
    """The state of the documents' root."""
    engine, root, kin = look(documents, missing)
    return engine.observe(root, kin)


def differences(expected: object, actual: object, at: str = "") -> list[str]:
    """Where `actual` is not what `expected` names; members that are not named do not count."""
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            return [f"{at} is {actual!r}"]
        return [
            line
            for key, value in expected.items()
            for line in (
                differences(value, actual[key], f"{at}.{key}") if key in actual else [f"{at}.{key} is absent"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(actual, list | tuple) or len(actual) != len(expected):
            return [f"{at}: expected {expected!r}, is {actual!r}"]
        return [
            line
            for i, (a, b) in enumerate(zip(expected, actual, strict=True))
            for line in differences(a, b, f"{at}[{i}]")
        ]
    return [] if expected == actual else [f"{at}: expected {expected!r}, is {actual!r}"]
