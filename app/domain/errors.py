"""What can go wrong, in words a person can act on. Caught at the two doors and at the edge."""

from __future__ import annotations


class ShipboardError(Exception):
    """Base of all our errors: `what` happened, `why`, and what `todo` about it, in whole sentences."""

    def __init__(self, what: str, why: str = "", todo: str = "") -> None:
        super().__init__(what, why, todo)
        self.what, self.why, self.todo = what, why, todo

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.todo) if part)


class DatabaseRefused(ShipboardError):
    """The database cannot be used as it is, and starting with another or an empty one would hide that."""


class StoreUnavailable(ShipboardError):
    """The database cannot take or answer this just now (full disk, lost connection, lock); later it may."""
