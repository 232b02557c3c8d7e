"""The inbox: what waits for a decision, what the viewer may decide first; then what was decided within a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.names import Topic
from app.read import gates as read
from app.read.fleet import Fleet
from app.read.gate_models import GateLine, Inbox
from app.read.sources import contacts, judged, listening
from app.web import auth

from . import freezes
from .page import Dirty, Page


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """The page takes no parameters; `rights` are those of who looks."""

    rights: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> InboxQuery:
        """Whatever is asked is ignored."""
        return cls()

    def query_string(self) -> str:
        """Always empty."""
        return ""


class LiveGates:
    """A read model of gates that is made again whenever a gate, a workload or a freeze changed, and by the clock."""

    columns = None

    def __init__(self, fleet: Fleet, now: datetime) -> None:
        self._fleet, self._now = fleet, now
        self.model = self._make()

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard."""
        return contacts(self._fleet.sources.values())

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        """Make it again, and say what came out different."""
        before, self._now = self.model, now
        self.model = self._make()
        return self._dirty(before) if before != self.model else Dirty()

    def tick(self, now: datetime) -> Dirty:
        """As `apply`."""
        return self.apply((), now)

    def _heard(self) -> Any:
        return listening(judged(row, self._now) for row in self._fleet.sources.values())

    def _make(self) -> Any:
        raise NotImplementedError

    def _dirty(self, before: Any) -> Dirty:
        raise NotImplementedError


class _Inbox(LiveGates):
    """`Inbox` as a page reads it."""

    name = "inbox"
    model: Inbox

    def __init__(self, fleet: Fleet, query: InboxQuery, now: datetime, environments: Sequence[str]) -> None:
        self._who = auth.holder(query.rights)
        super().__init__(fleet, now)

    def rows(self) -> Mapping[str, GateLine]:
        return _rows(self.model)

    def _make(self) -> Inbox:
        return read.inbox(self._fleet, self._who, self._now, self._heard())

    def _dirty(self, before: Inbox) -> Dirty:
        if [r.id for r in before.rows] != [r.id for r in self.model.rows]:
            return Dirty(everything=True)  # there are few, and their order tells something
        old, new = _rows(before), _rows(self.model)
        changed = {ident: row for ident, row in new.items() if old[ident] != row}
        return Dirty(frozenset({"sentence", "freezes", "changing", "foot"}), changed=changed)


def _rows(inbox: Inbox) -> dict[str, GateLine]:
    return {f"g-{row.id}": row for row in inbox.rows}


def _by_rights(query: InboxQuery, rights: frozenset[str]) -> InboxQuery:
    return replace(query, rights=rights)


PAGE = Page(
    path="/gates",
    title="Gates",
    template="gates.html",
    regions=("sentence", "rows", "freezes", "changing", "foot"),
    parse=InboxQuery.parse,
    open=_Inbox,
    by_rights=_by_rights,
    mine=freezes.mine,
)
