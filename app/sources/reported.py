"""Which events of a root are news: told once, and again whenever the cluster has counted further.

Warnings, and what is said of the root itself, are told one by one; what else is said of its pods is told
together, by reason and time, since one rollout says it of each of them. What is remembered are the newest of
each root that is there, so its size is bounded by the roots and their events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import nlargest

from ..domain.facts import EventObserved
from ..domain.names import cut
from ..engines import warnings
from ..engines.port import POD, Kin
from ..engines.shapes import Event

MOST = 30
"""Newest warnings of a root that are looked at; and as many other events, and kinds of these about pods."""
TOGETHER = 600
"""Seconds within which the same, said of several pods, is one event."""
_TIMES = 2**31 - 1


@dataclass(slots=True)
class _Told:
    """Of one root: resourceVersion by uid of events told alone; how often each was counted that is told with
    others, and what of these was told."""

    versions: dict[str, str] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    together: dict[str, EventObserved] = field(default_factory=dict)


class ReportedEvents:
    """What was told of each root's events."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._told: dict[str, _Told] = {}

    def news(self, root: str, kin: Kin, now: datetime) -> list[EventObserved]:
        """Events among the newest of `kin` that were not told as they are now, oldest first; from now on they count as
        told."""
        told = self._told.pop(root, None) or _Told()
        others = [event for events in kin.notices.values() for event in events]
        alone = _newest(e for events in kin.warnings.values() for e in events)
        alone += _newest(e for e in others if not _of_pod(e))
        found = [
            self._fact(root, event, now)
            for event in alone
            if told.versions.get(event.metadata.uid) != event.metadata.resource_version
        ]
        told.versions = {event.metadata.uid: event.metadata.resource_version for event in alone}
        found += self._counted(root, told, [e for e in others if _of_pod(e)], now)
        if told.versions or told.counted:
            self._told[root] = told
        return sorted(found, key=lambda fact: (fact.last_at, fact.uid))

    def forget(self, root: str) -> None:
        """The root is there no longer, or what was told of it did not arrive."""
        self._told.pop(root, None)

    def _counted(self, root: str, told: _Told, events: list[Event], now: datetime) -> Iterable[EventObserved]:
        """Those about pods: each is counted where it was first seen, and on from there."""
        changed: dict[str, EventObserved] = {}
        for event in events:
            times, before = _times(event), told.counted.get(event.metadata.uid, 0)
            if times <= before:
                continue
            fact = self._fact(root, event, now)
            uid = f"{root}/{fact.reason}/{fact.first_at.timestamp() // TOGETHER:.0f}"
            known = told.together.get(uid)
            if known is None:
                fact = replace(fact, uid=uid)
            else:
                about = known.about if known.about.startswith(fact.about) else f"{fact.about} and others"
                fact = replace(
                    fact,
                    uid=uid,
                    about=about,
                    times=min(known.times + times - before, _TIMES),
                    first_at=min(known.first_at, fact.first_at),
                    last_at=max(known.last_at, fact.last_at),
                )
            told.together[uid] = changed[uid] = fact
        told.counted = {event.metadata.uid: _times(event) for event in events}
        newest = nlargest(MOST, told.together.values(), key=lambda fact: fact.last_at)
        told.together = {fact.uid: fact for fact in newest}
        return changed.values()

    def _fact(self, root: str, event: Event, now: datetime) -> EventObserved:
        about = event.involved_object
        return EventObserved(
            cluster=self._cluster,
            uid=event.metadata.uid,
            root=root,
            warning=event.type == warnings.TYPE,
            about=cut(f"{about.kind}/{about.name}" if about else ""),
            reason=cut(event.reason or "", 100),
            message=warnings.words(event),
            times=_times(event),
            first_at=_past(warnings.first(event), now),
            last_at=_past(warnings.last(event), now),
            seen_at=now,
        )


def _of_pod(event: Event) -> bool:
    return event.involved_object is not None and event.involved_object.kind == POD.name


def _times(event: Event) -> int:
    times = event.count or (event.series.count if event.series else None) or 1
    return min(max(times, 1), _TIMES)


def _newest(events: Iterable[Event]) -> list[Event]:
    return nlargest(MOST, events, key=_age)


def _age(event: Event) -> tuple[float, str]:
    seen = warnings.last(event)
    return (seen.timestamp() if seen else 0.0), event.metadata.uid


def _past(at: datetime | None, now: datetime) -> datetime:
    """`at`, unless it is unknown, of no time zone, or by a clock that is ahead."""
    return min(at, now) if at is not None and at.tzinfo is not None else now
