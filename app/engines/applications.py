"""An Argo CD Application, as far as it is gone back with: the history of its syncs, and the operation for another.

A rollback there is a sync with the revision and the source of an entry of the history; Git stays ahead of it, and
nothing is pruned. Source: Argo CD's server/application (Rollback) and `argocd app rollback`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ..domain.names import cut
from ..domain.policy import Blocker
from ..domain.revisions import Revision
from ..domain.targets import Target
from .acting import Raw
from .drafting import items, value

_LAST = "It was synced last."


def entries(found: Raw) -> list[Raw]:
    """The entries of the history that have an id, newest first."""
    return [e for e in reversed(items(found, "status", "history")) if e.get("id") is not None]


def entry(found: Raw, wanted: str) -> Raw | None:
    """The newest entry of an id or a revision; None when the history has none."""
    there = entries(found)
    by_id = (e for e in there if str(e["id"]) == wanted)
    by_revision = (e for e in there if wanted and wanted == e.get("revision"))
    return next(by_id, None) or next(by_revision, None)


def revision(of: Raw) -> Revision:
    """An entry as a revision: its key is the id, its version what was synced, of all sources."""
    several = of.get("revisions")
    told = [of.get("revision")] if of.get("revision") else several if isinstance(several, list) else []
    version = ", ".join(cut(str(each), 64) for each in told)
    return Revision(
        cut(str(of.get("id")), 20), version=cut(version, 300), created_at=_time(of.get("deployedAt"))
    )


def targets(found: Raw) -> tuple[Target, ...]:
    """What can be gone back to: the sync before the last, then older ones, and the last at the end; none where there
    was only one."""
    last, *older = entries(found) or [{}]
    return (*(_target(each, "") for each in older), _target(last, _LAST)) if older else ()


def operation(found: Raw, of: Raw, stamp: str) -> dict[str, Any]:
    """The operation that syncs to an entry, with the application's own options."""
    sync: dict[str, Any] = {
        key: of[key] for key in ("revision", "revisions", "source", "sources") if of.get(key)
    }
    if options := value(found, "spec", "syncPolicy", "syncOptions"):
        sync["syncOptions"] = options
    return {
        "initiatedBy": {"username": "shipboard"},
        "info": [{"name": "Shipboard command", "value": stamp}],
        "sync": {**sync, "prune": False, "syncStrategy": {"apply": {}}},
    }


def has_source(of: Raw) -> bool:
    """Whether it can be gone back to: without its source the same revision may mean something else."""
    return bool(of.get("source") or of.get("sources"))


def wanted(found: Raw) -> tuple[str, str]:
    """The repository that it follows, and the revision there that it wants; empty where that is not told."""
    sources: Sequence[Any] = items(found, "spec", "sources")
    source = value(found, "spec", "source") or (sources[0] if sources else {})
    several = value(found, "status", "sync", "revisions")
    first = several[0] if isinstance(several, list) and several else ""
    at = value(found, "status", "sync", "revision") or first
    repo = source.get("repoURL") if isinstance(source, Mapping) else ""
    return cut(str(repo or ""), 500), cut(str(at or ""), 100)


def _target(of: Raw, note: str) -> Target:
    made = revision(of)
    if has_source(of):
        return Target(made, made.created_at, note=note)
    said = f"The history does not tell the source of {made.version or made.key}."
    return Target(made, made.created_at, (Blocker("argument", said, "Choose another one."),), note)


def _time(text: Any) -> datetime | None:
    try:
        at = msgspec.convert(text, type=datetime) if text else None
    except msgspec.ValidationError:
        return None
    return at if at is not None and at.tzinfo is not None else None
