"""The day strip: rollouts of the last 24 hours, counted by the minute, kept up one rollout at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ..domain.rollout import Outcome, RolloutKind
from .board import Day, Tick, TickKind
from .rows import RolloutRow

WINDOW = timedelta(hours=24)

KINDS = {
    None: TickKind.MOVING,
    Outcome.PROMOTED: TickKind.LANDED,
    Outcome.FAST_PROMOTED: TickKind.LANDED,
    Outcome.ABORTED: TickKind.FAILED,
    Outcome.FAILED: TickKind.FAILED,
    Outcome.ROLLED_BACK: TickKind.ROLLED_BACK,
}
"""What superseded something tells its own story, so a superseded rollout is not drawn; nor is a restart that went
well."""

Mark = tuple[int, TickKind, bool]
"""A minute since the epoch, how it ended, whether in the last environment."""
_NAMED = 3
"""Most rollouts of a mark that are named."""


class DayStrip:
    """Rollouts by `Mark`. `final` is the last environment's name."""

    def __init__(self, final: str) -> None:
        self._final = final
        self._marks: dict[str, Mark] = {}
        self._names: dict[Mark, dict[str, str]] = {}

    def put(self, key: str, row: RolloutRow | None) -> bool:
        """Take in a rollout, or that it is not (or no longer) to be shown. True when the strip changed."""
        mark: Mark | None = None
        restarted = row is not None and row.kind is RolloutKind.RESTART and row.outcome is Outcome.PROMOTED
        if row is not None and row.outcome in KINDS and not restarted:
            at = row.ended_at or row.started_at
            mark = (int(at.timestamp()) // 60, KINDS[row.outcome], row.place.environment == self._final)
        name = f"{row.place.service} {row.to_version} in {row.place.environment}" if row and mark else ""
        before = self._marks.pop(key, None)
        named = self._names.get(before, {}).pop(key, "") if before else ""
        if before and not self._names[before]:
            del self._names[before]
        if mark:
            self._marks[key] = mark
            self._names.setdefault(mark, {})[key] = name
        return (mark, name) != (before, named)

    def day(self, now: datetime) -> Day:
        """What of it lies in the 24 hours before `now`."""
        first = int((now - WINDOW).timestamp()) // 60
        inside = sorted(
            (mark for mark in self._names if mark[0] > first or mark[1] is TickKind.MOVING),
            key=lambda mark: (mark[0], mark[2], mark[1].value),
        )
        ticks = tuple(
            Tick(datetime.fromtimestamp(mark[0] * 60, UTC), mark[1], mark[2], len(names), _what(names))
            for mark in inside
            if (names := self._names[mark])
        )
        return Day(ticks, _text(ticks, self._final))


def _what(names: Mapping[str, str]) -> str:
    some = sorted(names.values())
    more = [f"and {len(some) - _NAMED:,} more"] if len(some) > _NAMED else []
    return ", ".join([*some[:_NAMED], *more])


def _text(ticks: tuple[Tick, ...], final: str) -> str:
    total = sum(t.count for t in ticks)
    if not total:
        return "no rollouts"
    count = {kind: sum(t.count for t in ticks if t.kind is kind) for kind in TickKind}
    parts = [f"{total:,} rollout{'' if total == 1 else 's'}"]
    if last := sum(t.count for t in ticks if t.final):
        parts.append(f"{last:,} to {final}")
    said = {TickKind.FAILED: "failed", TickKind.ROLLED_BACK: "rolled back", TickKind.MOVING: "moving"}
    parts += [f"{count[kind]:,} {what}" for kind, what in said.items() if count[kind]]
    return ", ".join(parts)
