"""The wall: the board for a room. It reads one address and no other, so a screen's token opens it whole.

What a room needs is settled on the screen itself (static/js/wall.js): how large letters have to be, how many rows
fit, what takes turns. So all screens share one view and its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.live import Topic
from app.read.fleet import Fleet
from app.read.query import BoardQuery
from app.read.wall import Wall, WallChange, WallProjection, WallRow

from .page import Dirty, Page


@dataclass(frozen=True, slots=True)
class Scene:
    """What the wall shows in turn with the board while all is calm: `name` is its block in wall.html and the
    id of the element in there, `touched` says when it looks different."""

    name: str
    touched: Callable[[WallChange], bool]


SCENES = (
    Scene("day", lambda change: change.day),
    Scene("heard", lambda change: change.sources),
)
"""In the order of their turns. One more is an entry here and a block in wall.html."""


class _Wall:
    """`WallProjection` as a page reads it."""

    name = "wall"

    def __init__(self, fleet: Fleet, query: BoardQuery, now: datetime, environments: Sequence[str]) -> None:
        self._projection = WallProjection(fleet, query, now, environments)

    @property
    def model(self) -> Wall:
        return self._projection.wall

    @property
    def columns(self) -> object:
        return None

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        return self._projection.contacts

    def rows(self) -> Mapping[str, WallRow]:
        return {_ident(row.slug): row for row in self.model.rows}

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        return _dirty(self._projection.apply(topics, now))

    def tick(self, now: datetime) -> Dirty:
        # what is last on the scenes is an age, and the minute is the unit of the strip
        dirty = _dirty(self._projection.tick(now))
        return Dirty(dirty.regions | {"heard"}, dirty.changed, dirty.added, dirty.removed, dirty.everything)


def _dirty(change: WallChange) -> Dirty:
    regions = {scene.name for scene in SCENES if scene.touched(change)}
    if change.sentence:
        regions.add("sentence")
    if change.sources:
        regions.add("foot")
    return Dirty(
        frozenset(regions),
        changed={_ident(key): row for key, row in change.changed.items()},
        added={_ident(key): row for key, row in change.added.items()},
        removed=frozenset(_ident(key) for key in change.removed),
        everything=change.everything,
    )


def _ident(key: str) -> str:
    return f"w-{key}"


PAGE = Page(
    path="/wall",
    title="Wall",
    template="wall.html",
    regions=("sentence", "rows", *(scene.name for scene in SCENES), "foot"),
    parse=BoardQuery.parse,
    open=_Wall,
)
