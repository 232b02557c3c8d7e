"""What one source tells of itself: how it stands, how fresh it is, what it has done and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ..domain.facts import SourceObserved
from ..domain.freshness import Freshness, judge
from ..domain.refusals import ClusterError
from ..engines.port import Kind
from .cache import Cache
from .intake import Intake
from .pulse import Pulse
from .standing import Standing, explain


class Account:
    """The record of a source of one `kind`, in one namespace or (empty) all; who follows the kind keeps it.
    `clock` is monotonic seconds, `contact` the last time by it that the server was heard."""

    def __init__(
        self,
        cluster: str,
        kind: Kind,
        namespace: str,
        cache: Cache,
        pulse: Pulse,
        clock: Callable[[], float],
    ) -> None:
        self.cluster, self.kind, self.namespace = cluster, kind, namespace
        self.standing = Standing.UNLISTED
        self.lists = self.watches = self.errors = 0
        self.contact: float | None = None
        self.trouble: ClusterError | None = None
        self._cache, self._pulse, self._clock = cache, pulse, clock
        self._intake = Intake(kind, cache)
        self._listed_at = float("-inf")
        self._contact: tuple[float | None, datetime | None] = (None, None)

    @property
    def drift(self) -> int:
        """Differences that full lists found and the watches before them should have delivered."""
        return self._intake.drift

    @property
    def lists_done(self) -> bool:
        """Whether a list was ever completed."""
        return self._listed_at > float("-inf")

    @property
    def settled(self) -> bool:
        """Whether it is known what there is, or why it cannot be known."""
        return self.standing is not Standing.UNLISTED

    def condition(self) -> tuple[Freshness, str, tuple[str, ...]]:
        """Freshness, message and unreadable objects as they are now: what is told at once when it changes."""
        age = None if self.contact is None else self._clock() - self.contact
        known = self.standing in (Standing.LISTED, Standing.ABSENT)
        freshness = judge(age, self._pulse.age) if known else Freshness.UNKNOWN
        message = explain(self.kind, self.standing, freshness, self.trouble, self._pulse)
        return freshness, message, self._cache.unreadable(self.kind.name, self.namespace)

    def observed(self, now: datetime) -> SourceObserved:
        """How this source is at `now`."""
        if self._contact[0] != self.contact:
            # told once a contact: two clocks never agree to the microsecond, and what did not move must not seem to
            age = None if self.contact is None else self._clock() - self.contact
            self._contact = self.contact, None if age is None else now - timedelta(seconds=age)
        freshness, message, unreadable = self.condition()
        return SourceObserved(
            cluster=self.cluster,
            kind=self.kind.name,
            namespace=self.namespace,
            freshness=freshness,
            contact_at=self._contact[1],
            seen_at=now,
            message=message,
            objects=self._cache.count(self.kind.name, self.namespace),
            lists=self.lists,
            watches=self.watches,
            events=self._intake.events,
            errors=self.errors,
            unreadable=unreadable,
            installed=self.standing is not Standing.ABSENT,
        )

    def _heard(self) -> None:
        self.contact = self._clock()
