"""What pages over a held model have in common: the model as it was read last, and how fresh the sources are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.names import Topic
from app.read.board import Listening
from app.read.fleet import Fleet
from app.read.sources import contacts, judged, listening

from .page import FOOT, ROWS, Dirty


@dataclass(frozen=True, slots=True)
class Framed:
    """A model on its page: `rows` are those drawn one by one."""

    model: Any
    rows: tuple[Any, ...]
    sources: tuple[Listening, ...]


class Held:
    """A model as a page reads it: `look` answers what there is now; `rows` takes the rows out of it by element
    id. `moves` tells whether a row is to be drawn again as time goes by, and gives it for an instant."""

    name = "shown"

    def __init__(
        self,
        fleet: Fleet,
        look: Callable[[datetime], Any],
        regions: Sequence[str],
        now: datetime,
        rows: Callable[[Any], Mapping[str, Any]] = lambda _: {},
        columns: Callable[[Any], object] = lambda _: None,
    ) -> None:
        self._fleet, self._look, self._cut, self._columns_of = fleet, look, rows, columns
        self._regions = frozenset(regions) - {ROWS}
        self._see(now)

    def _see(self, now: datetime) -> None:
        heard = {key: judged(row, now) for key, row in self._fleet.sources.items()}
        self._contacts = contacts(heard.values())
        self._sources = listening(heard.values())
        self._model = self._look(now)
        self._rows = dict(self._cut(self._model))

    @property
    def model(self) -> Framed:
        """Everything."""
        return Framed(self._model, tuple(self._rows.values()), self._sources)

    @property
    def columns(self) -> object:
        """Rows are drawn alike under equal ones."""
        return self._columns_of(self._model)

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard."""
        return self._contacts

    def rows(self) -> Mapping[str, Any]:
        """Rows by element id."""
        return self._rows

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        """Look again; what came out equal is not dirty."""
        model, rows, sources, columns = self._model, self._rows, self._sources, self.columns
        self._see(now)
        if columns != self.columns:
            return Dirty(everything=True)
        changed = {i: row for i, row in self._rows.items() if i in rows and rows[i] != row}
        added = {i: row for i, row in self._rows.items() if i not in rows}
        regions = self._regions if model is not self._model and model != self._model else frozenset({FOOT})
        if not (changed or added or rows.keys() - self._rows.keys() or sources != self._sources):
            regions = regions - {FOOT}
        return Dirty(regions, changed, added, frozenset(rows.keys() - self._rows.keys()))

    def tick(self, now: datetime) -> Dirty:
        """Time alone changes what is held, too."""
        return self.apply((), now)


def kept(fleet: Fleet, name: str) -> Callable[[datetime], Any]:
    """Looks at the model that is held under `name`."""
    held = fleet.kept(name)
    assert held is not None  # the page's `find` holds it
    return lambda _: held.value
