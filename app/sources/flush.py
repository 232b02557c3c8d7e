"""Dirty roots to facts, and facts to `ingest`: at once after quiet, coalesced when busy, never a queue.

What waits is a set of uids and the newest fact of each source, so an ingest that is slow or down costs
freshness, not memory; nothing leaves the sets before `ingest` has returned.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime

from ..domain.errors import ShipboardError
from ..domain.facts import (
    Door,
    EventObserved,
    Fact,
    LogRead,
    SourceObserved,
    SourcesNamed,
    WorkloadGone,
    WorkloadObserved,
    WorkloadsListed,
)
from ..domain.names import Place, WorkloadRef, cut
from ..domain.places import PlaceRules, place
from ..domain.rollout import Health, Phase, RolloutState
from ..engines import observe
from ..engines.port import Engine, Kin
from .cache import Cache
from .decode import Unreadable
from .reported import ReportedEvents
from .timing import Backoff, Timing

log = logging.getLogger(__name__)


SLICE = 200
"""Most workloads observed and ingested in one go: bounds the time the event loop is held and a transaction's
size."""
FIRST_LOOK = 2000
"""The same for the first look at a fleet, which is shown once it is whole: one transaction, one drawing."""


class Flusher:
    """Observes and delivers. `missing` tells which kinds could not be looked at for a root's engine and
    namespace, `ready` whether enough has been listed to look at roots at all; `looked` hears of each root that was
    looked at, None when it is there no longer."""

    def __init__(
        self,
        cluster: str,
        cache: Cache,
        ingest: Door,
        rules: PlaceRules,
        *,
        missing: Callable[[Engine, str], frozenset[str]],
        ready: Callable[[], bool],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        timing: Timing,
        rng: random.Random,
        looked: Callable[[str, Kin | None], None] = lambda root, kin: None,
    ) -> None:
        self.bell = asyncio.Event()
        self.failures = 0
        self._cluster, self._cache, self._ingest, self._rules = cluster, cache, ingest, rules
        self._missing, self._ready, self._now, self._clock = missing, ready, now, clock
        self._timing, self._backoff = timing, Backoff(timing, rng)
        self._looked = looked
        self._said: dict[str, SourceObserved | LogRead | SourcesNamed] = {}
        self._listed: set[tuple[str, str]] = set()
        self._caught_up = False
        self._last: dict[str, tuple[WorkloadRef, Place, str, RolloutState]] = {}
        self._reported = ReportedEvents(cluster)

    def say(self, fact: SourceObserved | LogRead) -> None:
        """Deliver how a source is, or a log; a newer fact replaces one that still waits."""
        self._said[fact.key] = fact
        self.bell.set()

    def name(self, sources: frozenset[str]) -> None:
        """Deliver which sources there are."""
        self._said[""] = SourcesNamed(self._cluster, sources)
        self.bell.set()

    def listed(self, kind: str, namespace: str) -> None:
        """A complete list of a root kind was read: tell which workloads exist."""
        self._listed.add((kind, namespace))
        self.bell.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.bell.wait()
            self.bell.clear()
            began = self._clock()
            if not await self.flush():
                continue
            if not self._caught_up:
                # the first look at a fleet: nothing has been shown yet that more changes could be folded into
                self._caught_up = self._ready() and not self._cache.dirty
                continue
            cost = self._clock() - began
            await asyncio.sleep(min(max(2 * cost, self._timing.flush_least), self._timing.flush_most))

    async def flush(self) -> bool:
        """Deliver one slice of what waits; rings the bell when more is left. Answers whether anything was
        delivered."""
        said, self._said = self._said, {}
        listed: set[tuple[str, str]] = set()
        taken: list[str] = []
        if self._ready():
            listed, self._listed = self._listed, set()
            dirty = self._cache.dirty
            most = SLICE if self._caught_up else FIRST_LOOK
            while dirty and len(taken) < most:
                taken.append(dirty.pop())
        now = self._now()
        observed: list[Fact] = []
        for start in range(0, len(taken), SLICE):
            if start:
                await asyncio.sleep(0)
            for uid in taken[start : start + SLICE]:
                observed += self._look(uid, now)
        facts: list[Fact] = [
            WorkloadsListed(self._cluster, kind, namespace, self._cache.shown(kind, namespace), now)
            for kind, namespace in sorted(listed)
        ]
        facts += observed
        facts += said.values()
        if facts:
            try:
                await self._ingest(facts)
            except Exception as error:
                self._cache.dirty.update(taken)
                for uid in taken:
                    self._reported.forget(uid)
                self._listed |= listed
                self._said = said | self._said
                self.failures += 1
                if self.failures == 1:
                    why = error if isinstance(error, ShipboardError) else type(error).__name__
                    log.error("%s: facts not taken, trying again: %s", self._cluster, why)
                self.bell.set()
                await asyncio.sleep(min(self._backoff.next(), 5.0))
                return False
            self.failures = 0
            self._backoff.reset()
            self._remember(observed)
        if self._cache.dirty and self._ready():
            self.bell.set()
        return bool(facts)

    def _remember(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, WorkloadObserved):
                self._last[fact.uid] = (fact.ref, fact.place, fact.engine, fact.state)
            elif isinstance(fact, WorkloadGone):
                self._last.pop(fact.uid, None)

    def _look(self, uid: str, now: datetime) -> list[Fact]:
        """The facts a dirty root gives, none when it says nothing new."""
        root = self._cache.roots.get(uid)
        if root is None or self._cache.hidden(uid):
            self._reported.forget(uid)
            self._looked(uid, None)
            return [WorkloadGone(self._cluster, uid, now)] if uid in self._last else []
        engine = self._cache.engine(uid)
        kind = engine.root.name
        reported: list[EventObserved] = []
        if isinstance(root, Unreadable):
            ref, labels = WorkloadRef(self._cluster, root.namespace, kind, root.name), root.labels
            state = _unknown(f"Cannot be read: {root.reason}")
        else:
            meta = root.metadata
            ref, labels = WorkloadRef(self._cluster, meta.namespace, kind, meta.name), meta.labels or {}
            try:
                kin = self._cache.kin(uid, self._missing(engine, meta.namespace))
                reported = self._reported.news(uid, kin, now)
                self._looked(uid, kin)
                state = observe(engine, root, kin)
            except Exception as error:
                log.exception("%s: engine %s failed on a %s", self._cluster, engine.name, kind)
                state = _unknown(f"Cannot be read: error in Shipboard ({type(error).__name__}); see its log")
        where = place(ref, labels, self._rules)
        if self._last.get(uid) == (ref, where, engine.name, state):
            return [*reported]
        return [WorkloadObserved(ref, uid, where, engine.name, state, now), *reported]


def _unknown(message: str) -> RolloutState:
    return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, cut(message))
