"""The board: services by environments, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from app.domain.names import Topic
from app.read.board import Board, BoardChange, BoardRow
from app.read.fleet import Fleet
from app.read.lookback import PastFleet, still_board
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.words import slug

from . import looked
from .page import Dirty, Page

_REGIONS = ("sentence", "day", "waiting")


class _Board:
    """`BoardProjection` as a page reads it."""

    name = "board"

    def __init__(self, fleet: Fleet, query: BoardQuery, now: datetime, environments: Sequence[str]) -> None:
        self._projection = BoardProjection(fleet, query, now, environments)
        self._still = isinstance(fleet, PastFleet)

    @property
    def model(self) -> Board:
        return still_board(self._projection.board) if self._still else self._projection.board

    @property
    def columns(self) -> object:
        return self._projection.columns

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        return self._projection.contacts

    def rows(self) -> Mapping[str, BoardRow]:
        return {f"s-{row.slug}": row for row in self._projection.rows}

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        return self._dirty(self._projection.apply(topics, now))

    def tick(self, now: datetime) -> Dirty:
        return self._dirty(self._projection.tick(now))

    def _dirty(self, change: BoardChange) -> Dirty:
        regions = {name for name in _REGIONS if getattr(change, name)}
        if change.sources:
            regions.add("foot")
        return Dirty(
            frozenset(regions),
            changed={_ident(name): self._projection.row(name) for name in change.rows},
            added={_ident(name): self._projection.row(name) for name in change.added},
            removed=frozenset(_ident(name) for name in change.removed),
            everything=change.environments,
        )


def _ident(service: str) -> str:
    return f"s-{slug(service)}"


PAGE = Page(
    path="/",
    title="Board",
    template="board.html",
    regions=("sentence", "day", "waiting", "environments", "columns", "rows", "foot"),
    parse=BoardQuery.parse,
    open=_Board,
    mine=looked.line,
    lookback=True,
)
