"""Which workloads can be seen: the sources as they are to be believed now, and a verdict for whatever depends on the
same of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from ..domain.freshness import Freshness
from ..engines import required
from .board import Listening
from .rows import SourceRow, WorkloadRow
from .seen import Verdict
from .sources import contacts, covering, judged, listening

Scope = tuple[str, str, frozenset[str]]
"""Cluster, namespace and required kinds: all workloads of a scope depend on the same sources."""
_BLIND = (Freshness.STALE, Freshness.UNKNOWN)


class Coverage:
    """Sources as they were when last looked at, and what follows from them."""

    def __init__(self) -> None:
        self.sources: Mapping[str, SourceRow] = {}
        self.listening: tuple[Listening, ...] = ()
        self._views: dict[str, tuple[object, ...]] = {}
        self._grouped: defaultdict[str, list[SourceRow]] = defaultdict(list)
        self._placed: frozenset[tuple[str, str]] = frozenset()
        self._verdicts: dict[Scope, Verdict] = {}

    @property
    def contacts(self) -> Mapping[str, datetime | None]:
        """When each cluster was last heard."""
        return contacts(self.sources.values())

    def judge(self, sources: Mapping[str, SourceRow], scopes: Iterable[Scope], now: datetime) -> list[Scope]:
        """Look at `sources` again; those of `scopes` that can be seen now, or no longer."""
        self.sources = {key: judged(row, now) for key, row in sources.items()}
        self.listening = listening(self.sources.values())
        views = {key: _view(row) for key, row in self.sources.items()}
        before, self._views = self._views, views
        if views == before:
            return []
        self._grouped = defaultdict(list)
        for row in self.sources.values():
            self._grouped[row.cluster].append(row)
        self._placed = frozenset((row.cluster, row.namespace) for row in self.sources.values())
        known, self._verdicts = self._verdicts, {}
        return [scope for scope in scopes if self.verdict(scope) != known.get(scope)]

    def verdict(self, scope: Scope) -> Verdict:
        """Whether workloads of a scope can be seen."""
        known = self._verdicts.get(scope)
        if known is None:
            cluster, namespace, kinds = scope
            if namespace and (cluster, namespace) not in self._placed:
                known = self.verdict((cluster, "", kinds))
            else:
                known = self._judged(cluster, namespace, kinds)
            self._verdicts[scope] = known
        return known

    def _judged(self, cluster: str, namespace: str, kinds: frozenset[str]) -> Verdict:
        freshness, source = covering(self._grouped.get(cluster, []), kinds, namespace)
        if freshness not in _BLIND:
            return Verdict(unseen=False)
        return Verdict(True, source.message if source else "", source.contact_at if source else None)


def scope_of(row: WorkloadRow) -> Scope:
    """What can be seen together with `row`."""
    return row.ref.cluster, row.ref.namespace, required(row.engine, row.ref.kind)


def _view(row: SourceRow) -> tuple[object, ...]:
    """What of a source a verdict is made of: while it is well, not when it was heard."""
    return row.freshness, row.message, row.contact_at if row.freshness in _BLIND else None
