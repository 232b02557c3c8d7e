"""One command: what was asked, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from app.domain.names import Topic
from app.domain.policy import Permission
from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.receipt import ReceiptPage, ReceiptProjection, ReceiptQuery, follow

from .page import Dirty, Page

_ALL = Dirty(frozenset({"receipt", "foot"}))


class _Receipt:
    """`ReceiptProjection` as a page reads it."""

    name = "shown"

    def __init__(self, fleet: Fleet, query: ReceiptQuery, now: datetime, environments: Sequence[str]) -> None:
        self._projection = ReceiptProjection(fleet, query.ident, now)

    @property
    def model(self) -> ReceiptPage:
        return self._projection.page

    @property
    def columns(self) -> object:
        return None

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        return self._projection.contacts

    def rows(self) -> Mapping[str, object]:
        return {}

    def apply(self, topics: Iterable[Topic], now: datetime) -> Dirty:
        return _ALL if self._projection.apply(topics, now) else Dirty()

    def tick(self, now: datetime) -> Dirty:
        return _ALL if self._projection.tick(now) else Dirty()


async def _find(fleet: Fleet, query: ReceiptQuery) -> Kept:
    return await follow(fleet, query.ident)


PAGE = Page(
    path="/commands/{ident}",
    title="Command",
    template="receipt.html",
    regions=("receipt", "foot"),
    parse=ReceiptQuery.parse,
    open=_Receipt,
    find=_find,
    absent="No such command",
    permission=Permission.DEEDS,
)
