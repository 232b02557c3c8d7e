"""Freezes and gates as rules of the door out: what goes forward waits, what goes back never does.

Rules are asked without waiting, so what they need is kept in memory and read again whenever it changes, and every two
seconds, since another process may have written it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.commands import VERBS, Command
from app.domain.delivery import Delivery, Mode
from app.domain.freezes import Freeze, exempting, holding
from app.domain.people import SYSTEM
from app.domain.policy import ALLOWED, Blocker, Verdict
from app.domain.rollout import RolloutState

from .asking import backward

BY_GATE = "gate:"
"""Keys of commands that a gate let through begin like this; only the board itself can be SYSTEM."""


@dataclass(slots=True)
class Freezer:
    """What is frozen, and which gate is asked about which workload; kept up by the gatekeeper."""

    delivery: Delivery = field(default_factory=Delivery)
    by_hand: tuple[Freeze, ...] = ()
    exempt: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Services let out of freezes, by the freeze's id."""
    services: dict[str, str] = field(default_factory=dict)
    """Service of each workload, by key."""
    gates: Mapping[str, str] = field(default_factory=dict)
    """Open gates by the workload they are about."""

    @property
    def freezes(self) -> tuple[Freeze, ...]:
        """All that are known."""
        return exempting((*self.delivery.freezes, *self.by_hand), self.exempt)

    def hold(self, command: Command, state: RolloutState, now: datetime) -> Verdict:
        """The rule: a freeze or a gate in the way of what goes forward."""
        if not VERBS[command.verb].forward or backward(state):
            return ALLOWED
        if command.principal == SYSTEM.identity and command.key.startswith(BY_GATE):
            return ALLOWED  # the gate was held against all of this, and at this very moment
        service = self.services.get(command.workload, command.ref.name)
        blocked = [
            freeze_blocker(f, now) for f in holding(self.freezes, command.environment, service, now)[:1]
        ]
        rules = self.delivery.of(command.environment)
        if rules.only_by_gate and rules.mode is Mode.MANUAL:
            at = self.gates.get(command.workload)
            clears = (
                f"Whoever may decide there, at /gates/{at}."
                if at
                else "A gate opens when it waits for a person."
            )
            said = f"{command.environment} takes new versions through a gate."
            blocked.append(Blocker("gate", said, clears))
        return Verdict(tuple(blocked))


def freeze_blocker(freeze: Freeze, now: datetime) -> Blocker:
    """A freeze as policy says it."""
    return Blocker(
        "freeze",
        f"{freeze.where[:1].upper()}{freeze.where[1:]} is frozen: {freeze.reason}.",
        "Override by an approver with a reason, at a gate; or an admin lifts it.",
        freeze.ends(now),
    )
