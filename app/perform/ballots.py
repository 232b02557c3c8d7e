"""The words of the door for decisions: a ballot, and how it can be turned down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.domain.errors import ShipboardError
from app.domain.evidence import Changed, Evidence
from app.domain.gates import Answer, Gate
from app.domain.people import Principal

Gather = Callable[[Gate], Awaitable[Evidence]]
"""Finds out all that is known of what a gate asks about, now."""
Standing = Callable[[Principal], Awaitable[Principal | None]]
"""Who somebody is by now, with the roles and groups of now; None: nobody any more."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What somebody says at a gate: on the evidence of `digest`, why, and whether a freeze is to be overridden. `key`
    is the idempotency key, unique to the person; `request` the id of the request it came by."""

    answer: Answer
    digest: str = ""
    reason: str = ""
    override: bool = False
    key: str = ""
    request: str = ""


class Over(ShipboardError):
    """The gate has its answer already."""


class EvidenceChanged(ShipboardError):
    """What was on the screen no longer holds; nothing happened. `difference` says what is otherwise."""

    def __init__(self, difference: Sequence[Changed]) -> None:
        self.difference = tuple(difference)
        said = "; ".join(
            f"{d.what} was {d.before or 'none'} and is {d.after or 'none'}" for d in self.difference
        )
        why = f"{said[:1].upper()}{said[1:]}." if said else "It is not known what you saw."
        super().__init__(
            "It has changed since you looked.", why, "Look again, and decide on what is there now."
        )


async def as_then(principal: Principal) -> Principal | None:
    """Believe what a vote says of who cast it: for boards that cannot look it up."""
    return principal
