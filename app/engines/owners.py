"""Who else writes a workload, what that does to a change made here, and how it is told to stop for a while.

An owner is recognised by what it leaves on the object. Whether it undoes changes only its own object tells, so what a
state says is a presumption that a plan, which looks at that object, makes sure of. Sources: Argo CD's resource
tracking and auto-sync, Flux's labels and server-side apply, Helm's release annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from ..domain.commands import Offer, Verb
from ..domain.names import cut
from ..domain.owners import Manager, Owner, Reverts, Source
from ..domain.policy import Blocker
from ..domain.repositories import full_sha, repo_key, short
from ..domain.rollout import RolloutState
from ..domain.targets import Target
from . import applications
from .acting import Difference, Effect, Look, Plan, Query, Raw, shaped
from .drafting import REMOVE, Draft, Path, Task, blocked, change, moment, offer, value
from .port import Kind
from .shapes import FlaggerCanary, Meta, Root

APPLICATION = Kind("argoproj.io/v1alpha1", "applications", "Application")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io/v1", "kustomizations", "Kustomization")
HELMRELEASE = Kind("helm.toolkit.fluxcd.io/v2", "helmreleases", "HelmRelease")
UNDONE = frozenset({Verb.ROLLBACK, Verb.SET_IMAGE, Verb.SWITCH, Verb.SET_WEIGHT})
"""Verbs that write what a source of truth keeps, whatever the engine."""
KINDS = {kind.name: kind for kind in (APPLICATION, KUSTOMIZATION, HELMRELEASE)}
HELD_UNTIL = "shipboard.dev/held-until"
"""Annotation, on the workload and on what manages it: its automation was stopped on purpose, until then."""

_FLUX, _FLUX_HELM = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
_GROUPS = {"Service": "", "Rollout": "argoproj.io", "Canary": "flagger.app"}
_SPOKEN = {
    Manager.ARGOCD: "Argo CD application",
    Manager.FLUX: "Flux Kustomization",
    Manager.FLUX_HELM: "Flux HelmRelease",
    Manager.HELM: "Helm release",
}


def of(root: Root) -> Owner | None:
    """Who manages `root`, as far as itself tells; None when nobody does."""
    meta = root.metadata
    held = _time(meta.annotations.held_until if meta.annotations else None)
    found = _parent(meta) or _argocd(root) or _flux(meta) or _helm(meta)
    if found is None or held is None:
        return found
    return replace(found, held_until=held, reverts=Reverts.NO)


def seen(state: RolloutState, look: Look) -> RolloutState:
    """The state with what the owner's own object tells, where it was looked at."""
    owner = state.owner
    found = _object(owner, look)
    if owner is None or found is None:
        return state
    return replace(state, owner=replace(owner, reverts=_reverts(owner, found)))


def targets(state: RolloutState, look: Look) -> tuple[Target, ...]:
    """Revisions of its source that the owner could be brought back to, best first; none where it remembers none."""
    found = _object(state.owner, look)
    return (
        applications.targets(found)
        if found and found.get("kind", APPLICATION.name) == APPLICATION.name
        else ()
    )


def source(state: RolloutState, look: Look) -> Source | None:
    """The commit of its source that the owner follows now, where the look tells."""
    owner, found = state.owner, _object(state.owner, look)
    if owner is None or found is None:
        return None
    if owner.manager is Manager.ARGOCD:
        repo, at = applications.wanted(found)
    else:
        repo, at = "", str(value(found, "status", "lastAppliedRevision") or "").rpartition(":")[2]
    sha = full_sha(at)
    return Source(repo_key(repo), sha) if sha else None


def queries(root: Raw, kind: Kind) -> tuple[Query, ...]:
    """The owner's object, where it is one that can be held."""
    owner = of(shaped(root, kind.name))
    if owner is None or owner.kind not in KINDS:
        return ()
    return (Query(KINDS[owner.kind], owner.name, namespace=owner.namespace, optional=True),)


def spoken(owner: Owner) -> str:
    """An owner in words: "Argo CD application web"."""
    return f"{_SPOKEN.get(owner.manager, owner.kind)} {owner.name}"


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


def _ahead(reverts: Reverts) -> Blocker | None:
    """What stands in the way of a sync to an older revision; nothing where only the application tells."""
    if reverts in (Reverts.NO, Reverts.UNKNOWN):
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


def _hold(task: Task) -> Plan:
    owner, found = _managed(task)
    until = task.arguments.until
    if until is None or until <= task.now:
        raise task.refuse("A hold needs an end that lies ahead.", "Say until when.")
    if _reverts(owner, found) is Reverts.NO and value(found, "metadata", "annotations", HELD_UNTIL) is None:
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
    if ahead := _ahead(_reverts(owner, found)):
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


DRAFTS: Mapping[Verb, Draft] = {Verb.HOLD: _hold, Verb.RELEASE: _release, Verb.SYNC: _sync}
"""What every engine plans alike."""


def _managed(task: Task) -> tuple[Owner, Raw]:
    owner, found = task.state.owner, _object(task.state.owner, task.look)
    if owner is None or found is None:
        by = spoken(owner) if owner else "Its owner"
        raise task.refuse(f"{by} cannot be looked at.", "Shipboard needs to read and patch it.", "owner")
    return owner, found


def _object(owner: Owner | None, look: Look) -> Raw | None:
    there = look.kin.get(owner.kind, ()) if owner else ()
    return next((o for o in there if owner and value(o, "metadata", "name") == owner.name), None)


def _reverts(owner: Owner, found: Raw) -> Reverts:
    if owner.manager is Manager.ARGOCD:
        automated = value(found, "spec", "syncPolicy", "automated")
        if automated is None or automated.get("enabled") is False:
            return Reverts.NO
        return Reverts.CONTINUOUS if automated.get("selfHeal") else Reverts.ON_NEXT_REVISION
    if value(found, "spec", "suspend"):
        return Reverts.NO
    if owner.manager is Manager.FLUX_HELM:
        corrects = value(found, "spec", "driftDetection", "mode") == "enabled"
        return Reverts.CONTINUOUS if corrects else Reverts.ON_NEXT_REVISION
    return owner.reverts if owner.held_until is None else Reverts.CONTINUOUS


def _automation(owner: Owner) -> str:
    return "auto-sync" if owner.manager is Manager.ARGOCD else "reconciliation"


def _parent(meta: Meta) -> Owner | None:
    made = next((o for o in meta.owner_references or () if o.controller), None)
    if made is None:
        return None
    evidence = f"ownerReference {cut(made.kind, 63)} {cut(made.name, 253)}"
    return Owner(
        Manager.PARENT, cut(made.kind, 63), cut(made.name, 253), meta.namespace, Reverts.CONTINUOUS, evidence
    )


def _argocd(root: Root) -> Owner | None:
    """By the tracking annotation `<app>:<group>/<kind>:<namespace>/<name>`, which counts only where it names the object
    it is on: it is copied to others, too."""
    meta = root.metadata
    id_ = (meta.annotations.argocd_tracking if meta.annotations else None) or ""
    app, _, rest = id_.partition(":")
    what, _, where = rest.partition(":")
    kind = "Canary" if isinstance(root, FlaggerCanary) else type(root).__name__
    own = (what, where) == (f"{_GROUPS.get(kind, 'apps')}/{kind}", f"{meta.namespace}/{meta.name}")
    if not app or not own:
        return None
    home, _, called = app.rpartition("_")
    evidence = cut(f"tracking-id {id_}")
    place = cut(home, 63) or "argocd"
    return Owner(Manager.ARGOCD, APPLICATION.name, cut(called, 253), place, Reverts.UNKNOWN, evidence)


def _flux(meta: Meta) -> Owner | None:
    labels, notes = meta.labels or {}, meta.annotations
    for group, manager, kind in (
        (_FLUX_HELM, Manager.FLUX_HELM, HELMRELEASE.name),
        (_FLUX, Manager.FLUX, KUSTOMIZATION.name),
    ):
        name = labels.get(f"{group}/name")
        if name:
            left = notes is not None and notes.flux_reconcile == "disabled"
            usual = Reverts.CONTINUOUS if manager is Manager.FLUX else Reverts.UNKNOWN
            place = cut(labels.get(f"{group}/namespace") or meta.namespace, 63)
            evidence = cut(f"label {group}/name={name}")
            return Owner(manager, kind, cut(name, 253), place, Reverts.NO if left else usual, evidence)
    return None


def _helm(meta: Meta) -> Owner | None:
    notes = meta.annotations
    name = notes.helm_release if notes else None
    if notes is None or not name or (meta.labels or {}).get("app.kubernetes.io/managed-by") != "Helm":
        return None
    place = cut(notes.helm_namespace or meta.namespace, 63)
    evidence = cut(f"annotation meta.helm.sh/release-name={name}")
    return Owner(Manager.HELM, "Release", cut(name, 253), place, Reverts.ON_NEXT_REVISION, evidence)


def _time(text: str | None) -> datetime | None:
    try:
        at = msgspec.convert(text, type=datetime) if text else None
    except msgspec.ValidationError:
        return None
    return at if at is not None and at.tzinfo is not None else None
