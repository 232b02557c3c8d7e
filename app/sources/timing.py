"""Every duration the collector lives by, and its back-off. Seconds throughout."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Real clusters use the defaults; tests squeeze them. The freshness limits themselves are
    `domain.freshness`'s."""

    watch_least: float = 25.0
    watch_most: float = 40.0  # with the grace, silence is noticed within 45 s
    watch_grace: float = 5.0
    silence: float = 15.0  # without a byte of an answer, watches once open excepted
    relist: float = 270.0  # plus one watch: no difference lives longer than 5.5 minutes
    list_gap: float = 30.0  # least time between two lists of a kind, unless the server demands one
    denied_retry: float = 30.0
    absent_retry: float = 30.0
    retry_floor: float = 0.5
    retry_base: float = 0.5
    retry_cap: float = 30.0
    probe_every: float = 5.0
    probe_limit: float = 4.0
    patience: float = 15.0  # after which workloads are shown although a kind has not been listed
    patience_optional: float = 1.0  # the same for a kind that no workload depends on
    tick: float = 0.25
    report: float = 5.0
    flush_least: float = 0.04
    flush_most: float = 0.25
    tail_every: float = 5.0  # between two logs read
    tail_denied: float = 600.0  # logs that may not be read
    page: int = 500


class Backoff:
    """Full jitter ("Exponential Backoff And Jitter", AWS), but never sooner than the floor: at most two tries
    a second."""

    def __init__(self, timing: Timing, rng: random.Random) -> None:
        self._timing, self._rng, self._tries = timing, rng, 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        most = min(self._timing.retry_cap, self._timing.retry_base * 2 ** min(self._tries, 16))
        self._tries += 1
        return max(self._timing.retry_floor, self._rng.uniform(0, most))

    def reset(self) -> None:
        """Something worked."""
        self._tries = 0
