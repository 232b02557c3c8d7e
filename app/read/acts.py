"""What can be asked of a workload, as buttons: by its state alone. Who may press them is for the page to say.

Verbs that answer each other share a place: what stands still shows Resume where others show Pause.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..domain.commands import Offer, Verb
from ..domain.counts import among
from ..domain.owners import Owner
from ..domain.policy import Blocker
from ..domain.rollout import Attention, Phase, RolloutState, Strategy
from ..domain.targets import Record
from ..engines import ENGINES, offers
from ..engines.owners import spoken
from .query import version_of
from .rows import WorkloadRow

_PLACES: tuple[tuple[Verb, ...], ...] = (
    (Verb.PROMOTE,),
    (Verb.PROMOTE_FULL,),
    (Verb.SWITCH,),
    (Verb.SET_WEIGHT,),
    (Verb.ABORT, Verb.RETRY),
    (Verb.PAUSE, Verb.RESUME),
    (Verb.ROLLBACK,),
    (Verb.RESTART,),
    (Verb.SET_IMAGE,),
    (Verb.SYNC,),
    (Verb.HOLD, Verb.RELEASE),
)
IN_A_ROW = 6
"""Buttons side by side; what is left over stands below them as links."""
_ANSWERS = (Verb.PROMOTE, Verb.SWITCH, Verb.RESUME, Verb.RETRY)
_MENDS = (Verb.ROLLBACK, Verb.RETRY, Verb.SYNC, Verb.HOLD)
_OTHERS = 5
NOTHING = Record()
"""Where nothing is remembered."""


@dataclass(frozen=True, slots=True)
class Act:
    """One button. `main`: it answers what the workload waits for."""

    verb: str
    label: str
    sentence: str
    blocked_by: tuple[Blocker, ...]
    main: bool = False


@dataclass(frozen=True, slots=True)
class Acts:
    """The buttons in a row, and those that are asked for less."""

    row: tuple[Act, ...] = ()
    more: tuple[Act, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.row)


@dataclass(frozen=True, slots=True)
class Hold:
    """Automation that was stopped on purpose, until `until`. `by` names it ("Argo CD application web")."""

    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Other:
    """Something else on its way in the same environment: "search-indexer", "7 of 12 pods"."""

    service: str
    ref: str
    how: str


def acts(row: WorkloadRow, barred: Blocker | None = None, record: Record = NOTHING) -> Acts:
    """The buttons of a workload; `barred` stands in the way of them all, `record` is what is remembered of its
    revisions."""
    there = verbs(row, record)
    chosen = [_shown(place, there) for place in _PLACES]
    found = [offer for offer in chosen if offer]
    main = _main(row.state, found)
    extra = (barred,) if barred else ()
    drawn = [
        Act(o.verb.value, o.label, o.sentence, (*o.blocked_by, *extra), o.verb is main and not barred)
        for o in found
    ]
    return Acts(tuple(drawn[:IN_A_ROW]), tuple(drawn[IN_A_ROW:]))


def verbs(row: WorkloadRow, record: Record = NOTHING) -> dict[Verb, Offer]:
    """Every verb of a workload, as its state and the `record` of its revisions are."""
    engine = next((e for e in ENGINES if e.name == row.engine), None)
    return dict(offers(engine, row.state, record)[0]) if engine else {}


def answer(row: WorkloadRow) -> str:
    """The verb that answers what `row` waits for; empty when none does."""
    found = verbs(row)
    return next((v.value for v in _ANSWERS if v in found and found[v].available), "")


def hold(owner: Owner | None) -> Hold | None:
    """The hold on what manages a workload, if there is one."""
    return Hold(spoken(owner), owner.held_until) if owner and owner.held_until else None


def others(rows: Iterable[WorkloadRow], row: WorkloadRow) -> tuple[Other, ...]:
    """What else is on its way where `row` runs, the newest first."""
    near = [
        other
        for other in rows
        if other.key != row.key
        and other.place.environment == row.place.environment
        and other.attention in (Attention.MOVING, Attention.WAITING)
    ]
    near.sort(key=lambda other: (other.since, other.key), reverse=True)
    return tuple(Other(o.place.service, str(o.ref), _how(o)) for o in near[:_OTHERS])


def _shown(place: tuple[Verb, ...], offers: dict[Verb, Offer]) -> Offer | None:
    there = [offers[verb] for verb in place if verb in offers]
    return next((offer for offer in there if offer.available), there[0] if there else None)


def _main(state: RolloutState, found: list[Offer]) -> Verb | None:
    free = [offer.verb for offer in found if offer.available]
    if state.phase in (Phase.PAUSED, Phase.AWAITING_APPROVAL):
        return next((verb for verb in _ANSWERS if verb in free), None)
    if state.phase in (Phase.FAILED, Phase.ABORTED):
        return next((verb for verb in _MENDS if verb in free), None)
    return None


def _how(row: WorkloadRow) -> str:
    state = row.state
    version = version_of(row)
    if state.weight is not None and state.strategy is not Strategy.MANUAL_SWITCH:
        return f"{version}, {state.weight.wanted} %"
    counts = state.counts
    return f"{version}, {among(min(counts.updated, counts.wanted), counts.wanted)}"
