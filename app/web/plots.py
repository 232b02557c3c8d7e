"""Plots as numbers for SVG: where a mark stands, in percent or on a canvas of 100 by 60. Pure; templates draw them and
say the same in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.rollout import Attention
from app.read.pipelines import minutes
from app.read.runs import RunLine
from app.read.timeline import Stroke

from .course import course

HEIGHT = 14.0
"""Of a strip of stages, in pixels."""
_GAP = 0.25
_TALL = 60.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A stage on the strip: `x` and `width` in percent of the axis, `y` and `height` in pixels from the strip's
    top; `odd` ones are in the other grey."""

    x: float
    y: float
    width: float
    height: float
    title: str
    phase: str
    odd: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """Stages of a run on the time axis: `queue` is the end of waiting in percent, `end` the run's, `label` says it
    all in words."""

    queue: float
    end: float
    marks: tuple[Mark, ...]
    label: str


def strip(run: RunLine, scale: int, now: datetime) -> Strip:
    """`run` on an axis of `scale` seconds; stages side by side share the height."""
    until = run.ended_at or run.as_of or now
    rows = max((span.lane for span in run.stages), default=0) + 1
    height = (HEIGHT - 2 * (rows - 1)) / rows if rows < 4 else HEIGHT / rows
    marks, words = [], []
    for place, span in enumerate(run.stages):
        seconds = max(0.0, ((span.ended_at or until) - span.started_at).total_seconds())
        x = _percent((span.started_at - run.begun_at).total_seconds(), scale)
        width = max(0.3, _percent(seconds, scale) - _GAP)
        said = f"{span.name} {minutes(round(seconds))}"
        phase = {Attention.FAILED: "failed", Attention.MOVING: "moving"}.get(
            span.attention or Attention.GOOD, ""
        )
        marks.append(
            Mark(
                x,
                round(span.lane * (HEIGHT / rows), 1),
                min(width, 100 - x),
                round(height, 1),
                said,
                phase,
                place % 2 == 1,
            )
        )
        words.append(said + {"failed": ", failed", "moving": ", running"}.get(phase, ""))
    queued = [f"queue {minutes(run.queued)}"] if run.queued else []
    end = _percent((until - run.begun_at).total_seconds(), scale)
    return Strip(_percent(run.queued, scale), end, tuple(marks), "; ".join(queued + words) or "no stage yet")


def _percent(seconds: float, scale: float) -> float:
    return round(min(1.0, max(0.0, seconds / scale)) * 100, 2)


def axis(scale: int) -> tuple[tuple[float, str], ...]:
    """Labels of a time axis of `scale` seconds: (percent, text), at most five."""
    step = 300 if scale <= 1200 else 600 if scale <= 2400 else 900
    return tuple((_percent(at, scale), f"{at // 60} min") for at in range(0, scale + 1, step) if at != 600)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar on a canvas of 100 by 60."""

    x: float
    y: float
    width: float
    height: float
    phase: str
    title: str
    last: bool = False


def bars(values: Sequence[float | None], top: float = 0.0) -> tuple[Bar, ...]:
    """Bars side by side, the last one told apart; `top` is what the height stands for, if not their greatest."""
    most = top or max((v for v in values if v), default=1.0)
    wide = 100 / max(1, len(values))
    found = []
    for place, value in enumerate(values):
        high = round(min(1.0, (value or 0.0) / most) * _TALL, 2)
        last = place == len(values) - 1
        found.append(
            Bar(round(place * wide + wide * 0.06, 2), _TALL - high, round(wide * 0.88, 2), high, "", "", last)
        )
    return tuple(found)


def recent(runs: Sequence[RunLine], budget: int) -> tuple[Bar, ...]:
    """The latest twelve runs as bars, oldest first; see `budget_y`."""
    found = []
    wide = 100 / 12
    top = line_top(runs, budget)
    shown = list(reversed(runs[:12]))
    for place, run in enumerate(shown):
        seconds = run.seconds or 0
        phase = {Attention.FAILED: "failed", Attention.MOVING: "moving"}.get(
            run.attention or Attention.GOOD, ""
        )
        high = round(max(3.0, min(1.0, seconds / top) * _TALL), 2)
        said = f"{run.sha[:7]} {run.word.lower()}" + (f", {minutes(seconds)}" if run.seconds else "")
        x = round((12 - len(shown) + place) * wide + wide * 0.12, 2)
        found.append(Bar(x, _TALL - high, round(wide * 0.76, 2), high, phase, said, seconds > budget))
    return tuple(found)


def line_top(runs: Sequence[RunLine], budget: int) -> float:
    """What the height of the bars stands for: a little more than the budget, or than the longest run."""
    return max([budget * 1.15, *(float(run.seconds or 0) for run in runs[:12])])


def budget_y(runs: Sequence[RunLine], budget: int) -> float:
    """Where the budget stands beside `recent`."""
    return round(_TALL - budget / line_top(runs, budget) * _TALL, 2)


@dataclass(frozen=True, slots=True)
class Trend:
    """A line with its band on a canvas of 100 by 60, as SVG paths; a gap where nothing is known."""

    line: str
    band: str
    dots: tuple[tuple[float, float], ...]


def trend(points: Sequence[tuple[float | None, float | None, float | None]], top: float) -> Trend:
    """(value, low, high) of each point, from left to right; `top` is what the height stands for."""
    step = 100 / max(1, len(points) - 1)

    def y(value: float) -> float:
        return round(_TALL - min(1.0, max(0.0, value / top if top else 0.0)) * (_TALL - 4), 1)

    line, bands, dots = "", "", []
    stretch: list[tuple[float, float, float]] = []
    joined = False
    for place, (value, low, high) in enumerate(points):
        x = round(place * step, 1)
        if value is None:
            joined = False
        else:
            line += f"{'L' if joined else 'M'}{x} {y(value)} "
            alone = not joined and (place + 1 >= len(points) or points[place + 1][0] is None)
            dots += [(x, y(value))] if alone else []
            joined = True
        if value is not None and low is not None and high is not None:
            stretch.append((x, y(high), y(low)))
        else:
            bands += _band(stretch)
            stretch = []
    return Trend(line.strip(), (bands + _band(stretch)).strip(), tuple(dots))


def _band(stretch: Sequence[tuple[float, float, float]]) -> str:
    if len(stretch) < 2:
        return ""
    over = " ".join(f"{x} {high}" for x, high, _ in stretch)
    under = " ".join(f"{x} {low}" for x, _, low in reversed(stretch))
    return f"M{over} L{under}z "


@dataclass(frozen=True, slots=True)
class Tick:
    """Deployments of one place on a lane: `x` in percent, `height` in pixels, higher for more; `title` says when
    and how many."""

    x: float
    kind: str
    height: int
    title: str


def strokes(some: Sequence[Stroke], since: datetime, until: datetime) -> tuple[Tick, ...]:
    """Deployments between two instants, those that would cover each other as one."""
    found: dict[tuple[float, str], list[datetime]] = {}
    whole = (until - since).total_seconds()
    for one in some:
        key = round(_percent((one.at - since).total_seconds(), whole) * 5) / 5, one.kind
        found.setdefault(key, []).append(one.at)
    return tuple(
        Tick(x, kind, min(18, 9 + 3 * (len(all_) - 1)), _when(kind, all_))
        for (x, kind), all_ in sorted(found.items())
    )


def _when(kind: str, instants: Sequence[datetime]) -> str:
    first = min(instants)
    said = {"back": "went back", "restart": "restarted", "other": "superseded"}.get(
        kind, kind.removeprefix("now ")
    )
    return f"{first:%b} {first.day}, {first:%H:%M} UTC: {len(instants):,} {said}"


def weekly(weeks: Sequence[Any], until: datetime, name: str) -> list[str]:
    """What is told of the figure `name` in each of `weeks`, the last of which ends at `until`."""
    found = []
    for place, week in enumerate(weeks):
        end, figure = until - timedelta(weeks=len(weeks) - 1 - place), getattr(week, name)
        if name == "frequency":
            text = f"{figure.n:,} deployment{'' if figure.n == 1 else 's'}"
        elif figure.value is None:
            text = "unknown"
        elif name in ("fail", "rework"):
            text = f"{100 * figure.value:.1f} %, {figure.n:,} of {figure.of:,}"
        else:
            text = f"{hm(figure.value)} {hm_unit(figure.value)}, n = {figure.n:,}"
        found.append(f"Week to {end:%b} {end.day}: {text}")
    return found


def points(weeks: Sequence[Any], name: str) -> list[tuple[float | None, float | None, float | None]]:
    """The figure `name` of each week, for `trend`."""
    found = [getattr(week, name) for week in weeks]
    return [(figure.value, figure.low, figure.high) for figure in found]


def ceiling(weeks: Sequence[Any], name: str) -> float:
    """What the height of `points` stands for: it holds what is usual, and lets an odd week touch the top."""
    found = points(weeks, name)
    values = sorted(value for value, _, _ in found if value is not None)
    if not values:
        return 1.0
    highs = [high for value, _, high in found if value is not None and high is not None]
    usual = values[len(values) // 2] or max(values)
    return max(min(max([*values, *highs]), 4 * usual) if usual else max([*highs, 0.1]), 1e-9)


def hm(seconds: float) -> str:
    """A length as a figure: 2:50 (hours and minutes), minutes below an hour, days above two: see `hm_unit`."""
    if seconds < 3600:
        return f"{seconds / 60:.0f}" if seconds >= 60 else f"{seconds:.0f}"
    if seconds < 172_800:
        whole = round(seconds / 60)
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{seconds / 86_400:.1f}"


def hm_unit(seconds: float) -> str:
    """The unit of `hm`."""
    if seconds < 60:
        return "s"
    return "min" if seconds < 3600 else "h:min" if seconds < 172_800 else "days"


PLOTS: Mapping[str, Callable[..., object]] = {
    "strip": strip,
    "axis": axis,
    "bars": bars,
    "recent": recent,
    "budget_y": budget_y,
    "trend": trend,
    "minutes": minutes,
    "strokes": strokes,
    "points": points,
    "weekly": weekly,
    "ceiling": ceiling,
    "hm": hm,
    "hm_unit": hm_unit,
    "course": course,
}
