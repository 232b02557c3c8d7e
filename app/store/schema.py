"""Which schema a database has, and whether this code may use it."""

from __future__ import annotations

from app.domain.errors import DatabaseRefused
from app.store.migrations import REVISIONS


def must_upgrade(name: str, found: str | None, *, empty: bool, known: tuple[str, ...] = REVISIONS) -> bool:
    """Whether the database `name` needs `migrations.upgrade`, given the revision `found` in it (None: it has
    none) and whether it has no tables. Raises DatabaseRefused when it is not ours or newer than this code."""
    if found is None and not empty:
        raise DatabaseRefused(
            f"{name} is not Shipboard's.",
            "It holds tables, but no record of Shipboard's schema.",
            "Configure another database; this one was not touched.",
        )
    if found is not None and found not in known:
        raise DatabaseRefused(
            f"{name} was written by a newer Shipboard.",
            f"Its schema is {found}, and this version knows schemas up to {known[-1]}.",
            "Start the newer version, or restore a backup from before the upgrade. Nothing was changed.",
        )
    return found != known[-1]
