"""Times of the database: aware UTC going in and out, on SQLite as text with six decimals and no zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect
from sqlmodel.sql.sqltypes import UTCDateTime


class Instant(UTCDateTime):
    """SQLModel's type for aware times, without its and SQLAlchemy's steps in between on SQLite: every row has several,
    and they were a sixth of what a changed workload cost. A time without a zone is a ValueError."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """How a time is written."""
        return _text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """How it is read."""
        return _time if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _text(at: datetime | None) -> str | None:
    if at is None:
        return None
    if at.tzinfo is not UTC:
        if at.utcoffset() is None:
            raise ValueError(f"{at} has no time zone.")
        at = at.astimezone(UTC)
    return at.isoformat(" ", "microseconds")[:26]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
