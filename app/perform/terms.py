"""The words of the door out: what is asked, what a preview shows, and how an ask can be turned down."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from app.domain.commands import Arguments, Command, CommandPhase, Expected, Verb, ignored
from app.domain.errors import ShipboardError
from app.domain.names import WorkloadRef
from app.domain.owners import Source
from app.domain.people import Principal
from app.domain.policy import ALLOWED, Blocker, Verdict
from app.domain.revisions import Revision
from app.domain.rollout import RolloutState
from app.domain.targets import Target
from app.engines.acting import Difference
from app.store.commands import Kept, Sending

MAX_REASON = 500
MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants done to a workload. `expected` is what they saw; `key` is the idempotency key, unique to who
    asks; `request` the id of the request it came by."""

    verb: Verb
    ref: WorkloadRef
    arguments: Arguments = field(default_factory=Arguments)
    expected: Expected = field(default_factory=Expected)
    reason: str = ""
    key: str = ""
    request: str = ""

    @property
    def digest(self) -> str:
        """The same for the same ask, whatever key and request it came with."""
        body = {k: v for k, v in asdict(self).items() if k not in ("key", "request")}
        return sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done now, and whether it may. `expected` is what was seen, to be sent along with the ask;
    `dry_run` is "accepted", "refused" or "" (not tried), `dry_run_said` the server's words. `before` and `after` are
    the revisions it goes from and to, `targets` those that a rollback or a sync could go to, best first; `source` is
    the commit that the owner follows, where there is one; `containers` are the images by container, as the template
    has them."""

    verb: Verb
    ref: WorkloadRef
    environment: str
    sentence: str = ""
    patches: tuple[Sending, ...] = ()
    difference: tuple[Difference, ...] = ()
    blocked_by: tuple[Blocker, ...] = ()
    warnings: tuple[str, ...] = ()
    expected: Expected = field(default_factory=Expected)
    dry_run: str = ""
    dry_run_said: str = ""
    before: Revision | None = None
    after: Revision | None = None
    targets: tuple[Target, ...] = ()
    source: Source | None = None
    containers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A command, as it stands. `sent_at` is when the cluster took it, `seen_at` when it was over."""

    id: str
    verb: Verb
    ref: WorkloadRef
    environment: str
    phase: CommandPhase
    message: str
    reason: str
    by: str
    asked_at: datetime
    deadline: datetime
    sent_at: datetime | None
    seen_at: datetime | None
    arguments: Arguments
    expected: Expected
    sentence: str
    patches: tuple[Sending, ...]
    difference: tuple[Difference, ...]
    blocked_by: tuple[Blocker, ...]


def receipt_of(kept: Kept) -> Receipt:
    """What is shown of a command."""
    command, intended = kept.command, kept.intended
    return Receipt(
        command.id,
        command.verb,
        command.ref,
        command.environment,
        kept.phase,
        kept.message,
        command.reason,
        command.by,
        command.asked_at,
        command.deadline,
        kept.sent_at,
        kept.ended_at,
        command.arguments,
        command.expected,
        intended.sentence,
        intended.sendings,
        intended.difference,
        kept.blocked_by,
    )


RightsNow = Callable[[Principal], Awaitable[Principal | None]]
"""Somebody with the rights of this moment; None when what they came by (a session, a token) holds no more. Raises
StoreUnavailable."""


async def as_asked(principal: Principal) -> Principal | None:
    """`RightsNow` where rights never change."""
    return principal


Hold = Callable[[Command, RolloutState, datetime], Verdict]
"""A rule of the house (a freeze, a gate) about a command, with the state it meets."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules beside roles: the environments where a reason and a sign-in no older than `step_up` (None: any) are
    due, and what else may stand in the way."""

    production: frozenset[str] = frozenset()
    holds: Sequence[Hold] = field(default=())
    step_up: timedelta | None = None

    def stale(self, principal: Principal, environment: str, now: datetime) -> tuple[Blocker, ...]:
        """The blocker for a person who signed in too long ago to act there (ASVS 7.5.3). Who never signs in (a token,
        somebody a proxy vouches for, a board that asks nobody) is not asked to; whose own token decides is."""
        at = principal.signed_in_at
        if (
            self.step_up is None
            or not principal.decides
            or environment not in self.production
            or (at is None and not principal.personal)
            or (at is not None and now - at <= self.step_up)
        ):
            return ()
        minutes = int(self.step_up.total_seconds() // 60)
        said = f"Acting in {environment} takes a sign-in of the last {minutes} min."
        return (Blocker("step-up", said, "Sign in again."),)

    def verdict(self, command: Command, state: RolloutState, now: datetime) -> Verdict:
        """What all of them say together."""
        said = [hold(command, state, now) for hold in self.holds] or [ALLOWED]
        return Verdict(
            tuple(blocker for each in said for blocker in each.blocked_by),
            tuple(warning for each in said for warning in each.warnings),
        )


class NotKnown(ShipboardError):
    """There is no such workload, or no such command."""


class KeyReused(ShipboardError):
    """The idempotency key was used for something else."""


class Unsuited(ShipboardError):
    """The verb does not take one of the arguments; nothing was done."""

    @classmethod
    def check(cls, ask: Ask) -> None:
        """Raise it for an ask that holds such an argument: what is ignored is not what was meant."""
        if why := ignored(ask.verb, ask.arguments):
            raise cls("This was not understood.", why, "Leave out what it does not take.")


class Blocked(ShipboardError):
    """One rule at least stands in the way; nothing was changed."""

    def __init__(self, blocked_by: Sequence[Blocker]) -> None:
        self.blocked_by = tuple(blocked_by)
        super().__init__(
            "This is not possible now.",
            " ".join(b.message for b in self.blocked_by),
            " ".join(dict.fromkeys(b.clears for b in self.blocked_by if b.clears)),
        )

    @property
    def forbidden(self) -> bool:
        """Whether it is about who asks, and not about what is asked for."""
        return any(b.rule in PERSONAL or b.rule == "step-up" for b in self.blocked_by)


PERSONAL = frozenset({"sign-in", "kiosk", "token", "scope", "role"})


class Moved(ShipboardError):
    """What was seen no longer holds; nothing was changed. `difference` says what was expected and what is."""

    def __init__(self, difference: Sequence[Difference]) -> None:
        self.difference = tuple(difference)
        said = "; ".join(
            f"{d.what} was {d.before or 'none'} and is {d.after or 'none'}" for d in self.difference
        )
        super().__init__(
            "It has changed since you looked.", f"{said[:1].upper()}{said[1:]}.", "Look, and ask again."
        )
