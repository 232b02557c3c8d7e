"""Deployments of an environment, judged, in memory, so that a read costs what changed since the last one.

A rollout that a topic tells of is read again; those that came or went without one (retention deletes so) are found by
how many there are. A service is judged anew when a rollout of it changed or left the span, when something else is
known of its incidents, its commits or of what CI reported, and when a deployment became a day old. The answer is always
that of a first read.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import dora
from app.domain.dora import Ending, Figures, Incident, JudgedDeployment, Tally
from app.domain.names import Topic
from app.store.tables import ROLLOUT

from .deployments import BEFORE, MOST, ROLLOUTS, Rollout, Taken, read_incidents, reported, rollout
from .judged import Beside, Ended, JudgedService, keep
from .trails import Trails

HELD = 25_000
"""Most rollouts that are held in all."""
_CHUNK, _PART = 500, 2_000


class JudgedEnvironment:
    """What was deployed to an environment, of one service where it is told, as of the last `read`."""

    def __init__(self, environment: str, service: str = "", most: int = MOST) -> None:
        self.environment, self.service, self.most = environment, service, most
        self.changed: set[str] = set()
        """Rollouts to read again."""
        self.incidents: tuple[Incident, ...] = ()
        self.more = False
        """Whether there were more than are looked at."""
        self.span: tuple[datetime, datetime] | None = None
        self.services: Sequence[JudgedService] = ()
        """Services with deployments, by name."""
        self._rollouts: dict[str, Rollout] = {}
        self._ended: list[Ended] = []
        self._services: dict[str, JudgedService] = {}
        self._totals: dict[tuple[timedelta, tuple[Tally, ...]], Figures] = {}

    def __len__(self) -> int:
        return len(self._rollouts)

    @property
    def again(self) -> int:
        """How many rollouts changed no version."""
        return sum(one.again for one in self._services.values())

    def figures(self, since: datetime, until: datetime) -> Figures:
        """The figures of all that ended in [since, until)."""
        tallies = tuple(found for one in self.services if (found := one.tally(since, until)))
        key = (until - since, tallies)
        return self._totals.get(key) or keep(self._totals, key, dora.total(tallies, until - since))

    def newest(self, since: datetime, until: datetime) -> Iterable[JudgedDeployment]:
        """All that ended in [since, until), newest first."""
        each = (reversed(one.between(since, until)) for one in self.services)
        return merge(*each, key=lambda o: (o.deployment.ended_at, o.deployment.id), reverse=True)

    async def read(
        self,
        connection: AsyncConnection,
        trails: Trails,
        repos: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> None:
        """Bring it up to the deployments that ended in the span and a while before it. Raises StoreUnavailable."""
        first = since - BEFORE
        await self._catch_up(connection, trails, repos, first, until)
        told = await reported(connection, self.environment, self.service, first, until, repos)
        self.incidents = await read_incidents(connection, self.environment, self.service, first, until)
        for name in told:
            self._of(name)
        known = self._beside(told, trails, repos)
        stale = [one for name, one in self._services.items() if not one.fresh(known[name], until)]
        taken = await asyncio.to_thread(self._take, stale, known, until)
        landed = [
            (repo, one)
            for name, every in taken.items()
            if (repo := known[name].repo)
            for one in every
            if one.deployment.ending is Ending.LANDED and not one.deployment.back
        ]
        read = await trails.read(
            connection,
            {known[one.name].repo for one in stale if known[one.name].repo},
            {(repo, one.deployment.version) for repo, one in landed if not one.sha},
            {(repo, one.sha) for repo, one in landed if one.sha},
        )

        def judge() -> None:
            for one in stale:
                one.judge(taken[one.name], known[one.name], read, until)

        await asyncio.to_thread(judge)
        self._services = {name: one for name, one in self._services.items() if one.ended or one.told}
        self.services = [one for _, one in sorted(self._services.items()) if one.told]
        self.span = since, until

    def _take(
        self, stale: Sequence[JudgedService], known: Mapping[str, Beside], until: datetime
    ) -> dict[str, list[Taken]]:
        return {
            one.name: one.take([self._rollouts[ident] for _, ident in one.before(until)], known[one.name])
            for one in stale
        }

    def _beside(
        self, told: Mapping[str, Sequence[Taken]], trails: Trails, repos: Mapping[str, str]
    ) -> dict[str, Beside]:
        of = {one.deployment.id: name for name, every in told.items() for one in every}
        blamed: dict[str, list[Incident]] = {}
        for incident in self.incidents:
            if known := self._rollouts.get(incident.deployment):
                blamed.setdefault(known.service, []).append(incident)
            if incident.deployment in of:
                blamed.setdefault(of[incident.deployment], []).append(incident)
        return {
            name: Beside(tuple(blamed.get(name, ())), tuple(told.get(name, ())), repo, trails.held(repo))
            for name in self._services
            for repo in (repos.get(name, ""),)
        }

    async def _catch_up(
        self,
        connection: AsyncConnection,
        trails: Trails,
        repos: Mapping[str, str],
        first: datetime,
        until: datetime,
    ) -> None:
        changed, self.changed = self.changed, set()
        if self.span is None:
            await self._put(connection, self._newest(ROLLOUTS, first, until))
        for some in _chunks(changed):
            self._drop(some)
            await self._put(connection, self._those(some))
        self._trim(first, until)
        if await self._missed(connection, first, until):
            trails.forget(repos.values())  # with old rollouts went old commits
        self._trim(first, until)
        self.more = bisect_left(self._ended, (until, "")) == self.most

    async def _missed(self, connection: AsyncConnection, first: datetime, until: datetime) -> set[str]:
        """Find what came and went without being told; answers what went."""
        mine = self._ended[: bisect_left(self._ended, (until, ""))]
        since = mine[0][0] if len(mine) == self.most else first
        count = select(func.count()).select_from(ROLLOUT).where(*self._span(since, until))
        if await connection.scalar(count) == len(mine):
            return set()
        there = set(await connection.scalars(self._newest(select(ROLLOUT.c.id), first, until)))
        known = {ident for _, ident in mine}
        self._drop(known - there)
        for some in _chunks(there - known):
            await self._put(connection, self._those(some))
        return known - there

    def _span(self, first: datetime, until: datetime) -> list[ColumnElement[bool]]:
        return [*self._mine(), ROLLOUT.c.ended_at >= first, ROLLOUT.c.ended_at < until]

    def _mine(self) -> list[ColumnElement[bool]]:
        mine = [ROLLOUT.c.environment == self.environment]
        return [*mine, ROLLOUT.c.service == self.service] if self.service else mine

    def _newest(self, query: Any, first: datetime, until: datetime) -> Any:
        order = ROLLOUT.c.ended_at.desc(), ROLLOUT.c.id.desc()
        return query.where(*self._span(first, until)).order_by(*order).limit(self.most)

    def _those(self, idents: Sequence[str]) -> Any:
        return ROLLOUTS.where(*self._mine(), ROLLOUT.c.id.in_(idents), ROLLOUT.c.ended_at.is_not(None))

    async def _put(self, connection: AsyncConnection, query: Any) -> None:
        found: list[Rollout] = []
        # A part at a time, in between which others are served.
        async with connection.stream(query.execution_options(yield_per=_PART)) as rows:
            async for part in rows.partitions():
                found += map(rollout, part)
        await asyncio.to_thread(self._add, found)

    def _add(self, rollouts: Iterable[Rollout]) -> None:
        for one in sorted(rollouts, key=lambda one: (one.ended_at, one.id)):
            self._rollouts[one.id] = one
            of, place = self._of(one.service), (one.ended_at, one.id)
            of.changes += 1
            for ended in (of.ended, self._ended):
                insort(ended, place)

    def _of(self, service: str) -> JudgedService:
        if service not in self._services:
            self._services[service] = JudgedService(service)
        return self._services[service]

    def _drop(self, idents: Iterable[str]) -> None:
        for ident in idents:
            if one := self._rollouts.pop(ident, None):
                of, place = self._services[one.service], (one.ended_at, ident)
                of.changes += 1
                for ended in (of.ended, self._ended):
                    del ended[bisect_left(ended, place)]

    def _trim(self, first: datetime, until: datetime) -> None:
        """Let go of what ended before the span, and of more than an answer holds."""
        out = max(bisect_left(self._ended, (first, "")), bisect_left(self._ended, (until, "")) - self.most, 0)
        self._drop([ident for _, ident in self._ended[:out]])


class Judging:
    """The environments that were asked for last, of each the newest `most` rollouts of a span."""

    def __init__(self, most: int = MOST, held: int = HELD) -> None:
        self._most, self._most_held = most, held
        self._held: dict[tuple[str, str], JudgedEnvironment] = {}
        self._reading = asyncio.Lock()

    def clear(self) -> None:
        """Forget all of them."""
        self._held.clear()

    def refresh(self, topics: Iterable[Topic]) -> None:
        """Read the rollouts that `topics` tell of again, when they are asked for."""
        if self._held and (told := {topic.key for topic in topics if topic.sort == "rollout"}):
            for held in self._held.values():
                held.changed |= told

    @asynccontextmanager
    async def read(
        self,
        connection: AsyncConnection,
        trails: Trails,
        repos: Mapping[str, str],
        place: tuple[str, str],
        span: tuple[datetime, datetime],
        *,
        hold: bool = True,
    ) -> AsyncIterator[JudgedEnvironment]:
        """The deployments of a span to an environment and of a service (empty: of all), for as long as the caller is
        in. `hold`: it will be asked again of later ones. Raises StoreUnavailable."""
        async with self._reading:
            found = self._held.pop(place, None) if hold else None
            earlier = found and found.span and (span[0] < found.span[0] or span[1] < found.span[1])
            if found is None or earlier:
                found = JudgedEnvironment(*place, self._most)
            if hold:
                self._held[place] = found
            try:
                await found.read(connection, trails, repos, *span)
            except BaseException:  # it may have got half of it
                self._held.pop(place, None)
                raise
            self._let_go()
            yield found

    def _let_go(self) -> None:
        while len(self._held) > 1 and sum(map(len, self._held.values())) > self._most_held:
            del self._held[next(iter(self._held))]


def _chunks(idents: Iterable[str]) -> Iterable[Sequence[str]]:
    every = sorted(idents)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
