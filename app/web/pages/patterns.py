"""The living pattern book: every component in every state, drawn by the macros, rules and read models the pages use.

It shows a fleet that does not exist. Only its foot is real. Not in the navigation; for who builds pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.names import Topic
from app.read.board import Board, BoardRow, Empty, Listening
from app.read.fleet import Fleet
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.receipt import ReceiptPage
from app.read.sources import Sources, SourcesProjection
from app.read.wall import Wall, WallProjection
from app.read.workload import WorkloadPage
from app.read.workload_projection import WorkloadProjection

from . import answered, specimens
from .page import Dirty, Page


@dataclass(frozen=True, slots=True)
class Patterns:
    """What there is to show. `sources` are the real ones, for the foot."""

    rows: tuple[BoardRow, ...]
    board: Board
    wall: Wall
    listened: Sources
    fails: WorkloadPage
    waits: WorkloadPage
    moves: WorkloadPage
    receipts: tuple[tuple[str, ReceiptPage], ...]
    empties: tuple[Empty, ...]
    sources: tuple[Listening, ...]


@dataclass(frozen=True, slots=True)
class PatternsQuery:
    """The page takes no parameters."""

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> PatternsQuery:
        """Whatever is asked is ignored."""
        return cls()

    def query_string(self) -> str:
        """Always empty."""
        return ""


class _Patterns:
    """The samples as they are when the view is opened; they do not move."""

    name = "patterns"
    columns = None

    def __init__(
        self, fleet: Fleet, query: PatternsQuery, now: datetime, environments: Sequence[str]
    ) -> None:
        self._real = SourcesProjection(fleet, now)
        self._shown = patterns(now)

    @property
    def model(self) -> Patterns:
        return replace(self._shown, sources=self._real.sources.sources)

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        return self._real.contacts

    def rows(self) -> Mapping[str, BoardRow]:
        return {f"s-{row.slug}": row for row in self._shown.rows}

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        self._real.apply(topics, now)
        return Dirty()

    def tick(self, now: datetime) -> Dirty:
        self._real.tick(now)
        return Dirty()


def patterns(now: datetime) -> Patterns:
    """Everything there is to show, as if it had happened lately."""
    fleet = specimens.fleet(now)
    shown = BoardProjection(fleet, BoardQuery(), now, specimens.ENVIRONMENTS)
    return Patterns(
        rows=shown.board.rows,
        board=shown.board,
        wall=WallProjection(fleet, BoardQuery(), now, specimens.ENVIRONMENTS).wall,
        listened=SourcesProjection(fleet, now).sources,
        fails=WorkloadProjection(fleet, specimens.ref("fails"), now).page,
        waits=WorkloadProjection(fleet, specimens.ref("waits"), now).page,
        moves=WorkloadProjection(fleet, specimens.ref("moves"), now).page,
        receipts=answered.receipts(now),
        empties=(
            Empty("no_match", "Nothing matches.", "None of the 14 services fits.", "Ask for less."),
            Empty("looking", "Looking around…", "Services appear as they are found.", answered=2, asked=5),
            Empty(
                "no_workloads",
                "Nothing ships here yet.",
                "No workload was found.",
                command="kubectl get deploy",
            ),
        ),
        sources=(),
    )


PAGE = Page(
    path="/patterns",
    title="Patterns",
    template="patterns.html",
    regions=("rows", "foot"),
    parse=PatternsQuery.parse,
    open=_Patterns,
)
