"""The collector of one cluster: a source for each kind the engines read, one probe, one flusher. Runs for
ever.

Kinds come from the engines. A kind that may not be listed in all namespaces is followed in the configured
namespaces instead. Nothing here ends because of what a server does.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from ..domain.facts import Door
from ..domain.places import PlaceRules
from ..domain.refusals import Absent, ClusterError, Denied, Unauthorized
from ..engines import ENGINES
from ..engines.port import Engine, Kin, Kind
from ..kube import Cluster
from .cache import Cache
from .decode import UNDECODABLE
from .flush import Flusher
from .pulse import Pulse
from .standing import Standing
from .tails import Tails
from .timing import Timing
from .watched import Source

log = logging.getLogger(__name__)


def kinds(engines: Sequence[Engine] = ENGINES) -> tuple[Kind, ...]:
    """Every kind the engines read, those that cannot be done without first, without doubles."""
    read = dict.fromkeys([e.root for e in engines] + [r.kind for e in engines for r in e.relations])
    return tuple(sorted(read, key=lambda kind: bool(kind.worth)))


class Collector:
    """Follows one cluster and hands facts to `ingest`. `namespaces` are used for kinds that may not be listed
    in all. `clock` is monotonic seconds, `now` aware UTC."""

    def __init__(
        self,
        cluster: Cluster,
        ingest: Door,
        rules: PlaceRules | None = None,
        *,
        namespaces: Sequence[str] = (),
        engines: Sequence[Engine] = ENGINES,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self.cluster = cluster
        self.sources: dict[tuple[str, str], Source] = {}
        self._rules = rules or PlaceRules()
        self._namespaces = tuple(n for n in namespaces if not self._rules.ignores(n))
        self._engines = tuple(engines)
        self._timing = timing or Timing()
        self._clock, self._rng = clock, rng or random.Random()
        self._roots = frozenset(e.root.name for e in engines)
        self.cache = Cache(self._engines, self._rules.ignores)
        self._missed: dict[tuple[str, str], frozenset[str]] = {}
        self._looked: set[tuple[str, str]] = set()
        self._pulse = Pulse(clock)
        self._now = now
        self._started = clock()
        self._open = False
        self._probes = 0
        self._told: dict[tuple[str, str], object] = {}
        self._named: frozenset[str] = frozenset()
        self._flusher = Flusher(
            cluster.name,
            self.cache,
            ingest,
            self._rules,
            missing=self._missing,
            ready=self._ready,
            now=now,
            clock=clock,
            timing=self._timing,
            rng=self._rng,
            looked=self._looked_at,
        )
        self._tails = Tails(cluster, self._flusher.say, timing=self._timing, clock=clock, now=now)
        for kind in kinds(self._engines):
            self._source(kind, "")

    async def run(self) -> None:
        """For ever; cancel to stop."""
        self._started = self._clock()
        async with asyncio.TaskGroup() as tasks:
            for kind in kinds(self._engines):
                tasks.create_task(self._follow(kind), name=f"{self.cluster.name}:{kind.plural}")
            tasks.create_task(self._probe(), name=f"{self.cluster.name}:probe")
            tasks.create_task(self._report(), name=f"{self.cluster.name}:report")
            tasks.create_task(self._flusher.run(), name=f"{self.cluster.name}:flush")
            tasks.create_task(self._tails.run(), name=f"{self.cluster.name}:logs")

    @property
    def logs_denied(self) -> frozenset[str]:
        """Namespaces whose logs may not be read."""
        return self._tails.denied

    def _looked_at(self, root: str, kin: Kin | None) -> None:
        if kin is None:
            self._tails.forget(root)
        else:
            self._tails.look(root, kin)

    # -- sources --------------------

    def _source(self, kind: Kind, namespace: str) -> Source:
        source = Source(
            self.cluster,
            kind,
            namespace,
            self.cache,
            self._pulse,
            timing=self._timing,
            clock=self._clock,
            rng=self._rng,
            changed=self._changed,
            standing_changed=self._standing_changed,
            give_up_denied=not namespace and bool(self._namespaces),
        )
        self.sources[kind.name, namespace] = source
        self._missed.clear()
        return source

    async def _follow(self, kind: Kind) -> None:
        await self.sources[kind.name, ""].run()
        del self.sources[kind.name, ""]
        self._missed.clear()
        async with asyncio.TaskGroup() as tasks:
            for namespace in self._namespaces:
                tasks.create_task(self._source(kind, namespace).run(), name=f"{kind.plural}:{namespace}")

    def _covering(self, kind: str, namespace: str) -> Source | None:
        return self.sources.get((kind, "")) or self.sources.get((kind, namespace))

    def _missing(self, engine: Engine, namespace: str) -> frozenset[str]:
        known = self._missed.get((engine.name, namespace))
        if known is None:
            covering = {r.kind.name: self._covering(r.kind.name, namespace) for r in engine.relations}
            known = self._missed[engine.name, namespace] = frozenset(
                k
                for k, source in covering.items()
                if source is None or source.standing is not Standing.LISTED
            )
        return known

    def _ready(self) -> bool:
        """Whether roots may be looked at: every kind is listed or known not to be, or that takes too long."""
        if not self._open:
            waited = self._clock() - self._started
            timing = self._timing
            if all(
                s.settled or waited > (timing.patience_optional if s.kind.worth else timing.patience)
                for s in self.sources.values()
            ):
                self._open = True
                self.cache.touch()
        return self._open

    def _changed(self) -> None:
        if self.cache.dirty and self._ready():
            self._flusher.bell.set()

    def _standing_changed(self, source: Source) -> None:
        kind, key = source.kind.name, (source.kind.name, source.namespace)
        self._missed.clear()
        listed = source.standing is Standing.LISTED
        absent = source.kind.worth and source.standing is Standing.ABSENT and source.absences > 1
        if kind in self._roots and (listed or absent):
            self._flusher.listed(kind, source.namespace)
        if listed or key in self._looked:  # else nothing could be seen of it before, and cannot now
            self.cache.touch(kind)
        (self._looked.add if listed else self._looked.discard)(key)
        self._tell(source)
        self._changed()

    # -- freshness --------------------

    async def _probe(self) -> None:
        """Ask a real question every few seconds. That an answer is a refusal (403) still proves the API
        works."""
        while True:
            asked_at = self._clock()
            source = self._probed()
            reached = {key: s.version for key, s in self.sources.items()}
            try:
                body = await self.cluster.probe(
                    source.kind, source.namespace, seconds=self._timing.probe_limit
                )
                self._pulse.answered(asked_at)
                self._compare(reached[source.kind.name, source.namespace], body)
            except (Denied, Absent):
                self._pulse.answered(asked_at)
            except ClusterError as error:
                self._pulse.trouble = error
                if isinstance(error, Unauthorized):
                    await self._renew()
            except Exception:
                log.exception("%s: probe: unexpected", self.cluster.name)
            await asyncio.sleep(max(0.0, self._timing.probe_every - (self._clock() - asked_at)))

    def _probed(self) -> Source:
        """Each listed source in turn, so that every kind's version is compared now and then."""
        listed = [s for s in self.sources.values() if s.standing is Standing.LISTED]
        self._probes += 1
        return listed[self._probes % len(listed)] if listed else next(iter(self.sources.values()))

    async def _renew(self) -> None:
        try:
            await self.cluster.renew()
        except ClusterError as error:
            self._pulse.trouble = error

    def _compare(self, reached: str, body: bytes) -> None:
        """A list cannot be older than what was already seen, unless the store was restored from a backup."""
        try:
            version = msgspec.json.decode(body, type=_Versioned).metadata.resource_version
        except UNDECODABLE:
            return
        if version.isdigit() and reached.isdigit() and int(version) < int(reached):
            log.warning("%s: versions went backwards; listing everything again", self.cluster.name)
            for source in self.sources.values():
                source.distrust()

    async def _report(self) -> None:
        """Tell of each source at once when its state changes, and else of all together now and then."""
        due = self._clock()
        while True:
            if again := self._clock() >= due:
                due = self._clock() + self._timing.report
            for source in tuple(self.sources.values()):
                self._tell(source, again=again)
            if (names := self._names()) != self._named:
                self._named = names
                self._flusher.name(names)
            self._changed()
            await asyncio.sleep(self._timing.tick)

    def _names(self) -> frozenset[str]:
        """The keys of all sources, and of those that one which is only tried may be replaced by."""
        tried = [s.kind.name for s in self.sources.values() if self._tentative(s)]
        names = {*self.sources, *((kind, namespace) for kind in tried for namespace in self._namespaces)}
        return frozenset(f"{self.cluster.name}/{kind}/{namespace}" for kind, namespace in names)

    def _tentative(self, source: Source) -> bool:
        """Whether it may yet be replaced by sources of single namespaces."""
        unheard = source.standing is Standing.UNLISTED and source.trouble is None
        return unheard and not source.namespace and bool(self._namespaces)

    def _tell(self, source: Source, *, again: bool = False) -> None:
        if self._tentative(source):
            return
        key, condition = (source.kind.name, source.namespace), source.condition()
        if again or self._told.get(key) != condition:
            self._told[key] = condition
            self._flusher.say(source.observed(self._now()))


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct):
    metadata: _Meta
