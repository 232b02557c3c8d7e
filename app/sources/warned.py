"""Which warnings of a root are news: told once, and again whenever the cluster has counted further.

What is remembered are the newest of each root that is there, so its size is bounded by the roots.
"""

from __future__ import annotations

from datetime import datetime
from heapq import nlargest

from ..domain.facts import WarningObserved
from ..domain.names import cut
from ..engines import warnings
from ..engines.port import Kin
from ..engines.shapes import Event

MOST = 30
"""Newest warnings of a root that are looked at."""
_TIMES = 2**31 - 1


class Warned:
    """What was told of each root's warnings: resourceVersion by event uid, by root uid."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._told: dict[str, dict[str, str]] = {}

    def news(self, root: str, kin: Kin, now: datetime) -> list[WarningObserved]:
        """Warnings among the newest of `kin` that were not told as they are now, oldest first; from now on they
        count as told."""
        told, newest = self._told.pop(root, {}), _newest(kin)
        if newest:
            self._told[root] = {event.metadata.uid: event.metadata.resource_version for event in newest}
        return [
            self._fact(root, event, now)
            for event in reversed(newest)
            if told.get(event.metadata.uid) != event.metadata.resource_version
        ]

    def forget(self, root: str) -> None:
        """The root is there no longer, or what was told of it did not arrive."""
        self._told.pop(root, None)

    def _fact(self, root: str, event: Event, now: datetime) -> WarningObserved:
        about, series = event.involved_object, event.series
        times = event.count or (series.count if series else None) or 1
        return WarningObserved(
            cluster=self._cluster,
            uid=event.metadata.uid,
            root=root,
            about=cut(f"{about.kind}/{about.name}" if about else ""),
            reason=cut(event.reason or "", 100),
            message=warnings.words(event),
            times=min(max(times, 1), _TIMES),
            first_at=_past(warnings.first(event), now),
            last_at=_past(warnings.last(event), now),
            seen_at=now,
        )


def _newest(kin: Kin) -> list[Event]:
    every = (event for events in kin.warnings.values() for event in events)
    return nlargest(MOST, every, key=_age)


def _age(event: Event) -> tuple[float, str]:
    seen = warnings.last(event)
    return (seen.timestamp() if seen else 0.0), event.metadata.uid


def _past(at: datetime | None, now: datetime) -> datetime:
    """`at`, unless it is unknown, of no time zone, or by a clock that is ahead."""
    return min(at, now) if at is not None and at.tzinfo is not None else now
