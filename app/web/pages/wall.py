"""The wall: the board for a room. It reads one address and no other, so a screen's token opens it whole.

What a room needs is settled on the screen itself (static/js/wall.js): how large letters have to be, how many rows
fit, what takes turns. What its address says of the room is only checked here, and kept in the address of its stream,
since a screen's token is good for one address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from app.domain.names import Topic
from app.read.dora_query import DoraQuery
from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.query import BoardQuery
from app.read.wall import Wall, WallChange, WallProjection, WallRow

from . import dora
from .page import Dirty, Page

ROOM = {
    "inches": (r"\d{1,3}(\.\d+)?", "the diagonal of the screen, as inches=55"),
    "distance": (r"\d{1,2}(\.\d+)?", "metres to whoever reads it, as distance=5"),
    "rows": (r"[1-9]\d?", "how many rows are shown at once, as rows=8"),
    "night": (
        r"\d{1,2}-\d{1,2}|off",
        "the hours in which it is dim while all is calm, as night=20-6 or night=off",
    ),
    "theme": ("dark|light", "dark or light"),
}
"""What an address may say of a room: its form, and what it means in words."""


@dataclass(frozen=True, slots=True)
class WallQuery:
    """Which part of the board is shown, and in what room: (name, text) pairs of `ROOM`, in its order."""

    board: BoardQuery
    room: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> WallQuery:
        """Read (name, value) pairs; unknown names are left alone. Raises ValueError that says what is allowed."""
        params = tuple(params)
        given = {name: value for name, value in params if name in ROOM}
        for name, value in given.items():
            form, means = ROOM[name]
            if not re.fullmatch(form, value, re.ASCII):
                raise ValueError(f"{name} is {means}.")
        return cls(BoardQuery.parse(params), tuple((name, given[name]) for name in ROOM if name in given))

    def query_string(self) -> str:
        """The same for the same view."""
        return urlencode([*self.board.pairs(), *self.room])


@dataclass(frozen=True, slots=True)
class Scene:
    """What the wall shows in turn with the board while all is calm: `name` is its block in wall.html and the
    id of the element in there, `touched` says when it looks different."""

    name: str
    touched: Callable[[WallChange], bool]


SCENES = (
    Scene("pipelines", lambda change: change.builds),
    Scene("timeline", lambda change: change.day),
    Scene("dora", lambda change: change.figures),
    Scene("heard", lambda change: change.sources),
)
"""In the order of their turns. One more is an entry here and a block in wall.html."""


class _Wall:
    """`WallProjection` as a page reads it."""

    name = "wall"

    def __init__(self, fleet: Fleet, query: WallQuery, now: datetime, environments: Sequence[str]) -> None:
        held = fleet.kept(dora.name_of(_figures(query)))
        self._projection = WallProjection(
            fleet, query.board, now, environments, lambda: held.value if held else None
        )

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
        dirty = _dirty(self._projection.tick(now))
        return Dirty(dirty.regions | {"heard"}, dirty.changed, dirty.added, dirty.removed, dirty.everything)


def _figures(query: WallQuery) -> DoraQuery:
    """The figures of the one environment that is shown, or of the last one."""
    shown = query.board.environment
    return DoraQuery(environment=shown[0] if len(shown) == 1 else "")


async def find(fleet: Fleet, query: WallQuery) -> Kept:
    """Hold the figures of the scene of DORA, the same that its page has."""
    return await dora.find(fleet, _figures(query))


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
    parse=WallQuery.parse,
    open=_Wall,
    find=find,
)
