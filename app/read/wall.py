"""The wall: what a room reads from metres away. A row for every problem and for every service that has none.

The same facts and verdicts as the board, in fewer words: a service that fails in one environment and waits in
another has two rows, so that no problem hides behind a worse one. Instants only, as in every read model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from ..domain.names import Topic, cut
from ..domain.rollout import Attention
from .board import BoardChange, BoardRow, Cell, Clause, Column, Empty, Listening, Sentence, Waiting
from .cells import rank
from .dora import Dora
from .fleet import Fleet
from .projection import BoardProjection
from .query import BoardQuery
from .scenes import BuildScene, DayScene, build_scene, day_scene
from .words import slug

ORDER = (Attention.FAILED, Attention.WAITING, Attention.UNKNOWN, Attention.MOVING, Attention.GOOD)
"""Worst first, for a room: what cannot be seen comes before what moves as it should."""
PROBLEMS = frozenset(ORDER[:3])
"""What is never left out."""
REASON = 80
"""Longest reason, in characters: more cannot be read in passing."""

_SAID = {
    Attention.FAILED: ("fails", "fail"),
    Attention.WAITING: ("waits", "wait"),
    Attention.UNKNOWN: ("unseen", "unseen"),
    Attention.MOVING: ("moves", "move"),
}


@dataclass(frozen=True, slots=True)
class WallRow:
    """One problem, or a service without one. `last`: in the last environment, which goes without saying where
    there is little room; `href` is where it is mended: the gate that waits, or the workload; `progress` 0 to 100 or
    None."""

    slug: str
    rank: str
    attention: Attention
    service: str
    environment: str
    version: str
    word: str
    reason: str
    since: datetime
    href: str
    last: bool = True
    landed: bool = False
    progress: int | None = None

    @property
    def problem(self) -> bool:
        """Whether it is never left out."""
        return self.attention in PROBLEMS


@dataclass(frozen=True, slots=True)
class Wall:
    """All of the page; `figures` are those of DORA, where they are kept."""

    sentence: Sentence
    rows: tuple[WallRow, ...]
    days: DayScene
    builds: BuildScene
    figures: Dora | None
    sources: tuple[Listening, ...]
    environments: tuple[Column, ...]
    empty: Empty | None


@dataclass(frozen=True, slots=True)
class WallChange:
    """What an update touched: rows by slug, and which parts look different. `everything`: other environments."""

    changed: Mapping[str, WallRow] = field(default_factory=dict)
    added: Mapping[str, WallRow] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    sentence: bool = False
    day: bool = False
    builds: bool = False
    figures: bool = False
    sources: bool = False
    everything: bool = False


def wall_rows(row: BoardRow, waits: Sequence[Waiting], columns: Sequence[Column]) -> tuple[WallRow, ...]:
    """The rows of one service: one for each environment where it is not good, else one for the last; and one for each
    question that nothing stands still for, such as whether the next environment may have it."""
    asked = tuple(_question(row.service, wait, columns) for wait in waits if wait.slug.startswith("gate-"))
    cells = [(i, cell) for i, cell in enumerate(row.cells) if cell]
    odd = [(i, cell) for i, cell in cells if cell.attention is not Attention.GOOD]
    last = len(columns) - 1
    shown = odd or (() if asked else cells[-1:])
    return *(_row(row.service, cell, last - i, waits) for i, cell in shown), *asked


def wall_sentence(rows: Iterable[WallRow]) -> Sentence:
    """The state in the fewest words, worst first: "1 fails, 3 wait, 2 move, 1 unseen."."""
    counts = Counter(row.attention for row in rows)
    good = counts.pop(Attention.GOOD, 0)
    found = [a for a in ORDER if counts[a]]
    clauses = [
        Clause(a, f"{counts[a]:,} {_SAID[a][counts[a] > 1]}", "" if a is found[-1] else ",") for a in found
    ]
    if found == [Attention.MOVING] and good:
        clauses = [
            Clause(Attention.MOVING, clauses[0].text, ","),
            Clause(Attention.GOOD, f"{good:,} good", ""),
        ]
    elif not found and good:
        text = {1: "The one service is good", 2: "Both are good"}.get(good, f"All {good:,} are good")
        clauses = [Clause(Attention.GOOD, text, "."), Clause(None, "Nothing waits", ".")]
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))


class WallProjection:
    """A `Wall` that follows its fleet: what changes costs by what changed. `figures` answers those of DORA as they
    were read last."""

    def __init__(
        self,
        fleet: Fleet,
        query: BoardQuery,
        now: datetime,
        environments: Sequence[str] = (),
        figures: Callable[[], Dora | None] = lambda: None,
    ) -> None:
        self._fleet, self._query, self._look = fleet, query, figures
        self._board = BoardProjection(fleet, query, now, environments)
        self._rows: dict[str, tuple[WallRow, ...]] = {}
        self._build(now)

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard."""
        return self._board.contacts

    @property
    def wall(self) -> Wall:
        """The whole read model."""
        board = self._board.board
        rows = sorted((row for rows in self._rows.values() for row in rows), key=lambda row: row.rank)
        said = wall_sentence(rows)
        if board.empty:
            said = Sentence((Clause(None, board.empty.what, ""),), board.empty.what)
        return Wall(
            sentence=said,
            rows=tuple(rows),
            days=self._days,
            builds=self._builds,
            figures=self._figures,
            sources=board.sources,
            environments=board.all_environments,
            empty=board.empty,
        )

    def apply(self, topics: Iterable[Topic], now: datetime) -> WallChange:
        """Take in the rows that `topics` name."""
        topics = tuple(topics)
        sorts = {topic.sort for topic in topics}
        return self._take(self._board.apply(topics, now), "rollout" in sorts, "build" in sorts, now)

    def tick(self, now: datetime) -> WallChange:
        """Take in what time alone changes."""
        return self._take(self._board.tick(now), False, False, now)

    def _build(self, now: datetime) -> None:
        board = self._board.board
        self._rows = {row.service: self._make(row) for row in board.rows}
        self._days, self._builds, self._figures = self._day(now), self._ci(now), self._look()

    def _day(self, now: datetime) -> DayScene:
        return day_scene(self._fleet.rollouts.values(), self._query, self._board.board.all_environments, now)

    def _ci(self, now: datetime) -> BuildScene:
        shown = self._rows.keys() if self._query.narrow else None
        return build_scene(self._fleet.builds.by_service, shown).at(now)

    def _make(self, row: BoardRow) -> tuple[WallRow, ...]:
        return wall_rows(row, self._board.waits(row.service), self._board.columns)

    def _take(self, change: BoardChange, rollouts: bool, builds: bool, now: datetime) -> WallChange:
        if change.environments:
            self._build(now)
            return WallChange(everything=True)
        days, ci, figures = self._days, self._builds, self._figures
        old, new = dict[str, WallRow](), dict[str, WallRow]()
        for service in {*change.rows, *change.added, *change.removed} | (
            self._rows.keys() if change.waiting else set()
        ):
            old |= {row.slug: row for row in self._rows.pop(service, ())}
            if service not in change.removed:
                rows = self._rows[service] = self._make(self._board.row(service))
                new |= {row.slug: row for row in rows}
        if rollouts or change.day:
            self._days = self._day(now)
        builds = builds or (self._query.narrow and bool(change.added or change.removed))
        self._builds = self._ci(now) if builds else ci.at(now)
        self._figures = self._look()
        changed = {key: row for key, row in new.items() if key in old and old[key] != row}
        added = {key: row for key, row in new.items() if key not in old}
        return WallChange(
            changed=changed,
            added=added,
            removed=frozenset(old.keys() - new.keys()),
            sentence=change.sentence or bool(changed or added) or old.keys() != new.keys(),
            day=change.day or self._days != days,
            builds=self._builds != ci,
            figures=self._figures is not figures,
            sources=change.sources,
        )


def _row(service: str, cell: Cell, from_last: int, waits: Sequence[Waiting]) -> WallRow:
    waiting = cell.attention is Attention.WAITING
    wait = next((w for w in waits if w.environment == cell.environment), None) if waiting else None
    reason = (wait and wait.ask) or cell.message or cell.word
    alike = sum(m.attention is cell.attention for m in cell.members)
    if alike > 1 and cell.attention is not Attention.GOOD:
        reason = f"{alike} of {len(cell.members)} workloads: {reason}"
    return WallRow(
        slug=slug(f"{service} {cell.environment}"),
        rank=f"{ORDER.index(cell.attention)}{rank(service, cell, from_last)[1:]}-{cell.environment}",
        attention=cell.attention,
        service=service,
        environment=cell.environment,
        version=cell.version,
        word=_word(cell),
        reason=cut(reason, REASON),
        since=cell.since,
        href=(wait and wait.href) or f"/workloads/{quote(cell.members[0].ref)}",
        last=not from_last,
        landed=cell.landed,
        progress=cell.progress,
    )


def _question(service: str, wait: Waiting, columns: Sequence[Column]) -> WallRow:
    return WallRow(
        slug=wait.slug,
        rank=f"{ORDER.index(Attention.WAITING)}-00-{int(wait.since.timestamp()):012d}-{service}-{wait.slug}",
        attention=Attention.WAITING,
        service=service,
        environment=wait.environment,
        version=wait.version,
        word="Waits for a person",
        reason=cut(wait.ask, REASON),
        since=wait.since,
        href=wait.href,
        last=wait.environment == columns[-1].name,
    )


def _word(cell: Cell) -> str:
    if cell.attention is Attention.UNKNOWN:
        return "Cannot be seen"
    if cell.attention is Attention.MOVING and cell.pods and not cell.steps:
        said = cell.pods.text.partition(",")[0]
        return f"{said} pod{'' if said.endswith(' of 1') else 's'}"
    return "Just landed" if cell.landed else cell.word
