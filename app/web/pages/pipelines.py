"""Pipelines: services by their latest runs as stages of time, or the runs of one service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.read import pipelines as read
from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.pipelines import Pipelines, PipelinesQuery

from .framed import Held, kept
from .page import Page

_REGIONS = ("sentence", "columns", "rows", "more", "foot")


def name_of(query: PipelinesQuery) -> str:
    """Under which its model is held."""
    return f"pipelines?{query.query_string()}"


async def find(fleet: Fleet, query: PipelinesQuery) -> Kept | None:
    """Hold the runs of one service; all services are in memory anyway."""
    if not query.service:
        return None
    return await fleet.keep(
        name_of(query),
        lambda: Kept(
            lambda connection, _: read.of_service(connection, query), lambda topic: topic.sort == "run"
        ),
    )


def _open(fleet: Fleet, query: PipelinesQuery, now: datetime, environments: Sequence[str]) -> Held:
    if query.service:
        look = kept(fleet, name_of(query))
    else:

        def look(_: datetime) -> Pipelines:
            return read.pipelines(fleet.builds.by_service, query)

    def rows(model: Pipelines) -> Mapping[str, Any]:
        if query.service:
            return {f"r-{run.id}": run for run in model.runs}
        return {f"s-{one.slug}": one for one in model.services}

    def columns(model: Pipelines) -> object:
        return model.scale, bool(query.service)

    return _Ticking(fleet, look, _REGIONS, now, rows, columns)


class _Ticking(Held):
    """Rows of what runs are drawn anew with each beat."""

    def _see(self, now: datetime) -> None:
        super()._see(now)
        for ident, row in self._rows.items():
            run = getattr(row, "latest", row)
            if run.ended_at is None:
                self._rows[ident] = replace(row, as_of=now)


PAGE = Page(
    path="/pipelines",
    title="Pipelines",
    template="pipelines.html",
    regions=_REGIONS,
    parse=PipelinesQuery.parse,
    open=_open,
    find=find,
    absent="No such service",
)
