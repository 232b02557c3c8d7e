"""The timeline: deployments newest first, under a strip of when they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.timeline import Timeline, timeline
from app.read.timeline_query import TimelineQuery

from .framed import Held, kept
from .page import Page

_REGIONS = ("sentence", "strokes", "rows", "more", "foot")


async def find(fleet: Fleet, query: TimelineQuery) -> Kept:
    """Hold the timeline of `query`."""
    return await fleet.keep(
        f"timeline?{query.query_string()}",
        lambda: Kept(
            lambda connection, now: timeline(connection, fleet, query, now),
            lambda topic: topic.sort in ("rollout", "workload", "source", "deployment", "incident"),
            lasts=timedelta(minutes=1),
            rest=timedelta(seconds=3),
        ),
    )


def _open(fleet: Fleet, query: TimelineQuery, now: datetime, environments: Sequence[str]) -> Held:
    def rows(model: Timeline) -> Mapping[str, Any]:
        return {f"d-{row.id}": row for row in model.rows}

    def order(model: Timeline) -> object:
        return tuple(row.id for row in model.rows)  # a new one stands first, so the table is drawn anew

    return Held(fleet, kept(fleet, f"timeline?{query.query_string()}"), _REGIONS, now, rows, order)


PAGE = Page(
    path="/timeline",
    title="Timeline",
    template="timeline.html",
    regions=_REGIONS,
    parse=TimelineQuery.parse,
    open=_open,
    find=find,
)
