"""DORA: five figures with what they are worth, their trend, and each service's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.read import dora as read
from app.read.dora_query import DoraQuery
from app.read.fleet import Fleet
from app.read.kept import Kept

from .framed import Held, kept
from .page import Page

_REGIONS = ("sentence", "figures", "each", "rows_of", "counts", "foot")


def name_of(query: DoraQuery) -> str:
    """Under which its model is held."""
    return f"dora?{query.query_string()}"


async def find(fleet: Fleet, query: DoraQuery) -> Kept:
    """Hold the figures of `query`; they are read again each minute, and half a minute after something ended."""
    return await fleet.keep(
        name_of(query),
        lambda: Kept(
            lambda connection, now: read.figures(connection, fleet, query, now),
            lambda topic: topic.sort in ("rollout", "incident"),
            lasts=timedelta(minutes=1),
            rest=timedelta(seconds=30),
        ),
    )


def _open(fleet: Fleet, query: DoraQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, kept(fleet, name_of(query)), _REGIONS, now)


PAGE = Page(
    path="/dora",
    title="DORA",
    template="dora.html",
    regions=_REGIONS,
    parse=DoraQuery.parse,
    open=_open,
    find=find,
)
