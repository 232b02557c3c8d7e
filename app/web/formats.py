"""How templates write instants, lengths and counts. Pure filters; `static/js/app.js` ticks the same texts in
the same words.

Instants are aware datetimes and print in UTC; ages are never negative, since clocks differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from markupsafe import Markup, escape

from ..domain import repositories
from ..domain.artifacts import FLAG_WORDS
from ..domain.freshness import Freshness
from ..domain.remedies import remedy
from ..domain.rollout import Attention
from ..read.words import number, opens
from .plots import PLOTS

_UNIT = re.compile(r"(?<=\d) (?=(?:%|[hds]|min)(?!\w))")
_JOINT = re.compile(r"(?<=/)(?=\w)|(?<=\w)(?=[:@])")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*").fullmatch
_DAY_STRIP = timedelta(hours=24)


def iso(at: datetime) -> str:
    """For the `datetime` attribute: 2026-11-23T14:32:08Z."""
    return f"{at.astimezone(UTC).isoformat()[:19]}Z"


def clock(at: datetime) -> str:
    """Time of day to the second: 14:32:08."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def hour(at: datetime) -> str:
    """Time of day to the minute: 14:32."""
    return at.astimezone(UTC).strftime("%H:%M")


def ago(at: datetime, now: datetime, fine: bool = False) -> str:
    """How long ago, in the largest unit: 48 s, 11 min, 3 h, 9 d; `fine` keeps the minutes: 3 h 05 min."""
    seconds = max(0, int((now - at).total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if fine and seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02d} min"
    return f"{seconds // _HOUR} h" if seconds < _DAY else f"{seconds // _DAY} d"


def timer(at: datetime, now: datetime) -> str:
    """How long ago as a running timer: 8:51, 1:42:07, 2 d 03:12."""
    seconds = max(0, int((now - at).total_seconds()))
    days, rest = divmod(seconds, _DAY)
    hours, rest = divmod(rest, _HOUR)
    if days:
        return f"{days} d {hours:02d}:{rest // _MINUTE:02d}"
    minutes = f"{rest // _MINUTE:02d}:{rest % _MINUTE:02d}"
    return f"{hours}:{minutes}" if hours else minutes.removeprefix("0")


def share(at: datetime, now: datetime) -> str:
    """Where an instant lies in the 24 hours before `now`, in percent: 93.21."""
    part = 1 - (now - at) / _DAY_STRIP
    return f"{min(1.0, max(0.0, part)) * 100:.2f}"


def day_before(now: datetime) -> datetime:
    """Where the 24 hours before `now` begin."""
    return now - _DAY_STRIP


def hours_before(now: datetime, step: int = 3) -> list[datetime]:
    """The full hours of the last 24, each `step`-th of the day, that leave room for their label at both
    ends."""
    first = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    hours = (first + timedelta(hours=i) for i in range(24))
    return [h for h in hours if h.hour % step == 0 and 0.02 < 1 - (now - h) / _DAY_STRIP < 0.98]


def beat(now: datetime) -> str:
    """A letter that differs from one 5 s heartbeat to the next, also when one comes late or is left out."""
    return "abc"[int(now.timestamp()) // 5 % 3]


def phase(state: Attention | Freshness | None) -> str:
    """The `data-phase` that states.css gives a colour: only what is good or LIVE is "healthy"."""
    if state is None:
        return "none"
    if isinstance(state, Freshness):
        return "healthy" if state is Freshness.LIVE else "unknown"
    return "healthy" if state is Attention.GOOD else state.value


def length(span: timedelta | float) -> str:
    """How long something took, in at most two units: 4.1 s, 45 s, 12 min, 2 h 01 min, 3 d 4 h."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s".replace(".0 s", " s")
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < _HOUR - _MINUTE / 2:
        return f"{round(seconds / _MINUTE)} min"
    minutes = round(seconds / _MINUTE)
    if seconds < _DAY:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def day(at: datetime, now: datetime) -> str:
    """A day and the time of it, UTC: "Today 12:31", "Nov 20, 15:11", "Nov 20, 2025" for another year."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    if at.date() == now.date():
        return f"Today {at:%H:%M}"
    return f"{at:%b} {at.day}, {at:%H:%M}" if at.year == now.year else f"{at:%b} {at.day}, {at.year}"


def within(at: datetime, now: datetime) -> str:
    """The same within a sentence: "today 12:31"."""
    return day(at, now).replace("Today", "today")


def weekday(at: datetime) -> str:
    """A near day and the time of it, UTC: "Mon 08:00"."""
    return at.astimezone(UTC).strftime("%a %H:%M")


def capitalize_first(text: str) -> str:
    """The first letter large, all others as they are."""
    return text[:1].upper() + text[1:]


def unbroken(text: str) -> str:
    """Figures that stay on one line with their unit: "25 %", "6 h 05 min"."""
    return _UNIT.sub("\u00a0", text)


def broken(name: str) -> Markup:
    """A long name that a line may break after a slash and before a colon, rather than inside of a word or number."""
    return Markup(_JOINT.sub("<wbr>", str(escape(name))))  # noqa: S704 - escaped before


def stamp(at: datetime) -> str:
    """A minute as an address names it: 2026-11-25T14:03Z."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def epoch(at: datetime) -> int:
    """Seconds since 1970."""
    return int(at.timestamp())


def quoted(text: str) -> str:
    """A path as a link has it (RFC 3986): as `urlencode` makes it, sooner where nothing is to be quoted."""
    return text if _PLAIN(text) else quote(text)


def short(digest: str) -> str:
    """A digest that can be compared by eye: sha256:9c41e07a…d2b8."""
    kind, _, rest = digest.partition(":")
    return f"{kind}:{rest[:8]}…{rest[-4:]}" if len(rest) > 16 else digest


def thousands(n: int) -> str:
    """2980 gives 2,980."""
    return f"{n:,}"


FILTERS: Mapping[str, Callable[..., object]] = {
    "sha": repositories.short,
    "within": within,
    "iso": iso,
    "clock": clock,
    "hour": hour,
    "ago": ago,
    "timer": timer,
    "share": share,
    "day_before": day_before,
    "hours_before": hours_before,
    "beat": beat,
    "phase": phase,
    "thousands": thousands,
    "length_of": length,
    "day": day,
    "weekday": weekday,
    "number_word": number,
    "capitalize_first": capitalize_first,
    "opens": opens,
    "unbroken": unbroken,
    "broken": broken,
    "short": short,
    "quoted": quoted,
    "stamp": stamp,
    "epoch": epoch,
    "remedy": remedy,
    "flag": FLAG_WORDS.__getitem__,
    **PLOTS,
}
