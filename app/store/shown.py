"""What the board showed of a workload, kept: a compact document of it, and a digest that tells one from the next.

Pods are counted, not listed, but for those in trouble; what is as a new state would be is left out. Reading a
document is total, as in `mapping`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any

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


_document = msgspec.json.Decoder(Shown)
_encoder = msgspec.json.Encoder()


def digest(fact: WorkloadObserved, snapshot: Snapshot) -> str:
    """Equal for two looks that the board shows alike."""
    state, rollout = fact.state, snapshot.rollout
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
        (
            snapshot.since,
            snapshot.landed_at,
            rollout.started_at if rollout and not rollout.ended_at else None,
        ),
    )
    return blake2b(_encoder.encode(told), digest_size=8).hexdigest()


def encode(fact: WorkloadObserved, snapshot: Snapshot) -> str:
    """The document of a look."""
    state, rollout = fact.state, snapshot.rollout
    named = tuple(pod for pod in state.pods if pod.condition is PodCondition.FAILING or pod.message)[:NAMED]
    spare = _counted(state.pods) - _counted(named)
    kept = replace(
        state,
        revisions=(),
        conditions=(),
        pods=named,
        problems=tuple(_short(problem) for problem in state.problems),
    )
    shown = Shown(
        fact.place,
        kept,
        snapshot.since,
        snapshot.landed_at,
        rollout.started_at if rollout and not rollout.ended_at else None,
        tuple((*group, n) for group, n in spare.items()),
    )
    return _encoder.encode(_told(shown)).decode()


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


def _counted(pods: tuple[Pod, ...]) -> Counter[tuple[str, bool, PodCondition]]:
    return Counter((pod.revision, pod.new, pod.condition) for pod in pods)


def _short(problem: Problem) -> Problem:
    return replace(problem, evidence=problem.evidence[:EVIDENCE])


def _told(value: Any) -> Any:
    """`value` without the fields that are as they would be made."""
    if is_dataclass(value):
        return dict(_fields(value))
    return [_told(each) for each in value] if isinstance(value, tuple) else value


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    kind: Any = type(value)
    for name, default in _defaults(kind):
        if (found := getattr(value, name)) != default:
            yield name, _told(found)


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Names of fields with what they are when nothing is said; MISSING equals nothing."""
    assert all(f.default_factory is MISSING for f in fields(kind)), kind
    return tuple((f.name, f.default) for f in fields(kind))
