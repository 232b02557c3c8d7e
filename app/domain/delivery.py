"""How versions get from one environment to the next: the order, each environment's mode and rules, and what all of it
means in sentences.

Manual is continuous delivery: a person says yes. Automatic is continuous deployment: the rules alone do. What is not
configured is manual and takes one approval, so that a forgotten environment fails closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from .evidence import Severity, digest
from .forges import Dispatch
from .freezes import Freeze


class Mode(StrEnum):
    """Who says yes in the end."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many people have to approve, of which groups (empty: whoever may decide there)."""

    count: int = 1
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        people = "one person" if self.count == 1 else f"{self.count} people"
        whose = f" of {' or '.join(self.groups)}" if self.groups else " who may decide there"
        return people + whose


@dataclass(frozen=True, slots=True)
class Rules:
    """What must hold before a version goes into `environment`.

    `ci`: green for that commit; `tests`: reported, none failed; `scan`: nothing as bad as this (None: not asked);
    `signature`: verified; `soak`: so long in the environment before, all pods ready; `rollback`: going back was seen to
    work; `four_eyes`: nobody approves what they had a part in; `one_at_a_time`: nothing else of the service moves;
    `expires`: how long a question stands. `only_by_gate`: buttons that go forward are blocked where a gate is asked.
    `promotes`: a version that is good in the environment before asks to come in; `dispatch`: what a yes to that starts,
    in place of setting the image.
    """

    environment: str = ""
    mode: Mode = Mode.MANUAL
    ci: bool = False
    tests: bool = False
    scan: Severity | None = None
    signature: bool = False
    soak: timedelta = timedelta()
    rollback: bool = False
    approvals: tuple[Approvals, ...] = (Approvals(),)
    four_eyes: bool = True
    one_at_a_time: bool = True
    expires: timedelta = timedelta(days=7)
    only_by_gate: bool = True
    promotes: bool = True
    dispatch: Dispatch | None = None

    @property
    def asked_of_people(self) -> tuple[Approvals, ...]:
        """The approvals that are due: none in an automatic environment, at least a click in a manual one."""
        return (self.approvals or (Approvals(),)) if self.mode is Mode.MANUAL else ()

    @property
    def version(self) -> str:
        """Changes whenever a rule does."""
        return digest(self)[:16]


@dataclass(frozen=True, slots=True)
class Delivery:
    """All environments in promotion order, the rules of those that have any, the freezes of the configuration, and who
    is who: identities ("issuer|subject") with the other names and addresses they commit under."""

    order: tuple[str, ...] = ()
    rules: Mapping[str, Rules] = field(default_factory=dict)
    freezes: tuple[Freeze, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, environment: str) -> Rules:
        """The rules of an environment; what nobody configured takes one approval and closes no other door."""
        found = self.rules.get(environment)
        return found or Rules(environment, four_eyes=False, only_by_gate=False, promotes=False)

    def before(self, environment: str) -> str:
        """The environment that promotes into this one; empty: none does."""
        if environment not in self.order:
            return ""
        earlier = self.order[: self.order.index(environment)]
        return next((name for name in reversed(earlier) if name in self.rules), "")


def explained(rules: Rules, before: str = "") -> tuple[str, ...]:
    """What the rules of one environment mean, in sentences."""
    where, said = rules.environment, []
    if rules.mode is Mode.AUTOMATIC:
        said.append(f"A version goes into {where} by itself as soon as every rule holds.")
    elif rules.approvals:
        asked = " and ".join(str(a) for a in rules.approvals)
        said.append(f"A version goes into {where} when {asked} approved it.")
    else:
        said.append(f"A version waits before {where} for a click of anybody who may decide there.")
    conditions = [
        (rules.ci, "its CI is green"),
        (rules.tests, "its tests are reported and none failed"),
        (rules.scan is not None, f"its scan found nothing {_name(rules.scan)} or worse"),
        (rules.signature, "its signature is verified"),
        (
            bool(rules.soak),
            f"it ran {_span(rules.soak)} in {before or 'the environment before'} with all pods ready",
        ),
        (rules.rollback, "going back was seen to work there"),
        (rules.one_at_a_time, "nothing else of the service moves there"),
    ]
    held = [text for on, text in conditions if on]
    if held:
        said.append(f"Before that, {_listed(held)}.")
    if rules.four_eyes and rules.mode is Mode.MANUAL:
        said.append(
            "Nobody approves what they wrote, committed or started; where that is not known, two people must approve."
        )
    said.append(f"The question stands for {_span(rules.expires)}, then it is answered with no.")
    if rules.only_by_gate and rules.mode is Mode.MANUAL:
        said.append(
            "Buttons that go forward there are blocked: the gate is the only door. Going back is always free."
        )
    return tuple(said)


def lint(delivery: Delivery) -> tuple[str, ...]:
    """What is odd about a configuration, in sentences; empty when nothing is."""
    found = []
    for name, rules in delivery.rules.items():
        due = sum(a.count for a in rules.approvals)
        proof = rules.ci or rules.tests or rules.signature or rules.soak or rules.scan is not None
        last = bool(delivery.order) and name == delivery.order[-1]
        if name not in delivery.order:
            found.append(f"{name} has rules, but environments.order does not name it.")
        if rules.mode is Mode.AUTOMATIC and not proof:
            found.append(f"{name} is automatic and asks for no proof: whatever runs before it goes in.")
        if rules.mode is Mode.AUTOMATIC and rules.approvals != (Approvals(),):
            found.append(f"{name} is automatic, so its approvals are never asked for.")
        if rules.mode is Mode.MANUAL and due == 0:
            found.append(
                f"{name} is manual and asks for no approval: one click of whoever may decide is still due."
            )
        if rules.soak and not delivery.before(name):
            found.append(
                f"{name} asks for a soak, but no environment comes before it; its gates will never open."
            )
        if rules.soak and rules.expires <= rules.soak:
            found.append(
                f"{name}: questions expire before the soak is over, so every one is answered with no."
            )
        if last and rules.mode is Mode.AUTOMATIC and not rules.rollback:
            found.append(
                f"{name} is the last environment, automatic, and does not ask for a proven way back."
            )
    zones = [f for f in delivery.freezes if f.window is None and f.until is None and f.since is None]
    found += [f"The freeze of {f.where} ({f.reason}) never ends." for f in zones]
    return tuple(found)


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _name(severity: Severity | None) -> str:
    return severity.name.lower() if severity is not None else ""


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            n = seconds // size
            return f"{n} {word}{'' if n == 1 else 's'}"
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} minutes"
