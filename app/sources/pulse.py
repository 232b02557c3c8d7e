"""Whether a cluster's API answers real requests: one probe for all its sources, and the bell that ends their
waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from ..domain.refusals import ClusterError


class Pulse:
    """When the API last answered, by `clock`. `trouble` is why the last probe failed, None while they
    succeed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answered: float | None = None
        self._bell = asyncio.Event()
        self.trouble: ClusterError | None = None

    @property
    def age(self) -> float | None:
        """Seconds since a request was answered, None for never."""
        return None if self._answered is None else self._clock() - self._answered

    def answered(self, asked_at: float) -> None:
        """A request sent at `asked_at` was answered; whoever waits for that goes on."""
        self._answered = max(asked_at, self._answered or asked_at)
        if self.trouble is not None:
            self.trouble = None
            self._bell.set()
            self._bell.clear()

    async def recovered(self, seconds: float) -> None:
        """Wait until the API answers again after trouble, at most `seconds`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), seconds)
