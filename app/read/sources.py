"""What Shipboard listens to and how fresh each of it is: the read model of /sources, and the verdicts the
board uses.

A source that stopped describing itself is stale whatever its last words were: the collector may be dead.
How a cluster is as a whole is told by the kinds that workloads depend on; those it can do without only have
their own line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ..domain.facts import POLLING, TELLING, WEBHOOKS
from ..domain.freshness import Freshness, worst
from ..domain.names import Topic
from ..engines import optional
from .board import Clause, Listening, Sentence
from .fleet import Fleet
from .rows import SourceRow
from .words import number, slug, source_sentence

SELF_REPORT = 30.0
"""Seconds after which a source that has not described itself again counts as STALE."""
_ORDER = tuple(Freshness)


def judged(row: SourceRow, now: datetime) -> SourceRow:
    """`row`, made STALE when its own report is too old to be believed."""
    if row.freshness not in (Freshness.LIVE, Freshness.DELAYED):
        return row
    if (now - row.seen_at).total_seconds() <= SELF_REPORT:
        return row
    return replace(
        row,
        freshness=Freshness.STALE,
        message="Its collector has stopped reporting. Look at Shipboard's log, or restart it.",
    )


def needed(rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
    """The sources without which some workload would be lost or unknown."""
    return (row for row in rows if row.kind not in _spare())


def _spare() -> frozenset[str]:
    return frozenset({*optional(), WEBHOOKS, POLLING, TELLING})


def listening(rows: Iterable[SourceRow]) -> tuple[Listening, ...]:
    """One entry a cluster: the worst of its needed sources, with that one's message."""
    lowest = _lowest(rows)
    return tuple(
        Listening(
            cluster=name,
            freshness=row.freshness,
            contact_at=None if row.freshness is Freshness.LIVE else row.contact_at,
            message=row.message,
        )
        for name, row in sorted(lowest.items())
    )


def contacts(rows: Iterable[SourceRow]) -> Mapping[str, datetime | None]:
    """When each cluster was last heard, by its most silent needed source. Not part of a read model: it moves
    all the time."""
    return {name: row.contact_at for name, row in _lowest(rows).items()}


def _lowest(rows: Iterable[SourceRow]) -> dict[str, SourceRow]:
    lowest: dict[str, SourceRow] = {}
    for row in needed(rows):
        known = lowest.get(row.cluster)
        if known is None or _badness(row) > _badness(known):
            lowest[row.cluster] = row
    return lowest


def _badness(row: SourceRow) -> tuple[int, float]:
    return _ORDER.index(row.freshness), -(row.contact_at.timestamp() if row.contact_at else 0.0)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source: what it watches, how fresh it is, what it has done, and what is wrong with it. `optional`:
    no workload depends on it. `installed`: the cluster knows the kind, or it is not known whether it does."""

    slug: str
    rank: str
    cluster: str
    kind: str
    namespace: str
    freshness: Freshness
    contact_at: datetime | None
    message: str
    objects: int
    lists: int
    watches: int
    events: int
    errors: int
    unreadable: tuple[str, ...]
    optional: bool = False
    installed: bool = True

    @property
    def where(self) -> str:
        """The namespace in words; empty for what is no part of a cluster."""
        return self.namespace or ("" if self.kind in (WEBHOOKS, POLLING, TELLING) else "all namespaces")

    @property
    def word(self) -> str:
        """How it is, in a word or two."""
        return self.freshness.value if self.installed else "not installed"


@dataclass(frozen=True, slots=True)
class Sources:
    """All of the page, worst first, then those that no workload depends on, then what is not installed."""

    sentence: Sentence
    rows: tuple[SourceLine, ...]
    sources: tuple[Listening, ...]


@dataclass(frozen=True, slots=True)
class SourcesChange:
    """Which rows (by key) changed, left or came, and whether the sentence did."""

    rows: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    sentence: bool = False

    def __bool__(self) -> bool:
        """Whether anything is to be drawn again."""
        return self != SourcesChange()


class SourcesProjection:
    """The sources page, kept up by topics and by time."""

    def __init__(self, fleet: Fleet, now: datetime) -> None:
        self._fleet = fleet
        self._lines: dict[str, SourceLine] = {}
        self._rows: dict[str, SourceRow] = {}
        self._sentence = Sentence((), "")
        self.tick(now)

    def apply(self, topics: Iterable[Topic], now: datetime) -> SourcesChange:
        """Take in what changed. There are few sources, so each is looked at."""
        return self.tick(now) if any(t.sort == "source" for t in topics) else SourcesChange()

    def tick(self, now: datetime) -> SourcesChange:
        """Take in what time alone changed: sources that fell silent."""
        self._rows = {key: judged(row, now) for key, row in self._fleet.sources.items()}
        lines = {key: _line(key, row) for key, row in self._rows.items()}
        old, self._lines = self._lines, lines
        before, self._sentence = self._sentence, _sentence(lines.values())
        return SourcesChange(
            rows=tuple(sorted(k for k in lines.keys() & old.keys() if lines[k] != old[k])),
            removed=tuple(sorted(old.keys() - lines.keys())),
            added=tuple(sorted(lines.keys() - old.keys())),
            sentence=before != self._sentence,
        )

    def row(self, key: str) -> SourceLine:
        """The line of one source; KeyError when there is none."""
        return self._lines[key]

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard."""
        return contacts(self._rows.values())

    @property
    def sources(self) -> Sources:
        """The whole read model."""
        lines = sorted(self._lines.values(), key=lambda line: line.rank)
        return Sources(self._sentence, tuple(lines), listening(self._rows.values()))


def _line(key: str, row: SourceRow) -> SourceLine:
    severity = len(_ORDER) - 1 - _ORDER.index(row.freshness)
    troubled = 0 if row.unreadable or row.message else 1
    spare = row.kind in _spare()
    return SourceLine(
        slug=slug(key),
        rank=f"{spare if row.installed else 2:d}{severity}{troubled}-{row.cluster}-{row.kind}-{row.namespace}",
        cluster=row.cluster,
        kind=row.kind,
        namespace=row.namespace,
        freshness=row.freshness,
        contact_at=row.contact_at,
        message=row.message,
        objects=row.objects,
        lists=row.lists,
        watches=row.watches,
        events=row.events,
        errors=row.errors,
        unreadable=row.unreadable,
        optional=spare,
        installed=row.installed or row.freshness not in (Freshness.LIVE, Freshness.DELAYED),
    )


def _sentence(lines: Iterable[SourceLine]) -> Sentence:
    rows = tuple(lines)
    there = [row for row in rows if row.installed]
    spare = any(row.optional and row.freshness is not Freshness.LIVE for row in there)
    needed = [row for row in there if not row.optional]
    told = there if not spare and all(row.freshness is Freshness.LIVE for row in needed) else needed
    said = source_sentence(
        [(row.freshness, row.cluster) for row in told], "needed source" if spare else "source"
    )
    clauses = said.clauses
    if odd := sum(len(row.unreadable) for row in rows):
        text = (
            "One object cannot be read" if odd == 1 else f"{number(odd).capitalize()} objects cannot be read"
        )
        clauses += (Clause(None, text, "."),)
    return Sentence(clauses, " ".join(c.text + c.end for c in clauses))


def covering(
    sources: Iterable[SourceRow], kinds: frozenset[str], namespace: str
) -> tuple[Freshness, SourceRow | None]:
    """The worst freshness among the sources that a workload of `namespace` is read from, and that source.

    For each kind the namespace's own source counts, else the one for all namespaces; a kind that nobody
    watches is UNKNOWN with no source, since it has not been looked at. So is one that is not installed: what was
    there may be there again when it is.
    """
    found: dict[str, SourceRow] = {}
    for row in sources:
        if (
            row.kind in kinds
            and row.namespace in ("", namespace)
            and (row.namespace or row.kind not in found)
        ):
            found[row.kind] = row if row.installed else replace(row, freshness=Freshness.UNKNOWN)
    if kinds - found.keys():
        return Freshness.UNKNOWN, None
    lowest = max(found.values(), key=_badness)
    return worst(row.freshness for row in found.values()), lowest
