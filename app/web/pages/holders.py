"""Which running images contain a package, and where they run; of which nobody can tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from app.read.fleet import Fleet
from app.read.holders import holders
from app.read.kept import Kept

from .framed import Held, kept
from .packages import search_of
from .page import Page

_REGIONS = ("sentence", "holders", "aside", "foot")
_SORTS = frozenset({"artifact", "report", "workload"})


@dataclass(frozen=True, slots=True)
class HoldersQuery:
    """Which `package` is looked for; empty for none."""

    package: str = ""

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> HoldersQuery:
        """Read the query string. Raises ValueError that says what is allowed."""
        return cls(search_of(dict(reversed([*params]))))

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return urlencode({"package": self.package}) if self.package else ""


async def find(fleet: Fleet, query: HoldersQuery) -> Kept:
    """Hold the answer. Raises LookupError when it would be too long."""
    return await fleet.keep(
        f"holders?{query.package}",
        lambda: Kept(
            lambda connection, now: holders(connection, fleet, query.package, now),
            lambda topic: topic.sort in _SORTS,
            lasts=timedelta(minutes=1),
            rest=timedelta(seconds=5),
        ),
    )


def _open(fleet: Fleet, query: HoldersQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, kept(fleet, f"holders?{query.package}"), _REGIONS, now)


PAGE = Page(
    path="/artifacts",
    title="Images",
    template="holders.html",
    regions=_REGIONS,
    parse=HoldersQuery.parse,
    open=_open,
    find=find,
    absent="Too many packages",
)
