"""Who else writes a workload, and what that does to a change made here.

An owner is recognised by what it leaves on the object. Whether it undoes changes only its own object tells, so what a
state says is a presumption that a plan, which looks at that object, makes sure of. Sources: Argo CD's resource
tracking and auto-sync, Flux's labels and server-side apply, Helm's release annotations.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from ..domain.names import cut
from ..domain.owners import Manager, Owner, Reverts, Source
from ..domain.repositories import full_sha, repo_key
from ..domain.rollout import RolloutState
from ..domain.targets import Target
from . import applications
from .acting import Look, Query, Raw, shaped
from .drafting import value
from .port import Kind
from .shapes import FlaggerCanary, Meta, Root

APPLICATION = Kind("argoproj.io/v1alpha1", "applications", "Application")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io/v1", "kustomizations", "Kustomization")
HELMRELEASE = Kind("helm.toolkit.fluxcd.io/v2", "helmreleases", "HelmRelease")
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
    found = object_of(owner, look)
    if owner is None or found is None:
        return state
    return replace(state, owner=replace(owner, reverts=reverts(owner, found)))


def targets(state: RolloutState, look: Look) -> tuple[Target, ...]:
    """Revisions of its source that the owner could be brought back to, best first; none where it remembers none."""
    found = object_of(state.owner, look)
    return (
        applications.targets(found)
        if found and found.get("kind", APPLICATION.name) == APPLICATION.name
        else ()
    )


def source(state: RolloutState, look: Look) -> Source | None:
    """The commit of its source that the owner follows now, where the look tells."""
    owner, found = state.owner, object_of(state.owner, look)
    if owner is None or found is None:
        return None
    if owner.manager is Manager.ARGOCD:
        repo, at = applications.wanted(found)
    else:
        repo, at = "", str(value(found, "status", "lastAppliedRevision") or "").rpartition(":")[2]
    sha = full_sha(at)
    return Source(repo_key(repo), sha) if sha else None


def object_of(owner: Owner | None, look: Look) -> Raw | None:
    """The owner's own object, where the look found it."""
    there = look.kin.get(owner.kind, ()) if owner else ()
    return next((o for o in there if owner and value(o, "metadata", "name") == owner.name), None)


def reverts(owner: Owner, found: Raw) -> Reverts:
    """What the owner does to a change made here, as its own object `found` tells."""
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


def queries(root: Raw, kind: Kind) -> tuple[Query, ...]:
    """The owner's object, where it is one that can be held."""
    owner = of(shaped(root, kind.name))
    if owner is None or owner.kind not in KINDS:
        return ()
    return (Query(KINDS[owner.kind], owner.name, namespace=owner.namespace, optional=True),)


def spoken(owner: Owner) -> str:
    """An owner in words: "Argo CD application web"."""
    return f"{_SPOKEN.get(owner.manager, owner.kind)} {owner.name}"


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
