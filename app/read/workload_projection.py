"""The page of one workload, kept up: by the rows that topics name, and by time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ..domain.drills import PRODUCTION, why_not
from ..domain.freshness import Freshness
from ..domain.names import Topic, WorkloadRef
from ..domain.policy import Blocker
from ..domain.rollout import Attention, PodCondition
from ..engines.owners import spoken
from ..engines.port import POD, REPLICASET
from .acts import Acts, acts, hold
from .board import Clause, Sentence
from .cells import LANDED
from .commands import line_of
from .conditions import condition_lines
from .courses import pace
from .fleet import Fleet
from .landing import landing
from .lines import history_lines
from .past import Told
from .query import version_of
from .readiness import Proof
from .remade import Remade
from .restless import as_of
from .road import road
from .rows import WorkloadRow
from .sides import LISTED, pod_lines, sides, traffic
from .sources import covering, listening
from .telling import STRATEGIES, Clock, clock, sentence, standing
from .words import by_hand, title, was, word
from .workload import Beside, KeptRevision, WorkloadPage

KEPT = 6
"""Most kept revisions listed."""


class WorkloadProjection(Remade[WorkloadPage]):
    """The page of the workload at `ref`, kept up by topics and by time; no drill is offered in `production`. KeyError
    when there is none."""

    def __init__(
        self, fleet: Fleet, ref: WorkloadRef, now: datetime, production: frozenset[str] = PRODUCTION
    ) -> None:
        self._ref, self._production = ref, production
        self._past = fleet.past(ref)
        found = fleet.at(ref)
        if found is None:
            raise KeyError(str(ref))
        self._row, self._gone = found, False
        super().__init__(fleet, now)

    @property
    def _cluster(self) -> str:
        return self._ref.cluster

    def apply(self, topics: Iterable[Topic], now: datetime) -> bool:
        """Take in the rows that `topics` name; whether the page changed."""
        mine = {self._row.key, *self._fleet.by_service.get(self._row.place.service, ())}
        mine |= {row.key for row in self._others}
        named = {topic.key for topic in topics if topic.sort == "workload"}
        if any(topic.sort == "source" for topic in topics):
            self._judge(now)
        new = [row for key in named if (row := self._fleet.workloads.get(key)) and row.ref == self._ref]
        if new:
            self._row, self._gone = max(new, key=lambda row: row.seen_at), False
        elif self._row.key in named and self._row.key not in self._fleet.workloads:
            self._gone = True
        elif not named & mine and all(topic.sort == "workload" for topic in topics):
            return False
        return self._again(now)

    def _make(self) -> WorkloadPage:
        row = as_of(self._row, self._now)
        state = row.state
        told = self._past.told if self._past else Told()
        freshness, source = covering(
            self._sources, frozenset({row.ref.kind, REPLICASET.name, POD.name}), row.ref.namespace
        )
        unseen = (source.message if source else "") if freshness in _BLIND else None
        attention = Attention.UNKNOWN if unseen is not None or self._gone else row.attention
        heard_at = source.contact_at if source and unseen is not None else None
        if unseen is not None and row.attention is not Attention.UNKNOWN:
            unseen = f"{was(state, row.attention)} {unseen}".strip()
        said = sentence(row, attention, unseen)
        if self._gone:
            text = f"{row.ref.kind} {row.ref.name} was deleted"
            last = Clause(None, "What you see is how it was", ".")
            said = Sentence((Clause(Attention.UNKNOWN, text, "."), last), f"{text}. {last.text}.")
        moving = told.rollouts[0] if told.rollouts and told.rollouts[0].rollout.ended_at is None else None
        last_one = told.rollouts[0] if told.rollouts else None
        key = state.revision.key if state.revision else ""
        seen = moving or (last_one if last_one and last_one.rollout.to_revision == key else None)
        landed = (
            attention is Attention.GOOD and row.landed_at is not None and self._now - row.landed_at < LANDED
        )
        counted = self._counting(row, attention, heard_at, told)
        pods = pod_lines(state, unseen=attention is Attention.UNKNOWN)
        return WorkloadPage(
            ref=row.ref,
            place=row.place,
            title=title(row.place.environment),
            gone=self._gone,
            attention=attention,
            landed=landed,
            quiet=attention is Attention.GOOD and not landed,
            version=version_of(row),
            sentence=said,
            clock=counted,
            road=road(row.engine, state, seen.stages if seen else ()),
            problems=state.problems,
            cautions=state.cautions,
            checks=state.checks,
            conditions=condition_lines(state.conditions),
            sides=sides(state, attention, row.landed_at),
            wanted=state.counts.wanted,
            traffic=traffic(state, attention),
            standing=(*standing(state), *_replaces(row)),
            until=state.waits_for.until,
            deadline_at=state.deadline_at,
            rows=pods,
            more=max(0, len(state.pods) - LISTED),
            past=told,
            history=history_lines(told.rollouts, attention, word(state, attention)),
            identity=_identity(row),
            kept=_kept(row),
            by_hand=by_hand(row.ref, next((p for p in state.pods if p.condition is _FAILING), None)),
            beside=self._beside(),
            landed_at=row.landed_at,
            heard_at=heard_at,
            sources=listening(self._sources),
            acts=Acts() if self._gone else acts(row, _barred(told), told.record),
            hold=hold(state.owner),
            ready=told.readiness.accepted if told.readiness and told.readiness.fresh(self._now) else None,
            proof=told.readiness.proof(self._now) if told.readiness else Proof.NONE,
            drill=None if row.place.environment in self._production else why_not(state),
            asked=tuple(
                line_of(each.kept, landing(each, None if self._gone else row, attention, self._now))
                for each in told.asked
            ),
            flags=() if self._gone else self._fleet.marks.of(row.key),
        )

    @property
    def _others(self) -> list[WorkloadRow]:
        keys = self._fleet.by_service.get(self._row.place.service, ())
        found = (self._fleet.workloads.get(key) for key in keys)
        return [as_of(row, self._now) for row in found if row and row.ref != self._ref]

    def _beside(self) -> tuple[Beside, ...]:
        rows = sorted(self._others, key=lambda r: (r.place.environment != self._row.place.environment, r.ref))
        return tuple(
            Beside(
                title=title(row.place.environment),
                ref=str(row.ref),
                label=" ".join(_differs(row, self._row)),
                attention=row.attention,
                version=version_of(row),
                word=word(row.state, row.attention),
            )
            for row in rows[:12]
        )

    def _counting(
        self, row: WorkloadRow, attention: Attention, heard_at: datetime | None, told: Told
    ) -> Clock | None:
        found = None if self._gone else clock(row, attention, heard_at)
        if found and attention is Attention.MOVING and told.typical and found.until is None:
            n = told.typical.count
            took = _minutes(told.typical.seconds)
            usual = f"the last one took {took}" if n == 1 else f"usually {took}, by the last {n}"
            found = replace(found, caption=f"since it began; {usual}")
        return found


_BLIND = (Freshness.STALE, Freshness.UNKNOWN)
_FAILING = PodCondition.FAILING


def _minutes(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds // 3600} h {seconds // 60 % 60:02d} min"


def _differs(row: WorkloadRow, other: WorkloadRow) -> list[str]:
    said = [row.ref.cluster] if row.ref.cluster != other.ref.cluster else []
    return said + ([row.ref.name] if row.ref.name != other.ref.name else [])


def _replaces(row: WorkloadRow) -> tuple[tuple[str, str], ...]:
    how = pace(row.state, row.engine)
    return (("Replaces", how),) if how else ()


def _barred(told: Told) -> Blocker | None:
    """The cluster lets Shipboard change nothing here, as the last rehearsal found."""
    ready = told.readiness
    if ready is None or ready.rule != "access":
        return None
    return Blocker(
        "access", ready.said, "Whoever runs the cluster can bind the role of deploy/act-role.yaml."
    )


def _identity(row: WorkloadRow) -> tuple[tuple[str, str], ...]:
    said = [
        ("Kind", f"{row.ref.kind}, {STRATEGIES[row.state.strategy].lower()}"),
        ("Cluster", row.ref.cluster),
        ("Namespace", row.ref.namespace),
        ("Name", row.ref.name),
    ]
    if owner := row.state.owner:
        said.append(("Managed by", spoken(owner)))
    return (*said, *((("Team", row.place.team),) if row.place.team else ()))


def _kept(row: WorkloadRow) -> tuple[KeptRevision, ...]:
    now = row.state.revision.key if row.state.revision else ""
    return tuple(
        KeptRevision(r.version or "?", r.number, r.created_at, r.ready, r.key == now)
        for r in row.state.revisions[:KEPT]
    )
