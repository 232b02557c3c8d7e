"""Freezes: when going forward needs an override. Windows of the week in a time zone ("Fri 15:00 – Mon 08:00",
Europe/Berlin), spans by date, and freezes by hand.

Pure: `now` is always an argument. A freeze never speaks of going back; who asks for a rollback is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(
    r"\s*([A-Za-z]{3})[a-z]*\s+(\d{1,2}):(\d{2})\s*(?:-|–|to)\s*([A-Za-z]{3})[a-z]*\s+(\d{1,2}):(\d{2})\s*"
)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of every week, by the clock on the wall in `zone` (an IANA name): from `start` (day 0 is Monday, time) up
    to, not including, `end`."""

    start: tuple[int, time]
    end: tuple[int, time]
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str = "UTC") -> Window:
        """Read "Fri 15:00 – Mon 08:00" (hyphen, dash or "to"). Raises ValueError that says what is wrong."""
        found = _WINDOW.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no window of the week, such as 'Fri 15:00 - Mon 08:00'")
        sides = []
        for day, hour, minute in (found.groups()[:3], found.groups()[3:]):
            if day.capitalize() not in DAYS:
                raise ValueError(f"{day!r} is no day of the week; they are {', '.join(DAYS)}")
            if int(hour) > 23 or int(minute) > 59:
                raise ValueError(f"{hour}:{minute} is no time of day")
            sides.append((DAYS.index(day.capitalize()), time(int(hour), int(minute))))
        if sides[0] == sides[1]:
            raise ValueError("begins and ends at the same moment")
        known_zone(zone)
        return cls(sides[0], sides[1], zone)

    def around(self, now: datetime) -> tuple[datetime, datetime]:
        """The occurrence that holds `now`, else the next one: its beginning and its end."""
        local = now.astimezone(known_zone(self.zone))
        monday = local.date() - timedelta(days=local.weekday())
        for weeks in (-1, 0, 1, 2):
            first = monday + weeks * _WEEK
            begins = self._at(first, self.start)
            ends = self._at(first if self.end > self.start else first + _WEEK, self.end)
            if begins < ends and now < ends:
                return begins, ends
        raise AssertionError("every window comes round within two weeks")

    def _at(self, monday: date, moment: tuple[int, time]) -> datetime:
        day, clock = moment
        return datetime.combine(monday + timedelta(days=day), clock, known_zone(self.zone)).astimezone(UTC)

    def __str__(self) -> str:
        (a, begins), (b, ends) = self.start, self.end
        return f"{DAYS[a]} {begins:%H:%M} – {DAYS[b]} {ends:%H:%M} {self.zone}"


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze: its `reason` in words, where it holds (shell patterns), and when: in a `window` of the week, or from
    `since` (None: always has) until `until` (None: until it is lifted). `by` is who froze; empty: the configuration.
    `exempt` are the services (shell patterns) that somebody let out of it."""

    id: str
    reason: str
    environment: str = "*"
    service: str = "*"
    window: Window | None = None
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""
    exempt: tuple[str, ...] = ()

    def covers(self, environment: str, service: str) -> bool:
        """Whether it is about this place."""
        here = fnmatchcase(environment, self.environment) and fnmatchcase(service, self.service)
        return here and not any(fnmatchcase(service, each) for each in self.exempt)

    def holds(self, now: datetime) -> bool:
        """Whether it holds at `now`."""
        if (self.since and now < self.since) or (self.until and now >= self.until):
            return False
        return self.window is None or self.window.around(now)[0] <= now

    def ends(self, now: datetime) -> datetime | None:
        """When it lets go by itself, if it holds at `now`; None: it does not."""
        ends = self.window.around(now)[1] if self.window else None
        return min(filter(None, (ends, self.until)), default=None)

    def begins(self, now: datetime) -> datetime | None:
        """When it holds next, if it does not hold at `now`; None: never again."""
        if self.until and now >= self.until:
            return None
        start = max(now, self.since) if self.since else now
        if self.window:
            start = max(start, self.window.around(start)[0])
        return start if not self.until or start < self.until else None

    @property
    def where(self) -> str:
        """Its place in words: "payments-* in production"."""
        service = "everything" if self.service == "*" else self.service
        return f"{service} in {'every environment' if self.environment == '*' else self.environment}"


def exempting(freezes: Iterable[Freeze], exempt: Mapping[str, tuple[str, ...]]) -> tuple[Freeze, ...]:
    """`freezes` with the services that are exempt from them, by id."""
    return tuple(replace(f, exempt=exempt[f.id]) if f.id in exempt else f for f in freezes)


def at_wall(text: str, zone: str) -> datetime:
    """The instant at which clocks on the wall in `zone` show `text` ("2026-12-20T15:00"), the first of two. Raises
    ValueError where there is none, or the zone is not known."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time, such as 2026-12-20T15:00") from None
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    found = local.replace(tzinfo=known_zone(zone)).astimezone(UTC)
    if found.astimezone(known_zone(zone)).replace(tzinfo=None) != local:
        raise ValueError(f"{text} does not happen in {zone}: clocks are put forward then")
    return found


def holding(freezes: Iterable[Freeze], environment: str, service: str, now: datetime) -> tuple[Freeze, ...]:
    """The freezes that stand in the way of going forward here, the one that ends last first."""
    found = [f for f in freezes if f.covers(environment, service) and f.holds(now)]
    never = datetime.max.replace(tzinfo=UTC)
    return tuple(sorted(found, key=lambda f: (f.ends(now) or never, f.id), reverse=True))


def coming(freezes: Iterable[Freeze], environment: str, service: str, now: datetime) -> datetime | None:
    """When the next freeze begins here; None: none is known, or one holds already."""
    here = [f for f in freezes if f.covers(environment, service)]
    if any(f.holds(now) for f in here):
        return None
    return min((at for f in here if (at := f.begins(now))), default=None)


@lru_cache(maxsize=64)
def known_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{name!r} is no time zone that this machine knows, such as Europe/Berlin"
        ) from error
