"""The native Deployment, read as `kubectl rollout status` reads it: generation, deadline, then the
counters.

kubectl looks neither at `paused` nor at pods, so both are added: a pause says that it waits for a person,
and pods say why nothing moves, or that a rollout which kubectl called successful crashes. Whether a rollout
succeeded is history's to say: what is complete is IDLE here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.revisions import Revision
from ..domain.rollout import (
    Health,
    Phase,
    Pod,
    PodCounts,
    Problem,
    RolloutState,
    Strategy,
    WaitKind,
    WaitsFor,
)
from . import cautions, owners, reading, trouble
from . import deployment_acts as acts
from . import pods as squares
from . import revisions as served
from .acting import Look, Plan, decoded
from .drafting import draw
from .port import DEPLOYMENT, POD, REPLICASET, SERVED, Kin, Kind, Relation, Via, reported
from .reading import condition, count, share
from .shapes import (
    Condition,
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    ReplicaSet,
    Root,
    Template,
)

name = "deployment"
verbs, queries = acts.verbs, acts.queries
root: Kind = DEPLOYMENT
relations: tuple[Relation, ...] = (
    Relation(REPLICASET, Via.OWNER),
    Relation(POD, Via.OWNER, ("ReplicaSet",)),
    *SERVED,
    reported("ReplicaSet", "Pod"),
)

_FINISHED, _EXPIRED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
_NO_SPEC, _NO_STATUS = DeploymentSpec(), DeploymentStatus()


def claims(root: Root) -> bool:
    """Every Deployment that does not name a canary beside it."""
    if not isinstance(root, Deployment):
        return False
    return root.metadata.annotations is None or not root.metadata.annotations.canary


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the objects gave, before it is judged."""

    counts: PodCounts
    seen: bool
    done: bool  # kubectl would say so
    finished: bool  # the controller closed this rollout before; what happens now happens after it
    paused: bool
    progressing: Condition | None
    available: Condition | None
    recreate: bool
    min_ready: int
    unmade: str  # the version asked for, when no ReplicaSet runs its template yet
    new: Revision | None
    problems: tuple[Problem, ...]
    blind: str  # what could not be looked at, in words


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a Deployment with its ReplicaSets and their Pods."""
    if not isinstance(root, Deployment):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not a Deployment")
    spec, status = root.spec or _NO_SPEC, root.status or _NO_STATUS
    seen = reading.generation_seen(root.metadata, status.observed_generation)
    counts = PodCounts(
        wanted=reading.wanted(spec.replicas),
        updated=status.updated_replicas or 0,
        ready=status.ready_replicas or 0,
        available=status.available_replicas or 0,
        total=status.replicas or 0,
    )
    progressing = condition(status.conditions, "Progressing")
    new_rs = served.new_of(root, kin.replicasets)
    current = new_rs or max(
        kin.replicasets, key=lambda rs: (served.number(rs) or 0, served.age(rs)), default=None
    )
    uid = current.metadata.uid if current else ""
    revisions = served.newest_first(
        served.read(rs, rs.metadata.uid, served.number(rs), ("new",) if rs is new_rs else ("old",))
        for rs in kin.replicasets
    )
    shown = next((r for r in revisions if r.key == uid), None) or (
        served.unread(root) if REPLICASET.name in kin.missing else None
    )
    squares_ = _pods(kin, new_rs)
    recreate = spec.strategy is not None and spec.strategy.type == "Recreate"
    reason = progressing.reason if progressing else None
    limit = spec.progress_deadline_seconds
    look = _Look(
        counts=counts,
        seen=seen,
        done=seen
        and reason != _EXPIRED
        and counts.updated >= counts.wanted
        and counts.total <= counts.updated
        and counts.available >= counts.updated,
        finished=reason == _FINISHED and counts.total == counts.updated,
        paused=bool(spec.paused),
        progressing=progressing,
        available=condition(status.conditions, "Available"),
        recreate=recreate,
        min_ready=spec.min_ready_seconds or 0,
        unmade=_unmade(spec.template, current, new_rs),
        new=shown if new_rs else None,
        problems=_problems(status, progressing, limit, seen, squares_, kin),
        blind=reading.blind(kin.missing),
    )
    phase, health, message, waits = _judge(look)
    told = phase is Phase.IDLE or (phase is not Phase.PENDING and not look.finished)
    return RolloutState(
        phase=phase,
        health=health,
        message=message,
        strategy=Strategy.RECREATE if recreate else Strategy.ROLLING,
        revision=shown,
        stable=_served_before(look, revisions, uid),
        revisions=revisions,
        counts=counts,
        waits_for=waits,
        progress=_progress(look),
        paused=look.paused,
        pods=tuple(p for p, _ in squares_),
        problems=look.problems,
        started_at=_started(new_rs, kin) if new_rs and told else None,
        deadline_at=reading.deadline(progressing, limit)
        if phase is Phase.PROGRESSING and not look.finished
        else None,
        cautions=cautions.of_workload(spec.template, phase, counts, [p for p, _ in squares_], kin),
        settled_at=reading.settled(progressing, phase),
        restarted_at=reading.restarted(spec.template),
        owner=owners.of(root),
    )


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.DRAFTS)


def _judge(look: _Look) -> tuple[Phase, Health, str, WaitsFor]:
    counts, reason = look.counts, (look.progressing.reason if look.progressing else None)
    first = look.problems[0].message if look.problems else ""
    hard = trouble.hard(look.problems)
    if not look.seen:
        change = f"The change to {look.unmade}" if look.unmade else "A change"
        return (
            Phase.PENDING,
            Health.PROGRESSING,
            f"{change} is not yet noticed by the controller",
            WaitsFor(WaitKind.CONTROLLER, "the controller to notice the change"),
        )
    if reason == _EXPIRED:
        message = first if len(look.problems) < 2 else f"{first}. {look.problems[-1].message}"
        return Phase.FAILED, Health.DEGRADED, message, WaitsFor(WaitKind.PERSON, "Fix forward or roll back")
    short = look.available is not None and look.available.status == "False"
    if look.paused:
        when = (
            look.progressing.last_update_time if look.progressing and reason == "DeploymentPaused" else None
        )
        health = Health.DEGRADED if hard or (look.done and short) else Health.SUSPENDED
        if look.done:
            return Phase.IDLE, health, "Paused: changes wait until it is resumed", WaitsFor()
        what = f"{look.unmade} starts when it is resumed" if look.unmade else _counted(look)
        message = f"{first}. Paused by a person" if first else f"Paused by a person: {what}"
        return Phase.PAUSED, health, message, WaitsFor(WaitKind.PERSON, "Resume to go on", since=when)
    if look.done:
        if short:
            return Phase.IDLE, Health.DEGRADED, first or "Fewer pods are available than it needs", WaitsFor()
        broken = any(p.pods and p.category not in trouble.SOFT for p in look.problems)
        health = Health.DEGRADED if broken else Health.HEALTHY
        return (
            Phase.IDLE,
            health,
            first or look.blind or ("" if counts.wanted else "Scaled to zero"),
            WaitsFor(),
        )
    message = first or _counted(look)
    starved = look.finished and short and not counts.available
    health = Health.DEGRADED if hard or starved else Health.PROGRESSING
    what = "the cluster to bring pods back" if look.finished else "the cluster to replace pods"
    return Phase.PROGRESSING, health, message, WaitsFor(WaitKind.CONTROLLER, what)


def _counted(look: _Look) -> str:
    """How far it is, in one sentence."""
    c = look.counts
    if c.wanted <= 0:
        return f"Scales to zero: {count(c.total, 'pod')} must still end"
    if look.finished:
        return share(c.available, c.wanted, "pod", "available")
    if look.recreate and not c.updated and c.total:
        return f"{count(c.total, 'old pod')} must end before new ones start"
    new_ready = look.new.ready if look.new else max(0, c.ready - (c.total - c.updated))
    if new_ready < c.wanted or c.updated < c.wanted:
        return share(min(new_ready, c.updated), c.wanted, "new pod", "ready")
    if c.total > c.updated:
        return f"All new pods are ready; {count(c.total - c.updated, 'old pod')} must still end"
    held = f"; each must stay so for {reading.spell(look.min_ready)}" if look.min_ready else ""
    return share(c.available, c.wanted, "new pod", "available") + held


def _progress(look: _Look) -> int:
    """Thirds: new pods made, new pods available, old pods gone; 100 only when kubectl would say done."""
    c, d = look.counts, look.counts.wanted
    if not look.seen:
        return 0
    if look.done:
        return 100
    if d <= 0:
        return 99
    old = c.total - c.updated
    up = look.new.available if look.new else max(0, c.available - old)
    thirds = min(c.updated, d) + min(up, d) + max(0, d - old)
    return max(0, min(99, 100 * thirds // (3 * d)))


def _problems(
    status: DeploymentStatus,
    progressing: Condition | None,
    limit: int | None,
    seen: bool,
    read: Sequence[tuple[Pod, str]],
    kin: Kin,
) -> tuple[Problem, ...]:
    """Problems of the newest revision, causes first; none while the status still describes another spec."""
    if not seen:
        return ()
    found = trouble.of_pods(read, kin)
    failure = condition(status.conditions, "ReplicaFailure")
    if failure is not None and failure.status == "True":
        found.append(trouble.refused(failure))
    if progressing is not None and progressing.reason == "ReplicaSetCreateError":
        found.append(trouble.refused(progressing))
    if progressing is not None and progressing.reason == _EXPIRED:
        took = reading.spell(reading.DEFAULT_DEADLINE if limit is None else limit)
        text = f"No progress within its deadline of {took}"
        found.append(Problem("deadline", progressing.reason, text, 0, progressing.last_transition_time))
    return trouble.in_order(found)


def _pods(kin: Kin, new_rs: ReplicaSet | None) -> list[tuple[Pod, str]]:
    new = new_rs.metadata.uid if new_rs else None
    read = []
    for pod in kin.pods:
        owner = pod.metadata.owner_uid
        read.append(squares.read(pod, owner, owner == new, kin.warnings.get(pod.metadata.uid, ())))
    read.sort(key=lambda p: (not p[0].new, p[0].name))
    return read


def _served_before(look: _Look, revisions: Sequence[Revision], uid: str) -> Revision | None:
    """The old revision that still serves most; a Recreate stops it first, so there the youngest old one."""
    if look.done or look.finished:
        return None
    stopped = next((r for r in revisions if r.key != uid), None) if look.recreate and look.new else None
    return served.serving(revisions, uid) or stopped


def _started(new_rs: ReplicaSet, kin: Kin) -> datetime | None:
    annotations = new_rs.metadata.annotations
    reused = annotations is not None and annotations.revision_history is not None
    return served.began(new_rs, reused, kin.replicasets, kin.pods)


def _unmade(asked: Template | None, current: ReplicaSet | None, new_rs: ReplicaSet | None) -> str:
    version = reading.version(asked)
    made = reading.version(served.template(current)) if current else ""
    return "" if new_rs is not None or version == made else version
