"""What a calm wall shows in turn with its rows: builds against the budget, and the day's rollouts by environment.

As few words as a room can read. Everything is counted, so that the wall can say what it leaves out; instants only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nlargest

from ..domain.budget import Verdict
from ..domain.rollout import Attention, Outcome
from .board import Column
from .builds import ServiceBuilds
from .day import WINDOW
from .pipelines import PipelinesQuery, minutes, pipelines
from .query import BoardQuery
from .rows import RolloutRow
from .timeline import Stroke

MOST = 20
"""Most rows of a scene: no panel has room for more."""
_ENDED = {
    Outcome.PROMOTED: ("Landed", Attention.GOOD),
    Outcome.FAST_PROMOTED: ("Landed", Attention.GOOD),
    Outcome.ABORTED: ("Aborted", Attention.FAILED),
    Outcome.FAILED: ("Failed", Attention.FAILED),
    Outcome.ROLLED_BACK: ("Rolled back", Attention.FAILED),
}
"""What superseded something tells its own story."""
_SAID = {"failed": "failed", "now moving": "moving"}


@dataclass(frozen=True, slots=True)
class BuildScene:
    """The latest build of each service, worst first, `total` of them in all. `scale` is the length of the time axis
    and `budget` a part of it, in seconds; `heard_at` is when CI said something last, `as_of` until when what runs is
    drawn."""

    text: str
    rows: tuple[ServiceBuilds, ...]
    total: int
    scale: int
    budget: int
    heard_at: datetime | None
    as_of: datetime | None = None

    def running(self) -> bool:
        """Whether time alone changes it."""
        return any(one.latest.ended_at is None for one in self.rows)

    def at(self, now: datetime) -> BuildScene:
        """The same as it looks `now`."""
        return replace(self, as_of=now) if self.running() else self


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout that is over."""

    service: str
    environment: str
    version: str
    word: str
    attention: Attention
    at: datetime


@dataclass(frozen=True, slots=True)
class DayLane:
    """What happened in an environment in the last 24 hours."""

    environment: str
    title: str
    strokes: tuple[Stroke, ...]

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(stroke.kind == "failed" for stroke in self.strokes)


@dataclass(frozen=True, slots=True)
class DayScene:
    """The day by environments, the last one first, and the rollouts that ended last, `total` of them in all."""

    text: str
    lanes: tuple[DayLane, ...] = ()
    latest: tuple[Ended, ...] = ()
    total: int = 0


def build_scene(by_service: Mapping[str, ServiceBuilds], shown: Collection[str] | None) -> BuildScene:
    """The builds of the services `shown` (None: of all)."""
    mine = {name: one for name, one in by_service.items() if shown is None or name in shown}
    model = pipelines(mine, PipelinesQuery())
    latest = [one.latest for one in model.services]
    counts = (
        (sum(one.broken is not None for one in model.services), "red"),
        (sum(run.verdict is Verdict.RUNS for run in latest), "running"),
        (sum(one.over is not None for one in model.services), "over"),
    )
    said = [f"{n:,} {what}" for n, what in counts if n] or ["all green"]
    usual = f"; median {minutes(model.median)}" if model.median else ""
    return BuildScene(
        text=f"{model.total:,} build{'' if model.total == 1 else 's'}: {', '.join(said)}{usual}",
        rows=model.services[:MOST],
        total=model.total,
        scale=model.scale,
        budget=model.budget,
        heard_at=max((run.ended_at or run.begun_at for run in latest), default=None),
    )


def day_scene(
    rollouts: Iterable[RolloutRow], query: BoardQuery, environments: Sequence[Column], now: datetime
) -> DayScene:
    """The 24 hours before `now`."""
    mine = [row for row in rollouts if query.takes_rollout(row)]
    over = [
        (row, row.ended_at, _ENDED[row.outcome]) for row in mine if row.ended_at and row.outcome in _ENDED
    ]
    newest = nlargest(MOST, over, key=lambda found: (found[1], found[0].id))
    strokes = [
        Stroke(at, row.place.environment, "failed" if said[1] is Attention.FAILED else "landed")
        for row, at, said in sorted(over, key=lambda found: (found[1], found[0].id))
        if at > now - WINDOW
    ]
    strokes += [
        Stroke(row.started_at, row.place.environment, "now moving")
        for row in sorted(mine, key=lambda row: (row.started_at, row.id))
        if row.outcome is None
    ]
    seen = [e for e in environments if not query.environment or e.name in query.environment]
    count = Counter(stroke.kind for stroke in strokes)
    parts = ", ".join(f"{count[kind]:,} {what}" for kind, what in _SAID.items() if count[kind])
    said = [parts] if parts else []
    return DayScene(
        text=": ".join([f"{len(strokes):,} rollout{'' if len(strokes) == 1 else 's'} in 24 h", *said]),
        lanes=tuple(
            DayLane(e.name, e.title, tuple(s for s in strokes if s.environment == e.name))
            for e in reversed(seen)
        ),
        latest=tuple(
            Ended(row.place.service, row.place.environment, row.to_version, said[0], said[1], at)
            for row, at, said in newest
        ),
        total=len(over),
    )
