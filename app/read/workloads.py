"""Workloads as a list and one by one, read from the fleet: what /api/v1/workloads answers.

What is said of a workload whose sources are silent is what was last known, and its attention is then UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest

from app.domain.freshness import Freshness
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision, Weight
from app.domain.rollout import (
    Attention,
    Caution,
    Check,
    Health,
    Phase,
    Pod,
    PodCounts,
    Problem,
    Step,
    Strategy,
    WaitsFor,
)
from app.domain.stages import Typical
from app.engines import required

from .conditions import ConditionLine, condition_lines
from .fleet import Fleet
from .past import LogTail, PastEvent, PastRollout, Told
from .query import version_of
from .readiness import Readiness
from .restless import as_of, until
from .rows import SourceRow, WorkloadRow
from .sources import covering, judged

Position = tuple[str, str, str, str, str]
"""Where a workload stands in the list: cluster, namespace, kind, name, key."""


@dataclass(frozen=True, slots=True)
class WorkloadQuery:
    """Which workloads: any of the values of each list, all if it is empty; `q` is words that must all be
    found."""

    q: str = ""
    service: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    phase: tuple[Phase, ...] = ()
    attention: tuple[Attention, ...] = ()

    def takes(self, row: WorkloadRow, attention: Attention) -> bool:
        """Whether `row`, which wears `attention`, is asked for."""
        ref, place = row.ref, row.place
        asked = (
            (self.service, place.service),
            (self.environment, place.environment),
            (self.team, place.team),
            (self.cluster, ref.cluster),
            (self.namespace, ref.namespace),
            (self.kind, ref.kind),
            (self.phase, row.state.phase),
            (self.attention, attention),
        )
        if any(wanted and value not in wanted for wanted, value in asked):
            return False
        if not self.q:
            return True
        known = f"{ref} {place.service} {place.environment} {place.team} {version_of(row)}".casefold()
        return all(word in known for word in self.q.casefold().split())


@dataclass(frozen=True, slots=True)
class WorkloadItem:
    """A workload in a list. `step` counts from 0 and is None where there are no steps; `steps` is how
    many."""

    key: str
    ref: WorkloadRef
    place: Place
    engine: str
    attention: Attention
    freshness: Freshness
    phase: Phase
    health: Health
    message: str
    strategy: Strategy
    version: str
    stable_version: str
    progress: int
    step: int | None
    steps: int
    weight: Weight | None
    counts: PodCounts
    waits_for: WaitsFor
    paused: bool
    since: datetime
    seen_at: datetime
    landed_at: datetime | None
    rollout_started_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkloadDetail:
    """One workload with all that is known of it; revisions newest first. `conditions` are those that the cluster
    states. `history` are the latest of
    `history_total` rollouts, of whatever bore this name; `typical` is how long they usually take. `events`
    are the newest copied from the cluster, which may have forgotten them; `logs` the last lines of
    containers that crashed; `readiness`
    is what the last dry run of a rollback said, null before the first."""

    workload: WorkloadItem
    revisions: tuple[Revision, ...]
    steps: tuple[Step, ...]
    pods: tuple[Pod, ...]
    problems: tuple[Problem, ...]
    started_at: datetime | None
    deadline_at: datetime | None
    cautions: tuple[Caution, ...]
    checks: tuple[Check, ...]
    conditions: tuple[ConditionLine, ...]
    history: tuple[PastRollout, ...]
    history_total: int
    typical: Typical | None
    events: tuple[PastEvent, ...]
    logs: tuple[LogTail, ...]
    readiness: Readiness | None


class Verdicts:
    """How fresh what is said of a workload is, by cluster, namespace and required kinds. Equal if every source is
    judged alike, and the same of `rows` are in the shadow of a crash."""

    def __init__(self, sources: Iterable[SourceRow], now: datetime, rows: Iterable[WorkloadRow] = ()) -> None:
        self.now = now
        self._restless = frozenset(row.key for row in rows if (calm := until(row)) and calm > now)
        self._sources: dict[str, list[SourceRow]] = {}
        for row in sources:
            self._sources.setdefault(row.cluster, []).append(judged(row, now))
        self._known: dict[tuple[str, str, frozenset[str]], Freshness] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdicts) and (self._told(), self._restless) == (
            other._told(),
            other._restless,
        )

    __hash__ = None  # type: ignore[assignment]

    def of(self, row: WorkloadRow) -> Freshness:
        """The worst freshness among the sources `row` is read from."""
        kinds = required(row.engine, row.ref.kind)
        scope = (row.ref.cluster, row.ref.namespace, kinds)
        if scope not in self._known:
            sources = self._sources.get(row.ref.cluster, ())
            self._known[scope] = covering(sources, kinds, row.ref.namespace)[0]
        return self._known[scope]

    def attention(self, row: WorkloadRow) -> Attention:
        """What `row` may wear: never a state nobody has seen of late."""
        blind = self.of(row) in (Freshness.STALE, Freshness.UNKNOWN)
        return Attention.UNKNOWN if blind else as_of(row, self.now).attention

    def _told(self) -> Mapping[str, Freshness]:
        return {row.key: row.freshness for rows in self._sources.values() for row in rows}


def position(row: WorkloadRow) -> Position:
    """The place of `row` in the order of the list."""
    return row.ref.cluster, row.ref.namespace, row.ref.kind, row.ref.name, row.key


def page(
    fleet: Fleet, query: WorkloadQuery, now: datetime, after: Position | None, limit: int
) -> tuple[tuple[WorkloadItem, ...], Position | None]:
    """Up to `limit` workloads that come after `after`, and the position to go on from (None: that was
    all)."""
    verdicts = Verdicts(fleet.sources.values(), now)
    wanted = (
        row
        for row in fleet.workloads.values()
        if (after is None or position(row) > after) and query.takes(row, verdicts.attention(row))
    )
    rows = nsmallest(limit + 1, wanted, key=position)
    items = tuple(item(row, verdicts) for row in rows[:limit])
    return items, position(rows[limit - 1]) if len(rows) > limit else None


def item(row: WorkloadRow, verdicts: Verdicts) -> WorkloadItem:
    """`row` as an item of the list."""
    state = as_of(row, verdicts.now).state
    return WorkloadItem(
        key=row.key,
        ref=row.ref,
        place=row.place,
        engine=row.engine,
        attention=verdicts.attention(row),
        freshness=verdicts.of(row),
        phase=state.phase,
        health=state.health,
        message=state.message,
        strategy=state.strategy,
        version=state.revision.version if state.revision else "",
        stable_version=state.stable.version if state.stable else "",
        progress=state.progress,
        step=state.step_index,
        steps=len(state.steps),
        weight=state.weight,
        counts=state.counts,
        waits_for=state.waits_for,
        paused=state.paused,
        since=row.since,
        seen_at=row.seen_at,
        landed_at=row.landed_at,
        rollout_started_at=row.rollout_started_at,
    )


def detail(row: WorkloadRow, verdicts: Verdicts, told: Told) -> WorkloadDetail:
    """`row` in full, with what was `told` of its past."""
    state = as_of(row, verdicts.now).state
    return WorkloadDetail(
        workload=item(row, verdicts),
        revisions=state.revisions,
        steps=state.steps,
        pods=state.pods,
        problems=state.problems,
        started_at=state.started_at,
        deadline_at=state.deadline_at,
        cautions=state.cautions,
        checks=state.checks,
        conditions=condition_lines(state.conditions),
        history=told.rollouts,
        history_total=told.total,
        typical=told.typical,
        events=told.events,
        logs=told.logs,
        readiness=told.readiness,
    )
