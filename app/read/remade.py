"""A page about something on one cluster, made anew as a whole: what the projections of such pages have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar

from .fleet import Fleet
from .rows import SourceRow
from .sources import contacts, judged

T = TypeVar("T")


class Remade(ABC, Generic[T]):
    """A projection whose page `_make` makes of `_fleet`, of the `_sources` of `_cluster`, and of the instant `_now`.
    What else it needs is there before this is initialised."""

    def __init__(self, fleet: Fleet, now: datetime) -> None:
        self._fleet, self._now = fleet, now
        self._judge(now)
        self._page = self._make()

    @property
    @abstractmethod
    def _cluster(self) -> str: ...

    @abstractmethod
    def _make(self) -> T: ...

    @property
    def page(self) -> T:
        """The whole read model."""
        return self._page

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When its cluster was last heard."""
        return contacts(self._sources)

    def tick(self, now: datetime) -> bool:
        """Take in what time alone changes; whether the page changed."""
        self._judge(now)
        return self._again(now)

    def _again(self, now: datetime) -> bool:
        self._now = now
        before, self._page = self._page, self._make()
        return before != self._page

    def _judge(self, now: datetime) -> None:
        self._sources: list[SourceRow] = [
            judged(row, now) for row in self._fleet.sources.values() if row.cluster == self._cluster
        ]
