"""The DaemonSet, read as `kubectl rollout status` reads it, with a look at the pods of the new revision.

A surge update whose new pods never become ready looks perfect in the counters: every node has a ready pod, an
old one. Only `updatedNumberScheduled` (absent, so zero) and the new pods themselves tell. Wanted counts
follow the nodes, so progress may fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.names import cut
from ..domain.revisions import Revision
from ..domain.rollout import (
    Caution,
    CautionKind,
    Health,
    Pace,
    Phase,
    PodCondition,
    PodCounts,
    Problem,
    RolloutState,
    Strategy,
    WaitKind,
    WaitsFor,
)
from . import cautions, owners, reading, sets, trouble
from . import sets_acts as acts
from .acting import Look, Plan, decoded
from .drafting import draw
from .port import CONTROLLERREVISION, DAEMONSET, Kin, Kind, Relation
from .reading import count, share
from .shapes import ControllerRevision, DaemonSet, DaemonSetSpec, DaemonSetStatus, Root

name = "daemonset"
verbs, queries = acts.daemon_verbs, acts.daemon_queries
root: Kind = DAEMONSET
relations: tuple[Relation, ...] = sets.RELATIONS

_GENERATION = "pod-template-generation"


def claims(root: Root) -> bool:
    """Every DaemonSet."""
    return isinstance(root, DaemonSet)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the objects gave, before it is judged."""

    counts: PodCounts
    seen: bool
    on_delete: bool
    surge: bool
    finished: bool  # every node has a pod of the new revision; what happens now happens after the update
    asked: str
    old: str
    coming: int  # new pods that are not ready
    problems: tuple[Problem, ...]
    blind: str


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a DaemonSet with its ControllerRevisions and Pods."""
    if not isinstance(root, DaemonSet):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not a DaemonSet")
    spec, status = root.spec or DaemonSetSpec(), root.status or DaemonSetStatus()
    seen = bool(status.observed_generation) and reading.generation_seen(
        root.metadata, status.observed_generation
    )
    update = spec.update_strategy
    rolling = update.rolling_update if update else None
    surge = rolling.max_surge if rolling else None
    kept = sets.same(spec.template, kin.revisions)
    latest = kept or max(kin.revisions, key=sets.age, default=None)
    new = _hash(kept) if kept else "" if latest else _newest_hash(root, kin)
    read = sets.pods(kin, new)
    revisions = sets.revisions(kin, _hash, new, read)
    by_key = {r.key: r for r in revisions}
    shown = by_key.get(_hash(latest)) if latest else None
    if latest is None and (kin.revisions or CONTROLLERREVISION.name in kin.missing):
        # before the controller has made the first one there is nothing to name: a stand-in would be superseded
        shown = _unread(root, spec, new)
    old = [r for r in revisions if r.key != new and r.wanted]
    before = max(old, key=lambda r: (r.ready, r.number or 0), default=None) if kept else None
    counts = PodCounts(
        wanted=status.desired_number_scheduled or 0,
        updated=status.updated_number_scheduled or 0,
        ready=status.number_ready or 0,
        available=status.number_available or 0,
        total=status.current_number_scheduled or 0,
    )
    look = _Look(
        counts=counts,
        seen=seen,
        on_delete=update is not None and update.type == "OnDelete",
        surge=surge not in (None, 0, "0", "0%"),
        finished=counts.updated >= counts.wanted,
        asked=reading.version(spec.template),
        old=(before or shown or Revision("")).version,
        coming=sum(p.new and p.condition in (PodCondition.STARTING, PodCondition.FAILING) for p, _ in read),
        problems=_problems(root, counts, seen, read, kept, kin),
        blind=reading.blind(kin.missing),
    )
    phase, health, message, waits = _judge(look)
    return RolloutState(
        phase=phase,
        health=health,
        message=cut(message),
        strategy=Strategy.ON_DELETE if look.on_delete else Strategy.ROLLING,
        revision=shown,
        stable=before if not look.finished and phase is not Phase.PENDING else None,
        revisions=revisions,
        counts=counts,
        waits_for=waits,
        progress=_progress(look, phase),
        pods=tuple(p for p, _ in read),
        problems=look.problems,
        started_at=sets.began(kept, kin) if seen and (phase is Phase.IDLE or not look.finished) else None,
        pace=Pace(
            surge=reading.limit(surge) if look.surge else "",
            unavailable=reading.limit(rolling.max_unavailable if rolling else None),
        ),
        cautions=(
            *_misplaced(status),
            *cautions.of_workload(spec.template, phase, counts, [p for p, _ in read], kin),
        ),
        restarted_at=reading.restarted(spec.template),
        owner=owners.of(root),
    )


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.DAEMON_DRAFTS)


def _judge(look: _Look) -> tuple[Phase, Health, str, WaitsFor]:
    counts = look.counts
    first = look.problems[0].message if look.problems else ""
    hard = trouble.hard(look.problems)
    if not look.seen:
        change = f"The change to {look.asked}" if look.asked and look.asked != look.old else "A change"
        waits = WaitsFor(WaitKind.CONTROLLER, "the controller to notice the change")
        return Phase.PENDING, Health.PROGRESSING, f"{change} is not yet noticed by the controller", waits
    up = counts.available >= counts.wanted
    if look.finished and up:
        broken = any(p.pods and p.category not in trouble.SOFT for p in look.problems)
        health = Health.DEGRADED if broken else Health.HEALTHY
        nowhere = "" if counts.wanted else "Runs nowhere: no node fits it"
        return Phase.IDLE, health, first or look.blind or nowhere, WaitsFor()
    if look.on_delete and up:
        old = counts.wanted - counts.updated
        still = f"{count(old, 'pod')} still {'runs' if old == 1 else 'run'} {look.old or 'the old revision'}"
        waits = WaitsFor(WaitKind.PERSON, "Delete old pods to update them")
        message = first or f"{still}; each is updated when somebody deletes it"
        return Phase.AWAITING_APPROVAL, Health.DEGRADED if hard else Health.HEALTHY, message, waits
    what = "the cluster to bring pods back" if look.finished else "the cluster to replace pods"
    health = Health.DEGRADED if hard else Health.PROGRESSING
    message = first or _counted(look)
    if first and hard and look.surge and up and not look.finished:
        message = f"{first}. Old pods still serve on every node, so its counters look perfect"
    return Phase.PROGRESSING, health, message, WaitsFor(WaitKind.CONTROLLER, what)


def _counted(look: _Look) -> str:
    """How far it is, in one sentence."""
    c = look.counts
    if look.finished:
        return share(c.available, c.wanted, "pod", "available")
    coming = f"; {look.coming} not ready yet" if look.coming else ""
    return f"{share(c.updated, c.wanted, 'node', 'updated')}{coming}"


def _progress(look: _Look, phase: Phase) -> int:
    """Halves: pods updated, and updated pods available; 100 only when kubectl would say done."""
    c, d = look.counts, look.counts.wanted
    if not look.seen:
        return 0
    if phase is Phase.IDLE:
        return 100
    if d <= 0:
        return 99
    return max(0, min(99, 100 * (min(c.updated, d) + max(0, min(c.available, c.updated, d))) // (2 * d)))


def _problems(
    root: DaemonSet,
    counts: PodCounts,
    seen: bool,
    read: sets.Read,
    kept: ControllerRevision | None,
    kin: Kin,
) -> tuple[Problem, ...]:
    if not seen:
        return ()
    found = trouble.of_pods(read, kin)
    lacking = counts.total < counts.wanted or (
        counts.updated < counts.wanted and not any(p.new for p, _ in read)
    )
    if lacking:
        floor = kept.metadata.creation_timestamp if kept else None
        found += trouble.refusals(kin.warnings.get(root.metadata.uid, ()), floor)
    return trouble.in_order(found)


def _misplaced(status: DaemonSetStatus) -> tuple[Caution, ...]:
    stray = status.number_misscheduled or 0
    if stray <= 0:
        return ()
    text = f"{count(stray, 'pod')} {'runs' if stray == 1 else 'run'} on nodes where it does not belong"
    return (Caution(CautionKind.MISPLACED, text, stray),)


def _newest_hash(root: DaemonSet, kin: Kin) -> str:
    """The hash of the pods that were made from the newest template, when no revision is known."""
    labels = [pod.metadata.labels or {} for pod in kin.pods]
    made = _generation(root)
    return next((of.get(sets.HASH, "") for of in labels if made and of.get(_GENERATION) == made), "")


def _generation(root: DaemonSet) -> str:
    """How often the template changed; an undo counts, too."""
    notes = root.metadata.annotations
    return cut((notes.template_generation if notes else None) or "", 20)


def _unread(root: DaemonSet, spec: DaemonSetSpec, new: str) -> Revision | None:
    """The revision as the DaemonSet and its pods tell it."""
    key = new or (f"{root.metadata.uid}:{_generation(root)}" if _generation(root) else "")
    if not key:
        return None
    return Revision(
        key=cut(key, 253),
        images=reading.images(spec.template),
        version=reading.version(spec.template),
        roles=("new",),
    )


def _hash(revision: ControllerRevision) -> str:
    return (revision.metadata.labels or {}).get(sets.HASH) or revision.metadata.name
