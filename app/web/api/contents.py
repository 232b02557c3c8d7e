"""What the streams of the API show: the same JSON that a GET answers, kept up.

A resource is sent whole whenever it changed. A list is sent once ("snapshot"), then item by item ("put",
"delete").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from app.domain.names import Topic
from app.read.board import Board, BoardChange
from app.read.fleet import Fleet
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.web.views import Patch

Ground = TypeVar("Ground")
encode = msgspec.json.Encoder().encode
_HEAD = "\x00head"
"""Beside the names of services, of which none has a control character."""


class ResourceContent:
    """One small resource. `make` answers its model (None: there is none any more)."""

    def __init__(self, make: Callable[[datetime], object], now: datetime) -> None:
        self._make = make
        self._body = encode(make(now))

    def apply(self, topics: Iterable[Topic], now: datetime) -> Patch:
        """Make it again."""
        old, self._body = self._body, encode(self._make(now))
        return Patch(reset=old != self._body)

    def beat(self, now: datetime) -> Patch:
        """Make it again: sources fall silent without a topic."""
        return self.apply((), now)

    def body(self) -> bytes:
        """Its JSON."""
        return self._body

    def whole(self) -> Sequence[bytes]:
        """Its JSON, as the only event."""
        return [self._body]

    def some(self, patch: Patch) -> Sequence[bytes]:
        """Never asked: it changes as a whole."""
        return self.whole()


class ListContent(Generic[Ground]):
    """A list of items by key. `make` answers the item of a key (None: not in this list); `ground`
    something every item depends on: where it differs, all are made again. `sort` is the sort of topic
    that names keys."""

    def __init__(
        self,
        sort: str,
        keys: Callable[[], Iterable[str]],
        ground: Callable[[datetime], Ground],
        make: Callable[[str, Ground], object | None],
        now: datetime,
    ) -> None:
        self._sort, self._keys, self._ground, self._make = sort, keys, ground, make
        self._told = ground(now)
        self._items: dict[str, bytes] = {}
        self._look(keys())

    def apply(self, topics: Iterable[Topic], now: datetime) -> Patch:
        """Make the items again that `topics` name."""
        ground = self._ground(now)
        if ground != self._told:
            self._told = ground
            return self._look({*self._keys(), *self._items})
        return self._look(topic.key for topic in topics if topic.sort == self._sort)

    def beat(self, now: datetime) -> Patch:
        """Make all items again if what they stand on changed."""
        return self.apply((), now)

    def body(self) -> bytes:
        """The snapshot."""
        return b'{"op":"snapshot","items":[' + b",".join(self._items[k] for k in sorted(self._items)) + b"]}"

    def whole(self) -> Sequence[bytes]:
        """The snapshot."""
        return [self.body()]

    def some(self, patch: Patch) -> Sequence[bytes]:
        """One event an item."""
        put = [b'{"op":"put","item":' + self._items[k] + b"}" for k in sorted(patch.changed | patch.added)]
        return put + [encode({"op": "delete", "key": key}) for key in sorted(patch.removed)]

    def _look(self, keys: Iterable[str]) -> Patch:
        changed: set[str] = set()
        added: set[str] = set()
        removed: set[str] = set()
        for key in keys:
            item = self._make(key, self._told)
            if item is None:
                if self._items.pop(key, None) is not None:
                    removed.add(key)
                continue
            new = encode(item)
            old = self._items.get(key)
            if new != old:
                self._items[key] = new
                (added if old is None else changed).add(key)
        return Patch(frozenset(changed), frozenset(added), frozenset(removed))


class BoardContent:
    """The board: rows as items by service, and all the rest as its "head"."""

    def __init__(
        self, fleet: Fleet, query: BoardQuery, now: datetime, environments: Sequence[str] = ()
    ) -> None:
        self._projection = BoardProjection(fleet, query, now, environments)
        self._head = self._draw_head()

    @property
    def board(self) -> Board:
        """The read model."""
        return self._projection.board

    def apply(self, topics: Iterable[Topic], now: datetime) -> Patch:
        """Take in what `topics` changed."""
        return self._patch(self._projection.apply(topics, now))

    def beat(self, now: datetime) -> Patch:
        """Take in what time alone changed."""
        return self._patch(self._projection.tick(now))

    def body(self) -> bytes:
        """The whole board."""
        return encode(self.board)

    def whole(self) -> Sequence[bytes]:
        """The whole board as one snapshot."""
        return [b'{"op":"snapshot","item":' + self.body() + b"}"]

    def some(self, patch: Patch) -> Sequence[bytes]:
        """Rows one by one, then the head."""
        rows = (self._projection.row(name) for name in sorted((patch.changed | patch.added) - {_HEAD}))
        events = [b'{"op":"put","item":' + encode(row) + b"}" for row in rows]
        events += [encode({"op": "delete", "key": name}) for name in sorted(patch.removed)]
        return [*events, b'{"op":"head","item":' + self._head + b"}"] if _HEAD in patch.changed else events

    def _draw_head(self) -> bytes:
        board = self.board
        return encode({f.name: getattr(board, f.name) for f in fields(board) if f.name != "rows"})

    def _patch(self, change: BoardChange) -> Patch:
        if not change:
            return Patch()
        old, self._head = self._head, self._draw_head()
        if change.environments:
            return Patch(reset=True)
        head = {_HEAD} if old != self._head else set()
        return Patch(frozenset(change.rows) | head, frozenset(change.added), frozenset(change.removed))
