"""One commit: its road from push to production, and where it is now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.read.commits import commit_page
from app.read.fleet import Fleet
from app.read.kept import Kept

from .framed import Held, kept
from .page import Page

_REGIONS = ("sentence", "way", "aside", "foot")
_SHA = re.compile(r"[0-9a-f]{7,64}")
_SORTS = frozenset({"run", "commit", "artifact", "report", "deployment", "workload", "rollout"})


@dataclass(frozen=True, slots=True)
class CommitQuery:
    """Which commit: its id, or how that begins."""

    sha: str

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> CommitQuery:
        """Read the path. Raises ValueError that says what is allowed."""
        sha = next((value for name, value in params if name == "sha"), "").lower()
        if not _SHA.fullmatch(sha):
            raise ValueError("A commit is named by its id: 7 to 64 hex digits.")
        return cls(sha)

    def query_string(self) -> str:
        """Always empty: the path says it."""
        return ""


async def find(fleet: Fleet, query: CommitQuery) -> Kept:
    """Hold the commit. Raises LookupError when there is none."""
    return await fleet.keep(
        f"commits/{query.sha}",
        lambda: Kept(
            lambda connection, now: commit_page(connection, fleet, query.sha, now),
            lambda topic: topic.sort in _SORTS,
            lasts=timedelta(minutes=1),
            rest=timedelta(seconds=2),
        ),
    )


def _open(fleet: Fleet, query: CommitQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, kept(fleet, f"commits/{query.sha}"), _REGIONS, now)


PAGE = Page(
    path="/commits/{sha}",
    title="Commit",
    template="commit.html",
    regions=_REGIONS,
    parse=CommitQuery.parse,
    open=_open,
    find=find,
    absent="No such commit",
)
