"""What Shipboard listens to, and how fresh each of it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.names import Topic
from app.read.fleet import Fleet
from app.read.sources import SourceLine, Sources, SourcesChange, SourcesProjection
from app.read.words import slug

from .page import Dirty, Page


@dataclass(frozen=True, slots=True)
class SourcesQuery:
    """The page takes no parameters."""

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> SourcesQuery:
        """Whatever is asked is ignored."""
        return cls()

    def query_string(self) -> str:
        """Always empty."""
        return ""


class _Sources:
    """`SourcesProjection` as a page reads it."""

    name = "sources"
    columns = None

    def __init__(self, fleet: Fleet, query: SourcesQuery, now: datetime, environments: Sequence[str]) -> None:
        self._projection = SourcesProjection(fleet, now)

    @property
    def model(self) -> Sources:
        return self._projection.sources

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        return self._projection.contacts

    def rows(self) -> Mapping[str, SourceLine]:
        return {f"s-{row.slug}": row for row in self.model.rows}

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        return self._dirty(self._projection.apply(topics, now))

    def tick(self, now: datetime) -> Dirty:
        return self._dirty(self._projection.tick(now))

    def _dirty(self, change: SourcesChange) -> Dirty:
        return Dirty(
            frozenset({"sentence"} if change.sentence else ()),
            changed={_ident(key): self._projection.row(key) for key in change.rows},
            added={_ident(key): self._projection.row(key) for key in change.added},
            removed=frozenset(_ident(key) for key in change.removed),
        )


def _ident(key: str) -> str:
    return f"s-{slug(key)}"


PAGE = Page(
    path="/sources",
    title="Sources",
    template="sources.html",
    regions=("sentence", "rows", "foot"),
    parse=SourcesQuery.parse,
    open=_Sources,
)
