"""Figures for Prometheus, in a registry of our own. Labels come from the configuration and the engines, never
from what a cluster says, so that their number is bounded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..domain.facts import Door, Fact
from ..domain.freshness import Freshness
from ..read.fleet import Fleet
from .streams import Hub
from .watchdog import Watchdog


class Metrics:
    """All figures. Counted ones are attributes; the others are read from the parts when they are asked
    for."""

    def __init__(self, watchdog: Watchdog) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        name = "shipboard_ingest"
        self.batches = Counter(
            f"{name}_batches", "Batches of facts, by result", ["result"], registry=self.registry
        )
        self.facts = Counter(f"{name}_facts", "Facts stored", registry=self.registry)
        self.seconds = Histogram(f"{name}_seconds", "Seconds to store a batch", registry=self.registry)
        self.parts = _Parts(watchdog)
        self.registry.register(self.parts)
        for result in ("stored", "refused"):
            self.batches.labels(result)

    def exposition(self) -> bytes:
        """Everything in the text format."""
        return generate_latest(self.registry)

    def counted(self, ingest: Door) -> Door:
        """`ingest`, counted and timed."""

        async def door(facts: Sequence[Fact]) -> None:
            began = time.monotonic()
            try:
                await ingest(facts)
            except Exception:
                self.batches.labels("refused").inc()
                raise
            self.seconds.observe(time.monotonic() - began)
            self.batches.labels("stored").inc()
            self.facts.inc(len(facts))

        return door


class _Parts(Collector):
    """Read when scraped: hub, fleet and watchdog."""

    def __init__(self, watchdog: Watchdog) -> None:
        self.hub: Hub | None = None
        self.fleet: Fleet | None = None
        self._watchdog = watchdog

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: there may be no parts yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        yield GaugeMetricFamily(
            "shipboard_loop_lag_seconds", "Lateness of the event loop", self._watchdog.lag
        )
        yield CounterMetricFamily(
            "shipboard_loop_blocks", "Times the loop stood still", self._watchdog.blocks
        )
        if self.hub is not None:
            yield GaugeMetricFamily("shipboard_streams", "Streams open", self.hub.streams)
            yield GaugeMetricFamily("shipboard_views", "Views kept up", self.hub.views)
            redrawn = self.hub.redrawn
            yield CounterMetricFamily("shipboard_regions_redrawn", "Regions whose bytes changed", redrawn)
            age = self.hub.beat_age()
            yield GaugeMetricFamily("shipboard_heartbeat_age_seconds", "Age of the last heartbeat", age)
        if self.fleet is not None and self.hub is not None and self.hub.ready:
            rows = GaugeMetricFamily("shipboard_rows", "Rows in memory, by sort", labels=["sort"])
            for sort in ("workloads", "sources", "rollouts"):
                rows.add_metric([sort], len(getattr(self.fleet, sort)))
            yield rows
            yield from _sources(self.fleet)


def _sources(fleet: Fleet) -> Iterator[Metric]:
    """Sources by cluster and kind; namespaces are summed, the oldest contact and the worst state hold."""
    labels = ["cluster", "kind"]
    age = GaugeMetricFamily(
        "shipboard_source_contact_age_seconds", "Since a source last proved itself", labels=labels
    )
    state = GaugeMetricFamily("shipboard_sources", "Sources, by state", labels=[*labels, "freshness"])
    now = datetime.now(UTC)
    ages: dict[tuple[str, str], float] = {}
    states: dict[tuple[str, str, str], int] = defaultdict(int)
    totals: dict[str, dict[tuple[str, str], int]] = {
        "lists": defaultdict(int),
        "watches": defaultdict(int),
        "events": defaultdict(int),
        "errors": defaultdict(int),
    }
    for source in fleet.sources.values():
        key = (source.cluster, source.kind)
        if source.contact_at is not None:
            ages[key] = max(ages.get(key, 0.0), (now - source.contact_at).total_seconds())
        for freshness in Freshness:
            states[(*key, freshness.value)] += source.freshness is freshness
        for what, counts in totals.items():
            counts[key] += getattr(source, what)
    for key, seconds in ages.items():
        age.add_metric(key, round(seconds, 3))
    for freshness_key, count in states.items():
        state.add_metric(freshness_key, count)
    yield age
    yield state
    for what, counts in totals.items():
        family = CounterMetricFamily(f"shipboard_source_{what}", f"What sources count: {what}", labels=labels)
        for key, count in counts.items():
            family.add_metric(key, count)
        yield family
