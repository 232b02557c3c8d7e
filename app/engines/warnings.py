"""Events of type Warning, as evidence: which of them count, since when, in whose words.

Events are best effort, arrive late, are merged, and outlive what they tell by up to an hour: they explain
what an object's own status shows to be wrong, and never make anything wrong by themselves.
Source: kubelet and controller event reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..domain.names import cut
from .shapes import Event

TYPE = "Warning"
PROBE = frozenset({"Unhealthy", "ProbeWarning"})
VOLUME = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
SANDBOX = frozenset({"FailedCreatePodSandBox", "NetworkNotReady"})
PULL = frozenset({"Failed"})
REFUSED = frozenset({"FailedCreate"})


def first(event: Event) -> datetime | None:
    """When it was first seen."""
    return event.first_timestamp or event.event_time or event.metadata.creation_timestamp


def last(event: Event) -> datetime | None:
    """When it was last seen."""
    repeated = event.series.last_observed_time if event.series else None
    return event.last_timestamp or repeated or first(event)


def told_above(event: Event) -> bool:
    """Whether the owner of what it is about tells as much: a ReplicaSet tells of each pod it makes or deletes, the
    Deployment of all of them."""
    about = event.involved_object
    return event.type != TYPE and about is not None and about.kind == "ReplicaSet"


def newest(events: Iterable[Event], reasons: frozenset[str], floor: datetime | None = None) -> Event | None:
    """The newest event with one of these reasons, not older than `floor`."""
    found = [
        (last_seen.timestamp(), event.metadata.name, event)
        for event in events
        if event.reason in reasons
        and (last_seen := last(event)) is not None
        and (floor is None or last_seen >= floor)
    ]
    return max(found, key=lambda f: f[:2])[2] if found else None


def words(event: Event) -> str:
    """What it says, without the mark of merged events, fit to be shown."""
    return cut((event.message or "").removeprefix("(combined from similar events): "))
