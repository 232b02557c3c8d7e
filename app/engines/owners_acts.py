"""What an owner leaves to be done here: offers that it would undo are blocked; its automation is held and released.

Every engine passes its offers through `guarded` and takes `DRAFTS` among its own. Sources: Argo CD's auto-sync and
its `app rollback`, Flux's `suspend`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..domain.commands import Offer, Verb
from ..domain.owners import Manager, Owner, Reverts
from ..domain.policy import Blocker
from ..domain.repositories import short
from ..domain.rollout import RolloutState
from . import applications
from .acting import Difference, Effect, Plan, Raw
from .drafting import REMOVE, Draft, Path, Task, blocked, change, moment, offer, value
from .owners import APPLICATION, HELD_UNTIL, KINDS, object_of, reverts, spoken

UNDONE = frozenset({Verb.ROLLBACK, Verb.SET_IMAGE, Verb.SWITCH, Verb.SET_WEIGHT})
"""Verbs that write what a source of truth keeps, whatever the engine."""


def guarded(
    offers: Mapping[Verb, Offer], state: RolloutState, undone: frozenset[Verb] = UNDONE
) -> dict[Verb, Offer]:
    """An engine's offers as the owner leaves them: of those that write what it keeps (`undone`), the ones that it would
    undo are blocked, others say what becomes of them; and its automation can be held and released."""
    owner = state.owner
    if owner is None:
        return dict(offers)
    held = {verb: _guard(found, owner) if verb in undone else found for verb, found in offers.items()}
    if owner.kind not in KINDS:
        return held
    word, by = _automation(owner), spoken(owner)
    stopped = owner.held_until is not None and owner.reverts is not Reverts.CONTINUOUS
    held[Verb.HOLD] = offer(
        Verb.HOLD,
        f"Hold {word}",
        f"{by} applies nothing more, to all that it manages, until the time you set.",
        blocked(f"It is held until {moment(owner.held_until)}.", "Release it.")
        if stopped and owner.held_until
        else None,
    )
    held[Verb.RELEASE] = offer(
        Verb.RELEASE,
        f"Release {word}",
        f"{by} goes on, and takes back whatever differs from its source.",
        None if owner.held_until else blocked("Its automation is not held by Shipboard."),
    )
    if owner.manager is Manager.ARGOCD:
        sentence = f"{by} applies an older revision of its source; Git stays ahead of it."
        held[Verb.SYNC] = offer(Verb.SYNC, "Sync to an older revision", sentence, _ahead(owner.reverts))
    return held


def _ahead(undoes: Reverts) -> Blocker | None:
    """What stands in the way of a sync to an older revision; nothing where only the application tells."""
    if undoes in (Reverts.NO, Reverts.UNKNOWN):
        return None
    return Blocker("owner", "Auto-sync would go forward again at once.", "Hold auto-sync first.")


def _guard(found: Offer, owner: Owner) -> Offer:
    by = spoken(owner)
    match owner.reverts:
        case Reverts.CONTINUOUS if owner.kind in KINDS:
            clears = f"Hold {_automation(owner)} first; to last, revert the commit."
            soon = "within seconds" if owner.manager is Manager.ARGOCD else "at its next interval"
            why = Blocker("owner", f"{by} would undo this {soon}.", clears)
            return replace(found, blocked_by=(*found.blocked_by, why))
        case Reverts.CONTINUOUS:
            why = Blocker("owner", f"{by} made this and would undo it.", f"Change {by} instead.")
            return replace(found, blocked_by=(*found.blocked_by, why))
        case Reverts.ON_NEXT_REVISION:
            return replace(found, sentence=f"{found.sentence} {by} undoes it with its next change.")
        case Reverts.UNKNOWN:
            return replace(found, sentence=f"{found.sentence} {by} may undo it.")
    return found


def _automation(owner: Owner) -> str:
    return "auto-sync" if owner.manager is Manager.ARGOCD else "reconciliation"


def _hold(task: Task) -> Plan:
    owner, found = _managed(task)
    until = task.arguments.until
    if until is None or until <= task.now:
        raise task.refuse("A hold needs an end that lies ahead.", "Say until when.")
    if reverts(owner, found) is Reverts.NO and value(found, "metadata", "annotations", HELD_UNTIL) is None:
        sentence = f"{spoken(owner)} applies nothing by itself: there is nothing to hold."
        return task.plan((), Effect(), sentence=sentence)
    return _automate(task, owner, found, False, moment(until))


def _release(task: Task) -> Plan:
    owner, found = _managed(task)
    return _automate(task, owner, found, True, REMOVE)


def _automate(task: Task, owner: Owner, found: Raw, on: bool, until: object) -> Plan:
    note: Path = ("metadata", "annotations", HELD_UNTIL)
    wanted: dict[Path, Any] = {("spec", "suspend"): not on}
    if owner.manager is Manager.ARGOCD:
        wanted = {("spec", "syncPolicy", "automated", "enabled"): on}
    if on and value(found, *note) is None:
        wanted = {}  # somebody else stopped it, or took the hold back already
    theirs = change(KINDS[owner.kind], found, {**wanted, note: until}, stamp=task.stamp)
    ours = change(task.kind, task.root, {note: until}, stamp=task.stamp)
    return task.plan((theirs, ours), Effect(owner_held=not on))


def _sync(task: Task) -> Plan:
    """What `argocd app rollback` asks for: a sync with the revision and source of an entry of the history."""
    owner, found = _managed(task)
    if ahead := _ahead(reverts(owner, found)):
        raise task.refuse(ahead.message, ahead.clears, ahead.rule)
    if value(found, "operation") is not None:
        raise task.refuse(
            "Another operation of the application is in progress.", "Wait until it is over.", "owner"
        )
    if value(found, "metadata", "deletionTimestamp") is not None:
        raise task.refuse("The application is being deleted.", "", "owner")
    chosen = applications.entry(found, task.arguments.revision)
    if chosen is None:
        raise task.refuse("The application's history has no such revision.", "Choose one that it has.")
    if not applications.has_source(chosen):
        raise task.refuse("The history does not tell the source of that revision.", "Choose another one.")
    after, last = applications.revision(chosen), next(iter(applications.entries(found)), chosen)
    before = applications.revision(last)
    asked = applications.operation(found, chosen, task.stamp)
    idle: dict[Path, Any] = {("operation",): None}
    patch = change(APPLICATION, found, {("operation",): asked}, tests=idle, stamp=task.stamp)
    name = short(after.version or after.key)
    return task.plan(
        (patch,),
        Effect(),
        sentence=f"{spoken(owner)} goes to {name} of its source, in all that it manages, without pruning; Git stays "
        "ahead of it.",
        from_=before,
        to=after,
        difference=(Difference("revision of the source", before.version, after.version),),
    )


def _managed(task: Task) -> tuple[Owner, Raw]:
    owner, found = task.state.owner, object_of(task.state.owner, task.look)
    if owner is None or found is None:
        by = spoken(owner) if owner else "Its owner"
        raise task.refuse(f"{by} cannot be looked at.", "Shipboard needs to read and patch it.", "owner")
    return owner, found


DRAFTS: Mapping[Verb, Draft] = {Verb.HOLD: _hold, Verb.RELEASE: _release, Verb.SYNC: _sync}
"""What every engine plans alike."""
