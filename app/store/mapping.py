"""Between rows and the domain's own types, and the documents inside rows.

Documents are JSON of the domain's dataclasses. Another version of Shipboard may have written them, so reading
a state is total: what cannot be understood is UNKNOWN, and says so.
"""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Row

from app.domain.course import Sample
from app.domain.facts import EventObserved, LogRead, SourceObserved, WorkloadObserved
from app.domain.freshness import Freshness
from app.domain.history import Rollout, Snapshot, Transition, endings
from app.domain.names import Place, WorkloadRef, cut
from app.domain.revisions import Revision
from app.domain.rollout import (
    Caution,
    CautionKind,
    Health,
    Outcome,
    Phase,
    RolloutKind,
    RolloutState,
    Strategy,
    attention,
)

Values = dict[str, Any]
"""A row to be written, by column."""
AnyRow = Row[*tuple[Any, ...]]
"""A row that was read."""


class _Cautious(msgspec.Struct):
    """Of a state only what `shutdown.kept` asks for."""

    cautions: tuple[Caution, ...] = ()


_Word = TypeVar("_Word", bound=StrEnum)
_encoder = msgspec.json.Encoder()
_state = msgspec.json.Decoder(RolloutState)
_cautions = msgspec.json.Decoder(_Cautious)
_texts = msgspec.json.Decoder(tuple[str, ...])


def encode_state(state: RolloutState) -> str:
    """`state` as compact JSON; equal states give equal text."""
    return _encoder.encode(state).decode()


def decode_state(text: str) -> RolloutState:
    """The state that `text` holds; one of phase UNKNOWN when this version cannot read it."""
    try:
        return _state.decode(text)
    except msgspec.DecodeError as error:
        return RolloutState(
            Phase.UNKNOWN, Health.UNKNOWN, f"Written by another version of Shipboard: {error}."
        )


def endings_of(text: str) -> tuple[int, int]:
    """`history.endings` of the state that `text` holds; most hold none, which is told without reading them."""
    told = f'"{CautionKind.KILLED}"' in text or f'"{CautionKind.OVERRAN}"' in text
    return endings(decode_state(text)) if told else (0, 0)


def cautions_of(text: str) -> tuple[Caution, ...]:
    """The cautions of the state that `text` holds; none when this version cannot read it."""
    try:
        return _cautions.decode(text).cautions
    except msgspec.DecodeError:
        return ()


def workload_values(fact: WorkloadObserved, state: str, snapshot: Snapshot, shown: str) -> Values:
    """The row of `workload` for a look; `state` is its state, encoded, `shown` the digest of what is shown of it."""
    revision = snapshot.revision
    return {
        "key": fact.key,
        "cluster": fact.ref.cluster,
        "namespace": fact.ref.namespace,
        "kind": fact.ref.kind,
        "name": fact.ref.name,
        "service": fact.place.service,
        "environment": fact.place.environment,
        "team": fact.place.team,
        "engine": fact.engine,
        "phase": fact.state.phase,
        "health": fact.state.health,
        "attention": attention(fact.state),
        "step": snapshot.step,
        "revision": revision.key if revision else None,
        "version": cut(revision.version) if revision else "",
        "revision_at": revision.created_at if revision else None,
        "message": cut(fact.state.message),
        "state": state,
        "since": snapshot.since,
        "seen_at": fact.seen_at,
        "gone_at": None,
        "landed_at": snapshot.landed_at,
        "rollout": snapshot.rollout.id if snapshot.rollout else None,
        "shown": shown,
    }


def snapshot_of(row: AnyRow) -> Snapshot:
    """What history remembers, from a row of `workload` joined to the rollout it names."""
    revision = (
        None
        if row.revision is None
        else Revision(row.revision, version=row.version, created_at=row.revision_at)
    )
    rollout = None
    if row.rollout and row.started_at:
        rollout = Rollout(
            row.rollout,
            strategy_of(row),
            row.from_revision,
            row.from_version,
            row.to_revision,
            row.to_version,
            row.back,
            row.started_at,
            row.ended_at,
            outcome_of(row),
            row.cause,
            rollout_kind_of(row),
        )
    return Snapshot(phase_of(row.phase), row.step, revision, row.since, row.landed_at, rollout)


def rollout_kind_of(row: AnyRow) -> RolloutKind:
    """The kind that a row of `rollout` names; another version may have written it."""
    return RolloutKind.RESTART if row.nature == RolloutKind.RESTART else RolloutKind.DEPLOYMENT


def ref_of(row: AnyRow) -> WorkloadRef:
    """Where the workload of a row is found."""
    return WorkloadRef(row.cluster, row.namespace, row.kind, row.name)


def place_of(row: AnyRow) -> Place:
    """The place that a row of `workload` or `rollout` names."""
    return Place(row.service, row.environment, row.team)


def transition_values(workload: str, transition: Transition) -> Values:
    """The row of `transition`."""
    return {
        "workload": workload,
        "at": transition.at,
        "before": transition.before,
        "after": transition.after,
        "revision": transition.revision,
        "version": cut(transition.version),
        "step": transition.step,
        "message": cut(transition.message),
        "label": cut(transition.label),
    }


def transition_of(row: AnyRow) -> Transition:
    """A row of `transition`."""
    before, after = phase_of(row.before), phase_of(row.after)
    return Transition(row.at, before, after, row.revision, row.version, row.step, row.message, row.label)


def rollout_values(workload: str, place: Place, rollout: Rollout) -> Values:
    """The row of `rollout`."""
    return {
        "id": rollout.id,
        "workload": workload,
        "service": place.service,
        "environment": place.environment,
        "team": place.team,
        "strategy": rollout.strategy,
        "from_revision": rollout.from_key,
        "from_version": cut(rollout.from_version),
        "to_revision": rollout.to_key,
        "to_version": cut(rollout.to_version),
        "back": rollout.back,
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
        "outcome": rollout.outcome,
        "cause": cut(rollout.cause),
        "nature": rollout.kind,
    }


def event_values(fact: EventObserved) -> Values:
    """The row of `event`."""
    return {
        "key": fact.key,
        "workload": fact.workload,
        "warning": fact.warning,
        "about": cut(fact.about),
        "reason": cut(fact.reason),
        "message": cut(fact.message),
        "times": fact.times,
        "first_at": fact.first_at,
        "last_at": fact.last_at,
    }


def log_values(fact: LogRead) -> Values:
    """The row of `logtail`."""
    names = {"key": fact.key, "workload": fact.workload, "pod": fact.pod, "container": fact.container}
    return {**names, "text": fact.text, "read_at": fact.seen_at}


def sample_values(rollout: str, sample: Sample) -> Values:
    """The row of `sample`."""
    return {"rollout": rollout, **{f.name: getattr(sample, f.name) for f in fields(sample)}}


def phase_of(word: str) -> Phase:
    """A phase as stored; UNKNOWN for a word that this version does not know."""
    return _member(Phase, word, Phase.UNKNOWN)


def outcome_of(row: AnyRow) -> Outcome | None:
    """How the rollout of a row ended; FAILED for a word that this version does not know."""
    return None if row.outcome is None else _member(Outcome, row.outcome, Outcome.FAILED)


def strategy_of(row: AnyRow) -> Strategy:
    """The strategy of a rollout's row."""
    return _member(Strategy, row.strategy, Strategy.UNKNOWN)


def source_values(fact: SourceObserved) -> Values:
    """The row of `source`."""
    return {
        "key": fact.key,
        "cluster": fact.cluster,
        "kind": fact.kind,
        "namespace": fact.namespace,
        "freshness": fact.freshness,
        "contact_at": fact.contact_at,
        "seen_at": fact.seen_at,
        "message": cut(fact.message),
        "objects": fact.objects,
        "lists": fact.lists,
        "watches": fact.watches,
        "events": fact.events,
        "errors": fact.errors,
        "unreadable": _encoder.encode(fact.unreadable).decode(),
        "installed": fact.installed,
    }


def source_of(row: AnyRow) -> SourceObserved:
    """The fact that a row of `source` keeps."""
    return SourceObserved(
        cluster=row.cluster,
        kind=row.kind,
        namespace=row.namespace,
        freshness=_member(Freshness, row.freshness, Freshness.UNKNOWN),
        contact_at=row.contact_at,
        seen_at=row.seen_at,
        message=row.message,
        objects=row.objects,
        lists=row.lists,
        watches=row.watches,
        events=row.events,
        errors=row.errors,
        unreadable=_texts.decode(row.unreadable),
        installed=row.installed,
    )


def _member(words: type[_Word], text: str, otherwise: _Word) -> _Word:
    try:
        return words(text)
    except ValueError:
        return otherwise
