"""Objects for engine tests: case files (root, kin, expectation) decoded with the shapes, and states
compared in part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from app.domain.rollout import RolloutState
from app.engines import ENGINES, engine_for, kinship, shapes
from app.engines.port import Engine, Kin

CASES = Path(__file__).parent / "cases"
SHAPES = shapes.SHAPES
WAYS = frozenset((r.via, r.kind.name) for engine in ENGINES for r in engine.relations)


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
    kinds = [d["kind"] for d in documents[1:]]
    return engine, root, kin(engine, root, zip(kinds, others, strict=True), missing)


def kin(engine: Engine, root: Any, others: Iterable[tuple[str, Any]], missing: frozenset[str]) -> Kin:
    """The kin of a root among objects given with their kinds, found by the keys they offer."""
    offered = defaultdict(list)
    for kind, child in others:
        for via, of in WAYS:
            for key in kinship.offers(via, kind, child) if of == kind else ():
                offered[key].append(child)
    return kinship.gather(root, engine.relations, lambda key: offered.get(key, ()), missing)


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
