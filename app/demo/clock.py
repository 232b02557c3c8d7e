"""The cluster's clock: real time, or time that runs faster so that tests need not wait.

`now()` and every timestamp of the cluster come from here, so deadlines, ages and pauses agree with each other
at any scale. HTTP time-outs and bookmarks stay on real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


def stamp(seconds: float) -> str:
    """RFC 3339 with the one-second resolution of metav1.Time."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp(seconds: float) -> str:
    """RFC 3339 with microseconds (metav1.MicroTime)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(text: str | None) -> float:
    """Epoch seconds of an RFC 3339 stamp; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


class Clock:
    """Time that passes `scale` times as fast as the machine's, from now or from `behind` seconds ago.

    `ticks` and `since` (epoch seconds) put another time in the machine's place: that of a loop that need not wait.
    """

    def __init__(
        self,
        scale: float = 1.0,
        behind: float = 0.0,
        *,
        ticks: Callable[[], float] = time.monotonic,
        since: float | None = None,
    ) -> None:
        self.scale = scale
        self._ticks = ticks
        self._started = (time.time() if since is None else since) - behind
        self._origin = ticks()

    def catch_up(self, scale: float) -> None:
        """From here on it is the machine's time that passes, `scale` times as fast. Never goes back."""
        self._started, self._origin, self.scale = max(time.time(), self.now()), self._ticks(), scale

    def now(self) -> float:
        return self._started + (self._ticks() - self._origin) * self.scale

    def stamp(self) -> str:
        return stamp(self.now())

    def real(self, seconds: float) -> float:
        """How long `seconds` of cluster time take on the machine."""
        return seconds / self.scale
