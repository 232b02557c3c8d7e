"""Instants as people and programs send them: with a time zone, and within years that every database can keep."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .names import cut

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


_BEFORE = re.compile(r"-([0-9]{1,6})([mhd])", re.ASCII)
_EPOCH = re.compile(r"[0-9]{9,11}", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_FORMS = "Write it as 2026-11-25T14:03Z, as -15m (or -2h, -3d), or as seconds since 1970."


def minute(at: datetime) -> datetime:
    """The beginning of the minute that `at` lies in."""
    return at.replace(second=0, microsecond=0)


def minute_from(at: datetime) -> datetime:
    """The first minute at which what happened at `at` is seen."""
    down = minute(at)
    return down if down == at else down + _UNITS["m"]


def past_minute(text: str, now: datetime) -> datetime:
    """A minute that was, in UTC, which is also the zone of who names none. Raises ValueError with a sentence."""
    said = text.strip()
    try:
        if found := _BEFORE.fullmatch(said):
            at = now - int(found[1]) * _UNITS[found[2]]
        elif _EPOCH.fullmatch(said):
            at = datetime.fromtimestamp(int(said), UTC)
        else:
            at = datetime.fromisoformat(said)
            at = in_utc(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"at={cut(said, 40)} is no instant. {_FORMS}") from None
    if at > now:
        raise ValueError(f"at={cut(said, 40)} is in the future, of which nothing is known yet. {_FORMS}")
    return minute(at)
