"""Freezes, open gates and alarms as the board tells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..domain.freezes import Freeze
from ..domain.gates import Basis, Gate, GatePhase
from .board import FrozenLine
from .fleet import Fleet

LOUD = timedelta(hours=1)
"""How long every screen shows that the glass was broken."""


@dataclass(frozen=True, slots=True)
class FreezeLine:
    """A freeze that holds or comes: where, why, by whom (empty: the configuration), its window of the week in words,
    when it begins (None: it holds) and ends (None: until it is ended), and the services let out of it."""

    id: str
    where: str
    environment: str
    service: str
    reason: str
    by: str
    window: str
    holds: bool
    begins: datetime | None
    ends: datetime | None
    exempt: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Somebody let something through although rules said no."""

    id: str
    by: str
    service: str
    environment: str
    reason: str


def alarms(gates: Mapping[str, Gate], now: datetime) -> tuple[Alarm, ...]:
    """What every screen shows: the glass broken within the last hour, newest first."""
    broken = [
        (d.at, gate, d)
        for gate in gates.values()
        if (d := gate.decision) and d.basis is Basis.BREAK_GLASS and now - d.at < LOUD
    ]
    broken.sort(key=lambda each: (each[0], each[1].id), reverse=True)
    return tuple(Alarm(g.id, d.by, g.subject.service, g.subject.environment, d.reason) for _, g, d in broken)


def frozen(freezes: Iterable[Freeze], now: datetime) -> tuple[FrozenLine, ...]:
    """The freezes that hold at `now`, by place."""
    found = [FrozenLine(f.where, f.reason, f.by, f.ends(now)) for f in freezes if f.holds(now)]
    return tuple(sorted(found, key=lambda line: (line.where, line.reason)))


def calendar(freezes: Iterable[Freeze], now: datetime) -> tuple[FreezeLine, ...]:
    """Freezes that hold, the one that ends first at the top, then those that come, in their order."""
    found = []
    for f in freezes:
        holds = f.holds(now)
        begins = None if holds else f.begins(now)
        if not holds and begins is None:
            continue
        ends = f.ends(begins or now)
        window = str(f.window) if f.window else ""
        where = f.where, f.environment, f.service
        found.append(FreezeLine(f.id, *where, f.reason, f.by, window, holds, begins, ends, f.exempt))
    never = datetime.max.replace(tzinfo=UTC)
    return tuple(sorted(found, key=lambda f: (not f.holds, f.begins or f.ends or never, f.where, f.id)))


def open_gates(fleet: Fleet) -> dict[str, tuple[Gate, ...]]:
    """The gates that wait, by service."""
    found: dict[str, tuple[Gate, ...]] = {}
    for gate in fleet.gates.values():
        if gate.phase is GatePhase.OPEN:
            found[gate.subject.service] = (*found.get(gate.subject.service, ()), gate)
    return found
