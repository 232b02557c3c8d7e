"""Objects from public repositories, outside this tree: they decode or are refused, and what decodes is
observed.

Looked for in $SHIPBOARD_CORPORA, else in ../shared/corpora beside the repository; skipped where there are
none.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml

from app.domain.rollout import SETTLED
from app.engines import ENGINES, engine_for, shapes
from app.engines.kinship import MEMBERS
from app.engines.port import Kin
from tests.engines.objects import SHAPES

_REPOSITORY = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("SHIPBOARD_CORPORA") or _REPOSITORY / ".." / "shared" / "corpora")
KINDS = ("argo-rollout", "k8s-object", "argocd-object")

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora here")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a known kind in a document, in lists and in Argo CD's wrappers too."""
    if isinstance(value, dict):
        kind = value.get("kind")
        if isinstance(kind, str) and kind in SHAPES and isinstance(value.get("metadata"), dict):
            yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _documents(path: Path) -> list[Any]:
    """What a file holds; nothing where it is no such file."""
    try:
        if path.suffix == ".json":
            return [msgspec.json.decode(path.read_bytes())]
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def _folders() -> Iterator[list[dict[str, Any]]]:
    """The objects of each folder; schemas hold none."""
    for kind in KINDS:
        for folder in sorted({path.parent for path in (CORPORA / kind).rglob("*.*") if path.is_file()}):
            if folder.name != "schemas":
                yield list(
                    _objects([_documents(path) for path in sorted(folder.iterdir()) if path.is_file()])
                )


def test_public_objects_are_observed_without_an_error() -> None:
    seen: Counter[str] = Counter()
    for found in _folders():
        objects: dict[str, list[Any]] = defaultdict(list)
        for document in found:
            try:
                objects[document["kind"]].append(msgspec.convert(document, SHAPES[document["kind"]]))
            except msgspec.ValidationError:
                seen["refused"] += 1
        related: dict[str, Any] = {member: objects[kind] for kind, member in MEMBERS.items()}
        related["warnings"] = {e.involved_object.uid: [e] for e in objects["Event"] if e.involved_object}
        kin = Kin(**related)
        for shape in get_args(shapes.Root):
            roots = [o for members in objects.values() for o in members if isinstance(o, shape)]
            for root in roots or [shape(metadata=shapes.Meta(generation=1))]:
                for engine in ENGINES if engine_for(root) else ():
                    state = engine.observe(root, kin)
                    assert state.message or state.phase in SETTLED
                    seen[engine.name] += engine.claims(root) and bool(roots)
        seen["pods"] += len(kin.pods)

    assert seen["deployment"] >= 5, seen
    assert seen["argo-rollouts"] >= 5, seen
    assert seen["pods"] >= 20, seen
    assert seen["refused"] <= 2, seen
