"""A rollout's course as numbers for SVG: pods, weights and steps over time, on a canvas of 100 by 60. Pure; templates
draw it and say the same in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.course import Sample
from app.domain.stages import Stage
from app.read.past import PastRollout

TALL = 60.0
FINE = 0.8
"""Percent of the width that a moment has at least."""
NEAR = 9.0
"""Percent of the width that a label needs before the next mark."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a step began, in percent; `label` is empty where there is no room for it."""

    x: float
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Moment:
    """From one look to the next, in percent of the width, and what was so in it."""

    x: float
    width: float
    at: datetime
    text: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure of either side as two lines to one scale from 0 to `top`, with what they end at."""

    title: str
    new: str
    old: str
    top: int
    new_last: int
    old_last: int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """`new` and `old` are areas of ready pods, the one on the other, up to `top`; `wanted` is where all of them end.
    `weight` and `asked` are lines from 0 to 100 %, empty where nothing splits traffic. `pairs` compare the sides."""

    since: datetime
    until: datetime
    top: int
    new: str
    old: str
    wanted: float
    weight: str
    asked: str
    marks: tuple[Mark, ...]
    moments: tuple[Moment, ...]
    pairs: tuple[Pair, ...]
    label: str


def course(past: PastRollout, samples: Sequence[Sample], now: datetime) -> Course | None:
    """The course of `past` as of `now`; None where too little of it was seen to be drawn."""
    mine = _seen(samples, past.rollout.ended_at)
    if len(mine) < 2 and (not mine or past.rollout.ended_at):
        return None
    since = mine[0].at  # what was before the first look is not known
    until = max(past.rollout.ended_at or now, mine[-1].at)
    whole = (until - since).total_seconds()
    if whole <= 0:
        return None

    def x(at: datetime) -> float:
        return round(min(1.0, max(0.0, (at - since).total_seconds() / whole)) * 100, 2)

    def line(value: Callable[[Sample], int | None], top: float) -> str:
        text = ""
        for one in mine:
            if (n := value(one)) is not None:
                y = _y(n, top)
                text += f"H{x(one.at)}V{y}" if text else f"M{x(one.at)} {y}"
        return f"{text}H100" if text else ""

    def area(value: Callable[[Sample], int]) -> str:
        return f"{line(value, top)}V{TALL:g}H{x(mine[0].at)}z"

    top = max(max(one.new + one.old, one.wanted) for one in mine) or 1
    restarts = max(max(one.new_restarts, one.old_restarts) for one in mine)
    last = mine[-1]
    pairs = [
        Pair("Ready pods", line(lambda s: s.new, top), line(lambda s: s.old, top), top, last.new, last.old),
        Pair(
            "Restarts",
            line(lambda s: s.new_restarts, restarts or 1),
            line(lambda s: s.old_restarts, restarts or 1),
            restarts,
            last.new_restarts,
            last.old_restarts,
        ),
    ]
    if last.measured is not None:
        rest = line(lambda s: None if s.measured is None else 100 - s.measured, 100)
        mine_ = line(lambda s: s.measured, 100)
        pairs.append(Pair("Traffic, measured", mine_, rest, 100, last.measured, 100 - last.measured, " %"))
    apart = _apart(mine, x)
    ends = [*(x(one.at) for one in apart[1:]), 100.0]
    moments = tuple(
        Moment(x(one.at), round(max(0.3, end - x(one.at)), 2), one.at, said(one), one)
        for one, end in zip(apart, ends, strict=True)
    )
    return Course(
        since=since,
        until=until,
        top=top,
        new=area(lambda s: s.new),
        old=area(lambda s: s.new + s.old),
        wanted=_y(last.wanted, top),
        weight=line(lambda s: s.measured, 100),
        asked=line(lambda s: s.asked, 100),
        marks=_marks(past.stages, x),
        moments=moments,
        pairs=tuple(pairs),
        label=f"From {said(mine[0])} to {said(last)}.",
    )


def said(one: Sample) -> str:
    """A sample in words."""
    text = f"{one.new:,} new and {one.old:,} old pods ready, {one.wanted:,} wanted"
    text += f", {one.failing:,} failing" if one.failing else ""
    if one.asked is not None:
        text += f"; {one.asked} % of traffic asked for, {one.measured} % measured"
    return text


def _seen(samples: Sequence[Sample], until: datetime | None) -> list[Sample]:
    """In order and inside of the rollout; of several at one instant the last."""
    found: dict[datetime, Sample] = {one.at: one for one in samples if until is None or one.at <= until}
    return [found[at] for at in sorted(found)]


def _apart(samples: Sequence[Sample], x: Callable[[datetime], float]) -> list[Sample]:
    """Those that a pointer can tell from each other; of several in one place the last."""
    found: list[Sample] = []
    for one in samples:
        if found and x(one.at) - x(found[-1].at) < FINE and len(found) > 1:
            found[-1] = one
        else:
            found.append(one)
    return found


def _y(value: float, top: float) -> float:
    return round(TALL - min(1.0, max(0.0, value / top)) * (TALL - 2), 2)


def _marks(stages: Sequence[Stage], x: Callable[[datetime], float]) -> tuple[Mark, ...]:
    """Where each step began; one is named where the next leaves room for it."""
    found: list[Mark] = []
    for stage in stages:
        label = stage.label or stage.phase.value.replace("_", " ")
        at = x(stage.started_at)
        if found and at <= 0:
            found.clear()  # it was over when the first look came
        if not found or found[-1].label != label:
            found.append(Mark(at, label, f"{label}, from {stage.started_at:%H:%M:%S}"))
    ends = [*(mark.x for mark in found[1:]), 100.0]  # one more than there are where there are none
    return tuple(
        mark if end - mark.x >= NEAR else replace(mark, label="")
        for mark, end in zip(found, ends, strict=False)
    )
