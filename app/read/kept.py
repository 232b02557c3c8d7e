"""A read model that is read from the database and kept up for as long as somebody holds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.names import Topic

Reading = Callable[[AsyncConnection, datetime], Awaitable[Any]]
"""Reads the model as of an instant."""


class Kept:
    """`value` is what `read` answered last. It is read again when a topic that it `wants` came, and when the last
    time is longer ago than `lasts`; never more often than every `rest`."""

    __slots__ = ("__weakref__", "_read", "at", "dirty", "lasts", "rest", "value", "wants")

    def __init__(
        self,
        read: Reading,
        wants: Callable[[Topic], bool],
        lasts: timedelta | None = None,
        rest: timedelta = timedelta(seconds=1),
    ) -> None:
        self._read, self.wants, self.lasts, self.rest = read, wants, lasts, rest
        self.value: Any = None
        self.at: datetime | None = None
        self.dirty = True

    def due(self, now: datetime) -> bool:
        """Whether it is to be read."""
        if self.at is None:
            return True
        age = now - self.at
        return (self.dirty and age >= self.rest) or (self.lasts is not None and age >= self.lasts)

    async def read(self, connection: AsyncConnection, now: datetime) -> None:
        """Read it; an equal answer leaves the same object in place."""
        found = await self._read(connection, now)
        self.at, self.dirty = now, False
        if found != self.value:
            self.value = found
