"""What the board showed of a workload, kept: a compact document of it, and a digest that tells one from the next.

Pods are counted, not listed, but for those in trouble; what is as a new state would be is left out. Reading a
document is total, as in `mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import datetime
from functools import cache, reduce
from hashlib import blake2b
from operator import attrgetter, or_
from types import GenericAlias, SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from app.domain.facts import WorkloadObserved
from app.domain.history import Snapshot
from app.domain.names import Place
from app.domain.rollout import (
    CautionKind,
    Health,
    Phase,
    Pod,
    PodCondition,
    Problem,
    RolloutState,
    attention,
)

NAMED = 8
"""Pods in trouble kept by name."""
EVIDENCE = 200
"""Most characters kept of what a source itself said."""
Group = tuple[str, bool, PodCondition, int]
"""Pods that are alike: of which revision, whether that is the new one, how they are, how many."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A workload as it was shown. Pods without a name were only counted."""

    place: Place
    state: RolloutState
    since: datetime
    landed_at: datetime | None = None
    began_at: datetime | None = None
    pods: tuple[Group, ...] = ()


def digest(fact: WorkloadObserved, snapshot: Snapshot) -> str:
    """Equal for two looks that the board shows alike."""
    state = fact.state
    told: tuple[Any, ...] = (
        fact.place,
        (state.phase, state.health, attention(state), state.message, state.progress, state.paused),
        [(r.key, r.version) if r else None for r in (state.revision, state.stable)],
        [(step.label, step.state) for step in state.steps],
        (state.step_index, state.weight, state.counts.wanted, state.waits_for.kind, state.waits_for.what),
        (state.waits_for.until, state.waits_for.since, state.owner.held_until if state.owner else None),
        sorted((new, how, n) for (_, new, how), n in _counted(state.pods).items()),
        [(p.category, p.reason, p.message, p.pods) for p in state.problems],
        [(c.kind, c.since if c.kind is CautionKind.RESTARTS else c.message) for c in state.cautions],
        (snapshot.since, snapshot.landed_at, _began(snapshot)),
    )
    return blake2b(_encoder.encode(told), digest_size=8).hexdigest()


def encode(fact: WorkloadObserved, snapshot: Snapshot) -> str:
    """The document of a look."""
    state, named, others = fact.state, list[Pod](), list[Pod]()
    for pod in state.pods:
        odd = (pod.condition is PodCondition.FAILING or pod.message) and len(named) < NAMED
        (named if odd else others).append(pod)
    kept = {
        **dict(zip(_NAMES, _values(state), strict=True)),
        "pods": named,
        "problems": [_short(problem) for problem in state.problems],
    }
    shown = {
        "place": fact.place,
        "state": SimpleNamespace(**kept),
        "since": snapshot.since,
        "landed_at": snapshot.landed_at,
        "began_at": _began(snapshot),
        "pods": [(*group, n) for group, n in _counted(others).items()],
    }
    return _encoder.encode(msgspec.convert(SimpleNamespace(**shown), _COMPACT, from_attributes=True)).decode()


def decode(text: str, place: Place, at: datetime) -> Shown:
    """What `encode` kept at `at`, its pods as many as there were; what this version cannot read is of phase UNKNOWN,
    at `place`."""
    try:
        shown = _document.decode(text)
    except msgspec.DecodeError as error:
        state = RolloutState(
            Phase.UNKNOWN, Health.UNKNOWN, f"Written by another version of Shipboard: {error}."
        )
        return Shown(place, state, at)
    counted = (pod for revision, new, how, n in shown.pods for pod in [Pod("", revision, new, how)] * n)
    return replace(shown, state=replace(shown.state, pods=(*shown.state.pods, *counted)), pods=())


def _began(snapshot: Snapshot) -> datetime | None:
    """When the rollout that runs began."""
    return snapshot.rollout.started_at if snapshot.rollout and not snapshot.rollout.ended_at else None


def _counted(pods: Iterable[Pod]) -> dict[tuple[str, bool, PodCondition], int]:
    found: dict[tuple[str, bool, PodCondition], int] = {}
    for pod in pods:
        group = pod.revision, pod.new, pod.condition
        found[group] = found.get(group, 0) + 1
    return found


def _short(problem: Problem) -> Problem:
    return replace(problem, evidence=problem.evidence[:EVIDENCE])


def _compact(kind: Any) -> Any:
    """The type `kind` with a struct for each dataclass: written without what is as it would be made."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _struct(kind)
    if arguments := get_args(kind):
        inner = [_compact(each) for each in arguments]
        return (
            reduce(or_, inner)
            if get_origin(kind) in (Union, UnionType)
            else GenericAlias(tuple, tuple(inner))
        )
    return kind


@cache
def _struct(kind: Any) -> Any:
    types = get_type_hints(kind)
    told = [
        (f.name, _compact(types[f.name]))
        if f.default is MISSING
        else (f.name, _compact(types[f.name]), f.default)
        for f in fields(kind)
    ]
    assert all(f.default_factory is MISSING for f in fields(kind)), kind
    return msgspec.defstruct(kind.__name__, told, omit_defaults=True, frozen=True)


_NAMES = tuple(
    f.name for f in fields(RolloutState) if f.name not in ("revisions", "conditions", "pods", "problems")
)
_values = attrgetter(*_NAMES)
_document = msgspec.json.Decoder(Shown)
_encoder = msgspec.json.Encoder()
_COMPACT = _struct(Shown)
