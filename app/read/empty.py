"""Why the board is empty, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..domain.freshness import Freshness
from .board import Empty, Listening
from .rows import SourceRow
from .sources import needed


def why_empty(sources: Iterable[SourceRow], heard: Sequence[Listening], total: int) -> Empty:
    """The reason for an empty board: `total` services exist (none is shown), `heard` tells how the
    clusters are."""
    rows = tuple(needed(sources))
    names = ", ".join(c.cluster for c in heard)
    several = "clusters" if len(heard) > 1 else "cluster"
    if total:
        return Empty(
            kind="no_match",
            what="Nothing matches.",
            why=f"None of the {total:,} services fits what you asked for."
            if total > 1
            else "There is one service, and it does not fit what you asked for.",
            todo="Ask for less, or show the whole board.",
        )
    if not rows:
        return Empty(
            kind="no_cluster",
            what="No cluster is configured.",
            why="Shipboard listens to nothing yet, so it has nothing to show.",
            todo="Name a cluster in the settings file, or look at a fleet of its own first.",
            command="shipboard demo",
        )
    answered = sum(1 for row in rows if row.contact_at)
    blind = (row for row in rows if row.freshness in (Freshness.STALE, Freshness.UNKNOWN))
    troubled = next((row for row in blind if row.message and row.errors), None)
    if troubled and not answered:
        return Empty(
            kind="unreachable",
            what=f"The {several} {names} cannot be seen.",
            why=troubled.message,
            todo="Shipboard keeps trying. The page of sources tells what each one said.",
        )
    if any(not row.contact_at for row in rows):
        return Empty(
            kind="looking",
            what=f"Looking at {several} {names} for the first time…",
            why="Services appear as they are found; none is shown as good before it has been looked at.",
            answered=answered,
            asked=len(rows),
        )
    return Empty(
        kind="no_workloads",
        what="Nothing ships here yet.",
        why=f"Shipboard listens to {several} {names} and has found no workload in what it may see.",
        todo="Deploy something, or see whether the namespaces it may read are the right ones.",
        command="kubectl get deployments --all-namespaces",
    )
