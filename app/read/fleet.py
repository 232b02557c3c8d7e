"""Everything the board is made of, in memory, read from the database and kept up by the topics that ingest
publishes.

Pages, streams and the JSON API all build on one `Fleet`; it costs a query for what changed, never for what
did not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from sqlalchemy import or_

from app.domain.delivery import Delivery
from app.domain.freezes import Freeze, exempting
from app.domain.gates import Gate
from app.domain.names import Topic, WorkloadRef
from app.read import current, past
from app.read.builds import Builds
from app.read.flags import NO_POLICY, Policy
from app.read.judging import Judging
from app.read.kept import Kept
from app.read.marks import Marks
from app.read.origins import Origins
from app.read.past import Past
from app.read.rows import RolloutRow, SourceRow, WorkloadRow
from app.read.trails import Trails
from app.store import freezes as frost
from app.store import gates as asked
from app.store.db import Database
from app.store.tables import ROLLOUT, SOURCE, WORKLOAD

KEPT = timedelta(hours=24)
"""How long a rollout that is over stays in the fleet."""
_CI = frozenset({"workload", "run", "commit", "artifact", "report", "deployment"})
_MANY = 2000
"""From so many topics on, reading everything is cheaper than asking for each."""


class Fleet:
    """Current workloads (gone ones left out), sources, and the rollouts of the last 24 hours, by key.

    The maps are changed in place, between two awaits and never during one; keep the mapping, not a copy.
    """

    environments: Sequence[str] = ()
    """Their promotion order, as settings have it."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        delivery: Delivery | None = None,
        policy: Policy = NO_POLICY,
    ) -> None:
        self._database, self._clock = database, clock
        self.delivery, self.policy = delivery or Delivery(), policy
        self.by_hand: tuple[Freeze, ...] = ()
        """Freezes made by hand that were not lifted."""
        self._exempt: Mapping[str, tuple[str, ...]] = {}
        self._gates: dict[str, Gate] = {}
        self._workloads: dict[str, WorkloadRow] = {}
        self._sources: dict[str, SourceRow] = {}
        self._rollouts: dict[str, RolloutRow] = {}
        self._by_service: dict[str, frozenset[str]] = {}
        self.builds, self.origins, self.marks = Builds(), Origins(), Marks(policy)
        self.trails, self.judging = Trails(), Judging()
        self._pasts: WeakValueDictionary[WorkloadRef, Past] = WeakValueDictionary()
        self._kept: WeakValueDictionary[str, Kept] = WeakValueDictionary()
        self._reading = asyncio.Lock()

    @property
    def workloads(self) -> Mapping[str, WorkloadRow]:
        """Workloads by key ("cluster:uid")."""
        return self._workloads

    @property
    def sources(self) -> Mapping[str, SourceRow]:
        """Sources by key ("cluster/kind/namespace")."""
        return self._sources

    @property
    def rollouts(self) -> Mapping[str, RolloutRow]:
        """Rollouts by id: those that run and those that ended within `KEPT`."""
        return self._rollouts

    @property
    def gates(self) -> Mapping[str, Gate]:
        """Gates by id: those that are not over and those that ended within `KEPT`."""
        return self._gates

    @property
    def freezes(self) -> tuple[Freeze, ...]:
        """All freezes that are known, by configuration and by hand."""
        return exempting((*self.delivery.freezes, *self.by_hand), self._exempt)

    @property
    def by_service(self) -> Mapping[str, frozenset[str]]:
        """Keys of the workloads of each service; a service without any is not there."""
        return self._by_service

    def at(self, ref: WorkloadRef) -> WorkloadRow | None:
        """The workload at `ref`; the one seen last if a predecessor is still listed."""
        found = (row for row in self._workloads.values() if row.ref == ref)
        return max(found, key=lambda row: row.seen_at, default=None)

    async def load(self) -> None:
        """Read everything. Call after subscribing to `Live`, so that nothing falls between. Raises
        StoreUnavailable."""
        recent = or_(ROLLOUT.c.ended_at.is_(None), ROLLOUT.c.ended_at > self._clock() - KEPT)
        async with self._database.reading() as connection:
            workloads = await current.workloads(connection, WORKLOAD.c.gone_at.is_(None))
            sources = await current.sources(connection)
            rollouts = await current.rollouts(connection, recent)
            await self.builds.load(connection, self._clock())
            await self.origins.load(connection, workloads.values())
            await self.marks.load(connection, workloads.values(), self.origins)
            gates = await asked.current(connection, self._clock() - KEPT)
            self.by_hand = await frost.freezes(connection, self._clock())
            self._exempt = await frost.exemptions(connection, self._clock())
        self.trails.clear()
        self.judging.clear()
        self._gates.clear()
        self._gates.update((gate.id, gate) for gate in gates)
        self._workloads.clear()
        self._by_service.clear()
        self._put_workloads((), workloads)
        self._sources.clear()
        self._sources.update(sources)
        self._rollouts.clear()
        self._rollouts.update(rollouts)
        await self._remember(set(self._pasts.keys()))

    async def reload(self) -> None:
        """Read everything again, and what is held beside it. Raises StoreUnavailable."""
        await self.load()
        for held in list(self._kept.values()):
            held.at = None
        await self.renew()

    async def follow(self, ref: WorkloadRef) -> Past:
        """The past of the name `ref`, kept up for as long as the caller holds it. Raises StoreUnavailable."""
        async with self._reading:
            found = self._pasts.get(ref)
            if found is None:
                async with self._database.reading() as connection:
                    found = Past(ref, await past.told(connection, ref))
                self._pasts[ref] = found
            return found

    async def keep(self, name: str, make: Callable[[], Kept]) -> Kept:
        """The model called `name`, made and read if nobody holds it yet; kept up for as long as the caller holds it.
        Raises StoreUnavailable, and what reading it raises."""
        async with self._reading:
            found = self._kept.get(name)
            if found is None:
                found = make()
                async with self._database.reading() as connection:
                    await found.read(connection, self._clock())
                self._kept[name] = found
            return found

    def kept(self, name: str) -> Kept | None:
        """The model called `name` if somebody holds it."""
        return self._kept.get(name)

    async def renew(self, topics: Iterable[Topic] = ()) -> None:
        """Read again the held models that `topics` concern or whose time has come. Raises StoreUnavailable."""
        for topic in topics if self._kept else ():
            for held in list(self._kept.values()):
                held.dirty = held.dirty or held.wants(topic)
        now = self._clock()
        due = [held for held in list(self._kept.values()) if held.due(now)]
        if not due:
            return
        async with self._reading, self._database.reading() as connection:
            for held in due:
                await held.read(connection, now)

    def past(self, ref: WorkloadRef) -> Past | None:
        """The past of `ref` if somebody follows it."""
        return self._pasts.get(ref)

    async def recall(self, ident: str) -> None:
        """Read a gate that was over long ago; it is kept until the next sweep. Raises StoreUnavailable."""
        async with self._database.reading() as connection:
            found = await asked.some(connection, [ident])
        self._gates.update((gate.id, gate) for gate in found)

    async def refresh(self, topics: Iterable[Topic]) -> frozenset[Topic]:
        """Read again the rows that `topics` name; rows that are no longer there leave the maps, and so do
        rollouts that ended too long ago. Answers what follows from them: ("build", service) where CI says
        something else of a service or its commits. Raises StoreUnavailable: refresh the same topics again."""
        topics = tuple(topics)
        sorts = ("workload", "source", "rollout", "gate", "freeze")
        names: dict[str, list[str]] = {sort: [] for sort in sorts}
        for topic in topics:
            names.get(topic.sort, []).append(topic.key)
        if max(map(len, names.values())) > _MANY:
            await self.load()
            await self.renew(topics)
            return frozenset(Topic("build", name) for name in (*self._by_service, *self.builds.by_service))
        workloads: dict[str, WorkloadRow] = {}
        sources: dict[str, SourceRow] = {}
        rollouts: dict[str, RolloutRow] = {}
        gates: list[Gate] = []
        by_hand, exempt = self.by_hand, self._exempt
        if any(names.values()):
            async with self._database.reading() as connection:
                if keys := names["workload"]:
                    workloads = await current.workloads(
                        connection, WORKLOAD.c.key.in_(keys), WORKLOAD.c.gone_at.is_(None)
                    )
                if keys := names["source"]:
                    sources = await current.sources(connection, SOURCE.c.key.in_(keys))
                if keys := names["rollout"]:
                    rollouts = await current.rollouts(connection, ROLLOUT.c.id.in_(keys))
                if keys := names["gate"]:
                    gates = await asked.some(connection, keys)
                if names["freeze"]:
                    by_hand = await frost.freezes(connection, self._clock())
                    exempt = await frost.exemptions(connection, self._clock())
        touched = {row.ref for key in names["workload"] if (row := self._workloads.get(key))}
        await self._remember(touched | {row.ref for row in workloads.values()})
        self._put_workloads(names["workload"], workloads)
        self.by_hand, self._exempt = by_hand, exempt
        for key in names["gate"]:
            self._gates.pop(key, None)
        self._gates.update((gate.id, gate) for gate in gates)
        for key in names["source"]:
            self._sources.pop(key, None)
        self._sources.update(sources)
        for key in names["rollout"]:
            self._rollouts.pop(key, None)
        self._rollouts.update(rollouts)
        self.judging.refresh(topics)
        self.tick(self._clock())
        services = await self._ci(topics)
        await self.renew(topics)
        return frozenset(Topic("build", service) for service in services)

    async def _ci(self, topics: tuple[Topic, ...]) -> set[str]:
        """Take in what CI told; the services that it is about."""
        if not any(topic.sort in _CI for topic in topics):
            return set()
        async with self._database.reading() as connection:
            services = set(await self.builds.refresh(connection, topics, self._clock()))
            keys = await self.origins.refresh(connection, topics, self._workloads)
            await self.trails.refresh(connection, topics)
            keys |= await self.marks.refresh(connection, topics, self._workloads, self.origins, keys)
        return services | {row.place.service for key in keys if (row := self._workloads.get(key))}

    def tick(self, now: datetime) -> None:
        """Let go of the rollouts that ended longer than `KEPT` ago."""
        for row in [r for r in self._rollouts.values() if r.ended_at and r.ended_at <= now - KEPT]:
            del self._rollouts[row.id]
        for gate in [g for g in self._gates.values() if g.ended_at and g.ended_at <= now - KEPT]:
            del self._gates[gate.id]

    async def _remember(self, touched: set[WorkloadRef]) -> None:
        """Read again what is followed of `touched`."""
        async with self._reading:
            kept = [found for found in self._pasts.values() if found.ref in touched]
            if not kept:
                return
            async with self._database.reading() as connection:
                for found in kept:
                    found.told = await past.told(connection, found.ref)

    def _put_workloads(self, asked: Iterable[str], found: Mapping[str, WorkloadRow]) -> None:
        members: dict[str, set[str]] = {}

        def of(row: WorkloadRow) -> set[str]:
            service = row.place.service
            return members.setdefault(service, set(self._by_service.get(service, ())))

        for key in asked:
            if row := self._workloads.pop(key, None):
                of(row).discard(key)
        for key, row in found.items():
            self._workloads[key] = row
            of(row).add(key)
        for service, keys in members.items():
            if keys:
                self._by_service[service] = frozenset(keys)
            else:
                self._by_service.pop(service, None)
