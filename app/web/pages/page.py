"""What every page is made of: a template with named regions over a projection that says what became dirty.

The first page and the stream are the same bytes: the page is the shell around its regions, the stream's first
message is the regions, every later one is those whose bytes changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from starlette.types import Scope

from app.domain.names import Topic
from app.domain.policy import Blocker, Permission
from app.read.fleet import Fleet
from app.read.frost import Alarm
from app.web.render import MARK, Renderer, aged
from app.web.views import BLANK, Patch

ROWS = "rows"
"""Id of the region that holds the rows; sent whole only where its frame changed, otherwise row by row."""
FOOT = "foot"
"""Id of the region that shows the age of every source; sent with each heartbeat."""
_KEPT_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Dirty:
    """What a projection says may look different: block names, rows by element id, ids of rows gone; or
    everything."""

    regions: frozenset[str] = frozenset()
    changed: Mapping[str, object] = field(default_factory=dict)
    added: Mapping[str, object] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.regions or self.changed or self.added or self.removed or self.everything)


class Query(Protocol):
    """A page's parameters, checked."""

    def query_string(self) -> str:
        """The same for the same view, whatever the order and the defaults it was asked with."""


class Projection(Protocol):
    """A read model that keeps itself up, as a page needs it."""

    @property
    def name(self) -> str:
        """Of the model in the template."""

    @property
    def model(self) -> Any:
        """Frozen dataclass with `rows`, in order."""

    @property
    def columns(self) -> object:
        """Rows are drawn alike under equal columns (hashable)."""

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard: for the foot alone."""

    def rows(self) -> Mapping[str, object]:
        """Rows by element id, in order."""

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        """Take in what `topics` changed."""

    def tick(self, now: datetime) -> Dirty:
        """Take in what time alone changed."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it is, what it is called, its template and that template's regions in order, how its
    parameters, those of the path first, are read (raises ValueError that says what is allowed) and how its
    projection is opened (fleet, query, now, order of the environments).

    `find` reads what the projection needs besides, before it is opened, and answers what keeps that up; it
    raises LookupError with a sentence when the page's object is not there, which is called `absent` then. `by_rights`
    puts what the viewer may do into the query; `mine` draws what is said to one viewer alone, in the block of that
    name: no part of the stream. `lookback`: `?at=` shows it as it was (pages.lookback).
    """

    path: str
    title: str
    template: str
    regions: tuple[str, ...]
    parse: Callable[[Sequence[tuple[str, str]]], Query]
    open: Callable[[Fleet, Any, datetime, Sequence[str]], Projection]
    find: Callable[[Fleet, Any], Awaitable[object]] | None = None
    permission: Permission = Permission.VIEW
    absent: str = "No such workload"
    by_rights: Callable[[Any, frozenset[str]], Query] | None = None
    mine: Callable[[Renderer, Fleet, Any, Scope, datetime], str] | None = None
    lookback: bool = False


class RowCache:
    """Rows drawn, shared by all views that draw them alike."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, object, str], tuple[object, str]] = {}

    def get(self, key: tuple[str, object, str], row: object, draw: Callable[[object], str]) -> str:
        """The text of `row`, drawn only if the row kept under `key` differs."""
        kept = self._drawn.get(key)
        if kept is not None and kept[0] == row:
            return kept[1]
        if kept is None and len(self._drawn) >= _KEPT_ROWS:
            del self._drawn[next(iter(self._drawn))]
        text = draw(row)
        self._drawn[key] = (row, text)
        return text


class PageContent:
    """One page under one query, as the regions of a view. `pages` are those to navigate to; `may` says what keeps
    whoever shares this view from a verb in an environment; `alarms` is what every screen shows; `address` is where the
    page is, and its stream; `knows`: what was asked, by whom and why is said here; `more` is for the template
    besides."""

    def __init__(
        self,
        page: Page,
        query: Query,
        projection: Projection,
        renderer: Renderer,
        cache: RowCache,
        now: datetime,
        pages: Sequence[Page] = (),
        may: Callable[[str, str], Blocker | None] = lambda verb, environment: None,
        alarms: Callable[[datetime], Sequence[Alarm]] = lambda now: (),
        address: str = "/",
        knows: bool = True,
        more: Mapping[str, object] | None = None,
    ) -> None:
        self._page, self._projection = page, projection
        self._renderer, self._cache, self._alarms = renderer, cache, alarms
        self._context: dict[str, object] = {
            "query": query,
            "page": page,
            "pages": pages,
            "may": may,
            "address": address,
            "knows": knows,
            **(more or {}),
        }
        self._regions: dict[str, str] = {}
        self._rows: dict[str, str] = {}
        self._columns: object = None
        self._draw_all(now)

    def apply(self, topics: Iterable[Topic], now: datetime) -> Patch:
        """Draw what `topics` made dirty; only what came out different is in the patch."""
        return self._redraw(self._projection.apply(topics, now), now)

    def beat(self, now: datetime) -> Patch:
        """Draw what time changed, and the foot in any case: that it arrives is the proof of life."""
        dirty = self._projection.tick(now)
        patch = self._redraw(replace(dirty, regions=dirty.regions | {FOOT}), now)
        return replace(patch, changed=patch.changed | {FOOT})

    def body(self) -> bytes:
        """The page."""
        put = {**self._all(), "who": BLANK.decode(), "mine": BLANK.decode()}
        return aged(self._renderer.page(self._page.template, self._context, put), self._now).encode()

    def whole(self) -> Sequence[bytes]:
        """All regions, the rows as one."""
        texts = self._all()
        parts = [_partial(name, "outerMorph", texts[name]) for name in self._page.regions]
        return [aged("".join(parts), self._now).encode()]

    def some(self, patch: Patch) -> Sequence[bytes]:
        """The regions and rows that `patch` names."""
        parts = [_partial(i, "outerMorph", self._text(i)) for i in sorted(patch.changed)]
        parts += [_partial(ROWS, "beforeend", self._rows[i]) for i in sorted(patch.added)]
        parts += [_partial(i, "delete", "") for i in sorted(patch.removed)]
        return ["".join(parts).encode()]

    def _redraw(self, dirty: Dirty, now: datetime) -> Patch:
        if not dirty:
            return Patch()
        if dirty.everything:
            self._draw_all(now)
            return Patch(reset=True)
        self._look(now)
        full = bool(self._rows)
        changed = {n for n in dirty.regions if n in self._regions and _put(self._regions, n, self._draw(n))}
        for ident, text in self._drawn({**dirty.changed, **dirty.added}):
            if _put(self._rows, ident, text):
                changed.add(ident)
        removed = frozenset(i for i in dirty.removed if self._rows.pop(i, None) is not None)
        added = frozenset(dirty.added.keys() & changed)
        return Patch(frozenset(changed) - added, added, removed, reset=full != bool(self._rows))

    def _draw_all(self, now: datetime) -> None:
        self._look(now)
        self._columns = self._projection.columns
        self._regions = {name: self._draw(name) for name in self._page.regions if name != ROWS}
        self._rows = dict(self._drawn(self._projection.rows()))

    def _look(self, now: datetime) -> None:
        shown, self._now = self._projection, now
        model = shown.model
        self._context |= {shown.name: model, "contacts": shown.contacts, "now": now}
        self._context |= {"alarms": self._alarms(now), "listening": model.sources}

    def _draw(self, name: str) -> str:
        return self._renderer.region(self._page.template, name, self._context)

    def _drawn(self, rows: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Rows by element id, as text."""
        if not rows:
            return
        draw = self._renderer.drawing(self._page.template, "row", self._context, "row")
        for ident, row in rows.items():
            yield ident, self._cache.get((self._page.template, self._columns, ident), row, draw)

    def _text(self, ident: str) -> str:
        return self._regions[ident] if ident in self._regions else self._rows[ident]

    def _all(self) -> dict[str, str]:
        rows = {ROWS: self._table()} if ROWS in self._page.regions else {}
        return {**self._regions, **rows}

    def _table(self) -> str:
        """The rows in their frame, which is drawn around a single stand-in."""
        name = self._projection.name
        model: Any = self._context[name]
        context = {**self._context, name: replace(model, rows=model.rows[:1])}
        head, _, tail = self._renderer.region(self._page.template, ROWS, context, {"row": MARK}).partition(
            MARK
        )
        return head + "\n".join([self._rows[ident] for ident in self._projection.rows()]) + tail


def _put(texts: dict[str, str], name: str, text: str) -> bool:
    if texts.get(name) == text:
        return False
    texts[name] = text
    return True


def _partial(target: str, swap: str, text: str) -> str:
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{text}</hx-partial>'
