"""One workload: where it is on its way, why it stands, what runs, and what came before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from app.domain.drills import production
from app.domain.names import Topic
from app.read.fleet import Fleet
from app.read.lookback import PastFleet, still_workload
from app.read.past import Past
from app.read.sides import PodLine
from app.read.workload import WorkloadPage, WorkloadQuery
from app.read.workload_projection import WorkloadProjection

from .page import Dirty, Page

_REGIONS = (
    "sentence",
    "road",
    "acts",
    "why",
    "revisions",
    "course",
    "pods",
    "history",
    "asked",
    "events",
    "aside",
)


class _Workload:
    """`WorkloadProjection` as a page reads it."""

    name = "shown"

    def __init__(
        self, fleet: Fleet, query: WorkloadQuery, now: datetime, environments: Sequence[str]
    ) -> None:
        self._projection = WorkloadProjection(fleet, query.ref, now, production(environments))
        self._minute = int(now.timestamp()) // 60
        self._still = isinstance(fleet, PastFleet)

    @property
    def model(self) -> WorkloadPage:
        return still_workload(self._projection.page) if self._still else self._projection.page

    @property
    def columns(self) -> object:
        return self.model.ref

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        return self._projection.contacts

    def rows(self) -> Mapping[str, PodLine]:
        return {f"p-{row.slug}": row for row in self.model.rows}

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        before = self.rows()
        return self._dirty(before) if self._projection.apply(topics, now) else Dirty()

    def tick(self, now: datetime) -> Dirty:
        before, minute = self.rows(), int(now.timestamp()) // 60
        # the course of what runs ends where it was drawn: once a minute that is moved on
        moved = minute != self._minute and any(past.seconds is None for past in self.model.past.rollouts[:1])
        self._minute = minute
        if self._projection.tick(now):
            return self._dirty(before)
        return Dirty(frozenset({"course"})) if moved else Dirty()

    def _dirty(self, before: Mapping[str, PodLine]) -> Dirty:
        after = self.rows()
        return Dirty(
            frozenset({*_REGIONS, "foot"}),
            changed={i: row for i, row in after.items() if i in before and before[i] != row},
            added={i: row for i, row in after.items() if i not in before},
            removed=frozenset(before.keys() - after.keys()),
        )


async def _find(fleet: Fleet, query: WorkloadQuery) -> Past:
    past = await fleet.follow(query.ref)
    if fleet.at(query.ref) is None:
        ref = query.ref
        name = f"{ref.kind} {ref.name} in namespace {ref.namespace} of cluster {ref.cluster}"
        if gone := past.told.gone_at:
            raise LookupError(f"{name} was deleted: it was last there at {gone:%Y-%m-%d %H:%M} UTC.")
        near = {r.ref.name for r in fleet.workloads.values() if r.ref.namespace == ref.namespace}
        like = get_close_matches(ref.name, sorted(near), 1)
        raise LookupError(f"Nothing is known of {name}." + (f" There is {like[0]}." if like else ""))
    return past


PAGE = Page(
    path="/workloads/{cluster}/{namespace}/{kind}/{name}",
    title="Workload",
    template="workload.html",
    regions=(*_REGIONS[:7], "rows", *_REGIONS[7:], "foot"),
    parse=WorkloadQuery.parse,
    open=_Workload,
    find=_find,
    lookback=True,
)
