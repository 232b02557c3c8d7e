"""What part of the board a viewer asked for: the query string, parsed, canonical and matched against
workloads.

Two query strings that mean the same give equal queries and one canonical text, so that they share one view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from ..domain.names import cut
from ..domain.rollout import Attention
from .rows import RolloutRow, WorkloadRow

MAX_SEARCH = 100
"""Longest search text kept, in characters."""
MAX_CHOICES = 50
"""Most values of one parameter that are looked at."""
_LISTS = ("environment", "attention", "cluster", "team")


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """Which services, columns and states to show; empty means all. `q` is words that must all be found."""

    q: str = ""
    environment: tuple[str, ...] = ()
    attention: tuple[Attention, ...] = ()
    cluster: tuple[str, ...] = ()
    team: tuple[str, ...] = ()

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> BoardQuery:
        """Read (name, value) pairs of a query string; unknown names are left alone.

        Raises ValueError with a sentence for the reader when `attention` is none of the five states.
        """
        q, lists = "", dict[str, set[str]]((name, set()) for name in _LISTS)
        for name, value in params:
            text = cut(value.strip(), MAX_SEARCH)
            if name == "q":
                q = " ".join(text.split())
            elif name in lists and text and len(lists[name]) < MAX_CHOICES:
                lists[name].add(text)
        if odd := sorted(lists["attention"] - {a.value for a in Attention}):
            raise ValueError(f"attention={odd[0]} is no state. Use one of: {', '.join(Attention)}.")
        return cls(
            q=q,
            environment=tuple(sorted(lists["environment"])),
            attention=tuple(a for a in Attention if a.value in lists["attention"]),
            cluster=tuple(sorted(lists["cluster"])),
            team=tuple(sorted(lists["team"])),
        )

    def pairs(self) -> list[tuple[str, str]]:
        """What was asked, as (name, value) pairs in canonical order."""
        said = [("q", self.q)] if self.q else []
        return said + [(name, str(value)) for name in _LISTS for value in getattr(self, name)]

    def query_string(self) -> str:
        """The canonical query string, without "?"; empty for the whole board."""
        return urlencode(self.pairs())

    def toggled(self, name: str, value: str) -> BoardQuery:
        """The same query with `value` of the list `name` added, or taken out when it is in."""
        pair, pairs = (name, value), self.pairs()
        return self.parse([p for p in pairs if p != pair] if pair in pairs else [*pairs, pair])

    def without(self, name: str) -> BoardQuery:
        """The same query with nothing chosen in `name`."""
        return self.parse(p for p in self.pairs() if p[0] != name)

    @property
    def narrow(self) -> bool:
        """Whether it leaves anything out."""
        return self != BoardQuery()

    def takes(self, row: WorkloadRow) -> bool:
        """Whether a workload may be shown, as far as its cluster and team decide."""
        return (not self.cluster or row.ref.cluster in self.cluster) and (
            not self.team or row.place.team in self.team
        )

    def finds(self, rows: Iterable[WorkloadRow]) -> bool:
        """Whether every word of `q` is in what is known of a service: names, team, versions, places."""
        if not self.q:
            return True
        known = " ".join(
            f"{r.place.service} {r.place.team} {r.place.environment} {r.ref} {version_of(r)}" for r in rows
        ).casefold()
        return all(word in known for word in self.q.casefold().split())

    def takes_rollout(self, row: RolloutRow) -> bool:
        """Whether a rollout belongs on the day strip of this view."""
        cluster = row.workload.partition(":")[0]
        known = f"{row.place.service} {row.place.team} {row.to_version}".casefold()
        return (
            (not self.cluster or cluster in self.cluster)
            and (not self.team or row.place.team in self.team)
            and (not self.environment or row.place.environment in self.environment)
            and all(word in known for word in self.q.casefold().split())
        )


def version_of(row: WorkloadRow) -> str:
    """The version a workload is asked to run; "?" when that is not known."""
    return (row.state.revision.version if row.state.revision else "") or "?"
