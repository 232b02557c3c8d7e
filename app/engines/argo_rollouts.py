"""Argo Rollouts, read in the order of its own `GetRolloutPhase`; `status.phase` alone is not to be
believed.

A revision is known by its pod template hash. Fractions of a timed pause need a clock and are left to
whoever has one: `waits_for.until` says when it ends. What is complete and healthy is IDLE; how a rollout
ended is history's to say.
"""

from __future__ import annotations

from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.names import cut
from ..domain.revisions import Revision
from ..domain.rollout import Health, Phase, Pod, PodCounts, Problem, RolloutState, Strategy
from . import argo_acts as acts
from . import argo_analysis, argo_offers, argo_phase, argo_steps, cautions, owners, reading, trouble
from . import pods as squares
from . import revisions as served
from .acting import Look, Plan, decoded
from .argo_analysis import HASH
from .drafting import draw
from .port import (
    ANALYSISRUN,
    DEPLOYMENT,
    EXPERIMENT,
    POD,
    REPLICASET,
    ROLLOUT,
    SERVED,
    Kin,
    Kind,
    Relation,
    Via,
    reported,
)
from .reading import condition
from .shapes import ReplicaSet, Rollout, RolloutSpec, RolloutStatus, Root, Template

name = "argo-rollouts"
verbs, queries = argo_offers.verbs, acts.queries
root: Kind = ROLLOUT
relations: tuple[Relation, ...] = (
    Relation(REPLICASET, Via.OWNER),
    Relation(POD, Via.OWNER, ("ReplicaSet",)),
    Relation(DEPLOYMENT, Via.NAME, swallows=True),
    Relation(ANALYSISRUN, Via.OWNER, optional=True),
    Relation(EXPERIMENT, Via.OWNER, optional=True),
    *SERVED,
    reported("ReplicaSet", "Pod"),
)

_MOVING = frozenset({Phase.PROGRESSING, Phase.PROMOTING})


def claims(root: Root) -> bool:
    """Every Argo Rollout."""
    return isinstance(root, Rollout)


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a Rollout with its ReplicaSets and their Pods."""
    if not isinstance(root, Rollout):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not an Argo Rollout")
    spec, status = root.spec or RolloutSpec(), root.status or RolloutStatus()
    template = _template(root, spec, kin)
    strategy = spec.strategy
    current, stable = status.current_pod_hash or "", status.stable_rs or ""
    by_hash = {_hash(rs): rs for rs in sorted(kin.replicasets, key=served.age)}
    revisions = served.newest_first(
        served.read(rs, hash_, _number(rs), _roles(hash_, status)) for hash_, rs in by_hash.items() if hash_
    )
    shown = next((r for r in revisions if r.key == current), None) or _unread(root, template, current, status)
    before = next((r for r in revisions if r.key == stable), None) if stable != current else None
    read = _pods(kin, by_hash, current)
    seen = argo_phase.seen(root, status)
    aborted = argo_phase.aborted(status)
    moved = bool(stable) and bool(current)
    blind = "ReplicaSet" in kin.missing
    course = argo_steps.Course((), None)
    if strategy is not None and strategy.blue_green is not None:
        course = argo_steps.blue_green(strategy.blue_green, status, moved, aborted, shown)
    elif strategy is not None and strategy.canary is not None:
        course = argo_steps.canary(strategy.canary, status, moved, aborted, shown, blind)
    look = argo_phase.Observed(
        spec=spec,
        status=status,
        seen=seen,
        aborted=aborted,
        counts=PodCounts(
            wanted=reading.wanted(spec.replicas),
            updated=status.updated_replicas or 0,
            ready=status.ready_replicas or 0,
            available=status.available_replicas or 0,
            total=status.replicas or 0,
        ),
        course=course,
        new=shown,
        stable=before,
        unmade=_unmade(template, by_hash.get(current)),
        problems=_problems(spec, status, seen, read, kin),
        blind=reading.blind(kin.missing),
    )
    phase, health, message, waits = argo_phase.judge(look)
    limit = spec.progress_deadline_seconds
    return RolloutState(
        phase=phase,
        health=health,
        message=cut(message),
        strategy=_strategy(spec),
        revision=shown,
        stable=before,
        revisions=revisions,
        steps=course.steps,
        step_index=course.index,
        weight=course.weight,
        counts=look.counts,
        waits_for=waits,
        progress=_progress(look, phase),
        paused=bool(spec.paused),
        pods=tuple(p for p, _ in read),
        problems=look.problems,
        started_at=_started(status, kin, by_hash.get(current)) if seen else None,
        deadline_at=reading.deadline(condition(status.conditions, "Progressing"), limit)
        if phase in _MOVING
        else None,
        cautions=cautions.of_workload(template, phase, look.counts, [p for p, _ in read], kin),
        checks=argo_analysis.checks(status, kin),
        settled_at=_settled(status, phase),
        aborted=aborted,
        restarted_at=spec.restart_at,
        owner=owners.of(root),
    )


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.DRAFTS)


def _strategy(spec: RolloutSpec) -> Strategy:
    if spec.strategy is None:
        return Strategy.UNKNOWN
    if spec.strategy.blue_green is not None:
        return Strategy.BLUE_GREEN
    return Strategy.CANARY if spec.strategy.canary is not None else Strategy.UNKNOWN


def _roles(hash_: str, status: RolloutStatus) -> tuple[str, ...]:
    """What `kubectl argo rollouts get` tags a ReplicaSet with; a preview that is also active is only
    active."""
    colours = status.blue_green
    active = colours.active_selector if colours else None
    preview = colours.preview_selector if colours else None
    found = []
    if hash_ == status.stable_rs:
        found.append("stable")
    elif hash_ == status.current_pod_hash and not active and not preview:
        found.append("canary")
    if hash_ == active:
        found.append("active")
    elif hash_ == preview:
        found.append("preview")
    return tuple(found)


def _progress(look: argo_phase.Observed, phase: Phase) -> int:
    """Percent of the way; 100 only when Argo calls it healthy and fully promoted."""
    counts = look.counts
    if phase is Phase.IDLE:
        return 100
    if not look.seen or look.aborted:
        return 0
    if look.promoted or phase is Phase.PROMOTING or not look.course.steps:
        up = look.new.available if look.new and not look.promoted else counts.available
        done = 100 * min(up, counts.wanted) // counts.wanted if counts.wanted > 0 else 99
    elif look.blue_green is not None:
        done = argo_steps.blue_green_progress(look.course, look.new)
    else:
        done = argo_steps.canary_progress(look.course, look.new, counts.wanted)
    return max(0, min(99, done))


def _pods(kin: Kin, by_hash: dict[str, ReplicaSet], current: str) -> list[tuple[Pod, str]]:
    owners = {rs.metadata.uid: hash_ for hash_, rs in by_hash.items()}
    read = []
    for pod in kin.pods:
        key = (pod.metadata.labels or {}).get(HASH) or owners.get(pod.metadata.owner_uid, "")
        read.append(
            squares.read(pod, key, bool(key) and key == current, kin.warnings.get(pod.metadata.uid, ()))
        )
    read.sort(key=lambda p: (not p[0].new, p[0].name))
    return read


def _problems(
    spec: RolloutSpec, status: RolloutStatus, seen: bool, read: list[tuple[Pod, str]], kin: Kin
) -> tuple[Problem, ...]:
    """Problems of the newest revision, causes first; none while the status still describes another spec."""
    if not seen:
        return ()
    found = trouble.of_pods(read, kin)
    for said in status.conditions or ():
        since = said.last_transition_time
        if said.type == "InvalidSpec":
            text = (said.message or "").partition(" is invalid: ")[2] or said.message or "no reason given"
            found.append(Problem("invalid", "InvalidSpec", cut(f"Its spec is invalid: {text}"), 0, since))
        elif said.type == "ReplicaFailure" and said.status == "True":
            found.append(trouble.refused(said))
        elif said.reason == "RolloutAborted":
            why = (said.message or "").partition(": ")[2]
            found.append(Problem("aborted", "RolloutAborted", cut(why or "Aborted"), 0, since))
        elif said.reason == "ProgressDeadlineExceeded":
            limit = spec.progress_deadline_seconds
            took = reading.spell(reading.DEFAULT_DEADLINE if limit is None else limit)
            text = f"No progress within its deadline of {took}"
            found.append(Problem("deadline", "ProgressDeadlineExceeded", text, 0, since))
    found += argo_analysis.problems(status, argo_phase.aborted(status), kin)
    return trouble.in_order(found)


def _template(root: Rollout, spec: RolloutSpec, kin: Kin) -> Template | None:
    """Its own template, or the one of the Deployment it refers to."""
    ref = spec.workload_ref
    if ref is None or (ref.kind or "Deployment") != "Deployment":
        return spec.template
    named = (
        d for d in kin.deployments if d.metadata.name == ref.name and d.metadata.uid != root.metadata.uid
    )
    return next((d.spec.template for d in named if d.spec), None)


def _unread(root: Rollout, template: Template | None, current: str, status: RolloutStatus) -> Revision | None:
    """The current revision as the Rollout alone tells it, when its ReplicaSet was not found."""
    if not current:
        return None
    annotations = root.metadata.annotations
    return Revision(
        key=current,
        number=reading.number(annotations.rollout_revision if annotations else None),
        images=reading.images(template),
        version=reading.version(template),
        roles=_roles(current, status),
    )


def _unmade(template: Template | None, current: ReplicaSet | None) -> str:
    asked = reading.version(template)
    made = reading.version(served.template(current)) if current else ""
    return "" if asked == made else asked


def _started(status: RolloutStatus, kin: Kin, current: ReplicaSet | None) -> datetime | None:
    if status.duration is not None and status.duration.rollout_started_at is not None:
        return status.duration.rollout_started_at
    if current is None:
        return None
    annotations = current.metadata.annotations
    reused = annotations is not None and annotations.rollout_revision_history is not None
    return served.began(current, reused, kin.replicasets, kin.pods)


def _settled(status: RolloutStatus, phase: Phase) -> datetime | None:
    """Completed turns True when a rollout is fully promoted, and only a new revision turns it False."""
    completed = condition(status.conditions, "Completed")
    if phase is Phase.IDLE and completed is not None and completed.status == "True":
        return completed.last_transition_time
    return (
        reading.settled(condition(status.conditions, "Progressing"), phase) if phase is Phase.FAILED else None
    )


def _hash(rs: ReplicaSet) -> str:
    return (rs.metadata.labels or {}).get(HASH, "")


def _number(rs: ReplicaSet) -> int | None:
    return reading.number(rs.metadata.annotations.rollout_revision if rs.metadata.annotations else None)
