"""Instants as people and programs send them: with a time zone, and within years that every database can keep."""

from __future__ import annotations

from datetime import UTC, datetime

FIRST, LAST = 1970, 9000
"""Years taken; the ends of `datetime` itself overflow in another time zone."""


def in_utc(at: datetime) -> datetime:
    """`at` in UTC. Raises ValueError for one without a time zone or out of all reason."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone, as 2026-11-25T12:00:00Z has")
    if not FIRST < at.year < LAST:
        raise ValueError(f"an instant is of a year between {FIRST} and {LAST}")
    return at.astimezone(UTC)


def read(text: str) -> datetime:
    """An instant in UTC from ISO 8601. Raises ValueError."""
    return in_utc(datetime.fromisoformat(text))
