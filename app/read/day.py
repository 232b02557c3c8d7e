"""The day strip: rollouts of the last 24 hours, counted by the minute, kept up one rollout at a time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from ..domain.rollout import Outcome
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
"""What superseded something tells its own story, so a superseded rollout is not drawn."""

Mark = tuple[int, TickKind, bool]
"""A minute since the epoch, how it ended, whether in the last environment."""


class DayStrip:
    """Counts of `Mark`s. `final` is the last environment's name."""

    def __init__(self, final: str) -> None:
        self._final = final
        self._marks: dict[str, Mark] = {}
        self._counts: Counter[Mark] = Counter()

    def put(self, key: str, row: RolloutRow | None) -> bool:
        """Take in a rollout, or that it is not (or no longer) to be shown. True when the strip changed."""
        mark: Mark | None = None
        if row is not None and row.outcome in KINDS:
            at = row.ended_at or row.started_at
            mark = (int(at.timestamp()) // 60, KINDS[row.outcome], row.place.environment == self._final)
        before = self._marks.pop(key, None)
        if mark:
            self._marks[key] = mark
        if mark == before:
            return False
        for old in (before,) if before else ():
            self._counts[old] -= 1
            if not self._counts[old]:
                del self._counts[old]
        if mark:
            self._counts[mark] += 1
        return True

    def day(self, now: datetime) -> Day:
        """What of it lies in the 24 hours before `now`."""
        first = int((now - WINDOW).timestamp()) // 60
        inside = sorted(
            ((mark, n) for mark, n in self._counts.items() if mark[0] > first or mark[1] is TickKind.MOVING),
            key=lambda pair: (pair[0][0], pair[0][2], pair[0][1].value),
        )
        ticks = tuple(
            Tick(datetime.fromtimestamp(minute * 60, UTC), kind, final, n)
            for (minute, kind, final), n in inside
        )
        return Day(ticks, _text(ticks, self._final))


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
