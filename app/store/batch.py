"""What facts add to what is known: the rows that one call is to write. No database, only what was read of it before.

Facts are taken in their order; a look that shows nothing new adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain import course, history, shutdown
from app.domain.facts import (
    EventObserved,
    Fact,
    LogRead,
    SourceObserved,
    SourcesNamed,
    WorkloadGone,
    WorkloadObserved,
    WorkloadsListed,
)
from app.domain.names import Place, Topic, WorkloadRef
from app.domain.rollout import Caution, RolloutState
from app.store import mapping, shown
from app.store.mapping import Values

REPORTED = timedelta(seconds=10)
"""A source that says the same is written again after this long: that it still speaks is told by `seen_at`,
which readers hold against it after 30 s."""


@dataclass(frozen=True, slots=True)
class Known:
    """A workload's row, as far as the next look is compared with it. `state` is encoded; `shown` is empty until a
    state was kept to look back at. `sample` and `cautions` are of the state, None where it has yet to be read."""

    ref: WorkloadRef
    place: Place
    engine: str
    state: str
    snapshot: history.Snapshot
    gone: bool = False
    shown: str = ""
    sample: course.Sample | None = None
    cautions: tuple[Caution, ...] | None = None

    @property
    def face(self) -> tuple[WorkloadRef, Place, str, str, bool]:
        """What makes a look differ from the one before."""
        return self.ref, self.place, self.engine, self.state, self.gone


@dataclass(slots=True)
class Batch:
    """What one call adds to the database. `known` and `sources` are the rows as they will be, `dropped` the keys of
    sources that are no more."""

    known: dict[str, Known]
    sources: dict[str, SourceObserved]
    listed: Mapping[WorkloadsListed, Iterable[str]]
    dropped: frozenset[str]
    workloads: dict[str, Values] = field(default_factory=dict)
    ended: dict[str, datetime] = field(default_factory=dict)
    transitions: list[Values] = field(default_factory=list)
    states: list[Values] = field(default_factory=list)
    rollouts: dict[str, Values] = field(default_factory=dict)
    samples: list[Values] = field(default_factory=list)
    events: dict[str, Values] = field(default_factory=dict)
    endings: list[Values] = field(default_factory=list)
    logs: dict[str, Values] = field(default_factory=dict)
    topics: set[Topic] = field(default_factory=set)

    def take(self, fact: Fact) -> None:
        """Fold one fact in."""
        match fact:
            case WorkloadObserved():
                self._observed(fact)
            case WorkloadGone():
                self._gone(fact.key, fact.seen_at)
            case EventObserved() | LogRead():
                if fact.workload in self.known:
                    if isinstance(fact, LogRead):
                        self.logs[fact.key] = mapping.log_values(fact)
                    else:
                        self.events[fact.key] = mapping.event_values(fact)
                    self.topics.add(Topic("workload", fact.workload))
            case WorkloadsListed():
                for key in {
                    *self.listed[fact],
                    *(k for k in self.workloads if _covers(fact, self.known[k].ref)),
                }:
                    if key.partition(":")[2] not in fact.uids:
                        self._gone(key, fact.seen_at)
            case SourceObserved() if fact.key not in self.dropped:
                before = self.sources.get(fact.key)
                if (
                    before is None
                    or fact.seen_at - before.seen_at >= REPORTED
                    or replace(fact, seen_at=before.seen_at) != before
                ):
                    self.sources[fact.key] = fact
                    self.topics.add(Topic("source", fact.key))
            case SourcesNamed():
                self.topics |= {Topic("source", key) for key in self.dropped}

    def _observed(self, fact: WorkloadObserved) -> None:
        key, known = fact.key, self.known.get(fact.key)
        if (proven := _with_proof(known, fact.state)) is not fact.state:
            fact = replace(fact, state=proven)
        state = mapping.encode_state(fact.state)
        if known and known.shown and known.face == (fact.ref, fact.place, fact.engine, state, False):
            return
        change = history.fold(key, known.snapshot if known else None, fact.state, fact.seen_at)
        mark = shown.digest(fact, change.snapshot)
        if known is None or known.shown != mark:
            document = shown.encode(fact, change.snapshot)
            self.states.append({"workload": key, "at": fact.seen_at, "state": document})
        now = course.sample(fact.state, fact.seen_at)
        told = now, fact.state.cautions
        self.known[key] = Known(fact.ref, fact.place, fact.engine, state, change.snapshot, False, mark, *told)
        self.workloads[key] = mapping.workload_values(fact, state, change.snapshot, mark)
        self.ended.pop(key, None)
        self.topics.add(Topic("workload", key))
        if change.transition:
            self.transitions.append(mapping.transition_values(key, change.transition))
        for rollout in change.rollouts:
            self._rollout(key, fact.place, rollout)
        self._sample(known, change, now)
        self._endings(key, known.state if known else "", fact)

    def _sample(self, known: Known | None, change: history.Change, now: course.Sample) -> None:
        """How far the rollout is that runs, or that this look saw end; nothing where only words changed."""
        runs = _open(change.snapshot)
        rollout = runs or (_open(known.snapshot) if known else None)
        if rollout is None:
            return
        if known and runs == _open(known.snapshot):
            before = known.sample or course.sample(mapping.decode_state(known.state), now.at)
            if now.same(before):
                return
        self.samples.append(mapping.sample_values(rollout, now))

    def _endings(self, key: str, before: str, fact: WorkloadObserved) -> None:
        """Old pods that ended badly since the look before: they go on ending after their rollout is over."""
        seen = history.endings(fact.state)
        if seen == (0, 0):
            return
        killed, overran = (
            max(0, now - then) for now, then in zip(seen, mapping.endings_of(before), strict=True)
        )
        if killed or overran:
            self.endings.append(
                {"of": key, "at": fact.seen_at, "more_killed": killed, "more_overran": overran}
            )

    def _gone(self, key: str, at: datetime) -> None:
        known = self.known.get(key)
        if known is None or known.gone:
            return
        rollout = history.end(known.snapshot, at)
        if rollout:
            self._rollout(key, known.place, rollout)
        self.known[key] = replace(known, snapshot=replace(known.snapshot, rollout=None), gone=True, shown="")
        self.states.append({"workload": key, "at": at, "state": ""})
        self.ended[key] = at
        self.topics.add(Topic("workload", key))

    def _rollout(self, key: str, place: Place, rollout: history.Rollout) -> None:
        self.rollouts[rollout.id] = mapping.rollout_values(key, place, rollout)
        self.topics.add(Topic("rollout", rollout.id))


def _open(snapshot: history.Snapshot) -> str | None:
    """The rollout that runs."""
    return snapshot.rollout.id if snapshot.rollout and snapshot.rollout.ended_at is None else None


def _with_proof(known: Known | None, state: RolloutState) -> RolloutState:
    if known is None or known.snapshot.revision is None:
        return state
    before = mapping.cautions_of(known.state) if known.cautions is None else known.cautions
    return shutdown.kept(before, known.snapshot.revision.key, state)


def _covers(listing: WorkloadsListed, ref: WorkloadRef) -> bool:
    return (listing.cluster, listing.kind) == (ref.cluster, ref.kind) and listing.namespace in (
        "",
        ref.namespace,
    )
