"""One run of a pipeline: its jobs on the time axis, failing tests, images and other attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.run_page import RunPage, run_page

from .framed import Held, kept
from .page import Page

_REGIONS = ("sentence", "strip", "rows", "tests", "aside", "foot")


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which run."""

    run: str

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> RunQuery:
        """Read the path."""
        return cls(next((value for name, value in params if name == "run"), "")[:40])

    def query_string(self) -> str:
        """Always empty: the path says it."""
        return ""


async def find(fleet: Fleet, query: RunQuery) -> Kept:
    """Hold the run. Raises LookupError when there is none."""
    return await fleet.keep(
        f"runs/{query.run}",
        lambda: Kept(
            lambda connection, _: run_page(connection, query.run),
            lambda topic: topic.sort in ("run", "report", "artifact"),
        ),
    )


def _open(fleet: Fleet, query: RunQuery, now: datetime, environments: Sequence[str]) -> Held:
    def rows(model: RunPage) -> Mapping[str, Any]:
        return {f"j-{job.id}": job for job in model.jobs}

    return Held(fleet, kept(fleet, f"runs/{query.run}"), _REGIONS, now, rows, lambda model: model.run.id)


PAGE = Page(
    path="/pipelines/{run}",
    title="Run",
    template="run.html",
    regions=_REGIONS,
    parse=RunQuery.parse,
    open=_open,
    find=find,
    absent="No such run",
)
