"""How old what you see is: LIVE, DELAYED, STALE or UNKNOWN, decided from evidence and never from its absence.

A watch that is open proves nothing (a draining API server keeps it open and silent), so LIVE needs bytes on that very
watch and a real request answered. The figures are the freshness contract's.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Freshness(StrEnum):
    """Best first; `worst` uses this order."""

    LIVE = "live"
    DELAYED = "delayed"
    STALE = "stale"
    UNKNOWN = "unknown"


WATCH_SILENCE = 45.0
"""Seconds without a byte on a watch after which it no longer counts as live."""
PROBE_LIVE = 10.0
"""Seconds within which the source must have answered a real request to be LIVE."""
PROBE_STALE = 14.0
"""Seconds without an answer after which the source is STALE; between the two it is DELAYED. A second less than the
contract's 15, for the way from here to the screen."""

_ORDER = tuple(Freshness)


def judge(watch_age: float | None, probe_age: float | None) -> Freshness:
    """Freshness from two ages in (monotonic) seconds: last byte on the watch, last request answered. None: never."""
    if watch_age is None or probe_age is None:
        return Freshness.UNKNOWN
    if watch_age > WATCH_SILENCE or probe_age > PROBE_STALE:
        return Freshness.STALE
    return Freshness.LIVE if probe_age <= PROBE_LIVE else Freshness.DELAYED


def worst(states: Iterable[Freshness]) -> Freshness:
    """The worst of `states`; UNKNOWN when there are none, since nothing was looked at."""
    ranks = [_ORDER.index(s) for s in states]
    return _ORDER[max(ranks)] if ranks else Freshness.UNKNOWN
