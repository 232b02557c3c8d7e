"""The StatefulSet, read as `kubectl rollout status` reads it, and stricter where kubectl is content early:
pods that are ready but not yet available, and pods that must still end.

Pods are replaced from the highest ordinal down to the partition, each waiting for the one before. So one
broken pod holds up the rest, and stays when its template is corrected until somebody deletes it
(kubernetes/kubernetes#67250). A partition that is reached is a canary that waits for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.names import cut
from ..domain.revisions import Revision, Weight
from ..domain.rollout import (
    Health,
    Pace,
    Phase,
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
from .port import STATEFULSET, Kin, Kind, Relation
from .reading import count, share
from .shapes import ControllerRevision, Root, StatefulSet, StatefulSetSpec, StatefulSetStatus, UpdateStrategy

name = "statefulset"
verbs, queries = acts.stateful_verbs, acts.stateful_queries
root: Kind = STATEFULSET
relations: tuple[Relation, ...] = sets.RELATIONS

_CONTROLLER = WaitsFor(WaitKind.CONTROLLER, "the cluster to replace pods")


def claims(root: Root) -> bool:
    """Every StatefulSet."""
    return isinstance(root, StatefulSet)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the objects gave, before it is judged."""

    counts: PodCounts
    seen: bool
    partition: int
    on_delete: bool
    ordered: bool
    settled: bool  # all pods that are asked for are there, available, and no others
    same: bool  # the revision asked for is the one that all pods run
    up: int  # pods of the new revision that are ready
    asked: str  # the version asked for
    old: str  # the version before it
    problems: tuple[Problem, ...]
    blind: str

    @property
    def target(self) -> int:
        """Pods that the update may reach."""
        return max(0, self.counts.wanted - self.partition)

    @property
    def reached(self) -> bool:
        """Whether every pod that the update may reach has it."""
        return self.same or self.counts.updated >= self.target


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a StatefulSet with its ControllerRevisions and Pods."""
    if not isinstance(root, StatefulSet):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not a StatefulSet")
    spec, status = root.spec or StatefulSetSpec(), root.status or StatefulSetStatus()
    update = spec.update_strategy or UpdateStrategy()
    on_delete = update.type == "OnDelete"
    seen = bool(status.observed_generation) and reading.generation_seen(
        root.metadata, status.observed_generation
    )
    new, current = status.update_revision or "", status.current_revision or ""
    read = sets.pods(kin, new)
    revisions = sets.revisions(kin, _name, new, read)
    counts = PodCounts(
        wanted=reading.wanted(spec.replicas),
        updated=status.updated_replicas or 0,
        ready=status.ready_replicas or 0,
        available=(status.ready_replicas if status.available_replicas is None else status.available_replicas)
        or 0,
        total=status.replicas or 0,
    )
    partition = 0 if on_delete else max(0, (update.rolling_update and update.rolling_update.partition) or 0)
    by_key = {r.key: r for r in revisions}
    shown = by_key.get(new) or _unread(spec, status, new, seen)
    before = by_key.get(current) or (Revision(current, roles=("old",)) if current else None)
    same = new == current or (counts.updated >= counts.wanted and (on_delete or partition > 0))
    kept = next((r for r in kin.revisions if r.metadata.name == new), None)
    look = _Look(
        counts=counts,
        seen=seen,
        partition=partition,
        on_delete=on_delete,
        ordered=spec.pod_management_policy != "Parallel",
        settled=counts.total == counts.wanted
        and counts.ready >= counts.wanted
        and counts.available >= counts.wanted,
        same=same,
        up=min(counts.updated, sets.ready(read) if "Pod" not in kin.missing else counts.ready),
        asked=reading.version(spec.template),
        old=before.version if before else "",
        problems=_problems(root, spec, counts, seen, read, by_key, kept, kin),
        blind=reading.blind(kin.missing),
    )
    phase, health, message, waits = _judge(look)
    moved = phase is Phase.IDLE or not same
    weight = None
    if partition and not same and seen and counts.wanted > 0:
        weight = Weight(reading.percent(look.target, counts.wanted), reading.percent(look.up, counts.wanted))
    return RolloutState(
        phase=phase,
        health=health,
        message=cut(message),
        strategy=Strategy.ON_DELETE if on_delete else Strategy.PARTITIONED if partition else Strategy.ROLLING,
        revision=shown,
        stable=before if before and phase is not Phase.IDLE and before.key != new else None,
        revisions=revisions,
        weight=weight,
        counts=counts,
        waits_for=waits,
        progress=_progress(look, phase),
        pods=tuple(p for p, _ in read),
        problems=look.problems,
        started_at=sets.began(kept, kin) if seen and moved else None,
        pace=Pace(
            unavailable=reading.limit(
                update.rolling_update.max_unavailable if update.rolling_update else None
            ),
            ordered=look.ordered,
            partition=partition,
            first=max(0, (spec.ordinals and spec.ordinals.start) or 0),
        ),
        cautions=cautions.of_workload(spec.template, phase, counts, [p for p, _ in read], kin),
        restarted_at=reading.restarted(spec.template),
        owner=owners.of(root),
    )


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.STATEFUL_DRAFTS)


def _judge(look: _Look) -> tuple[Phase, Health, str, WaitsFor]:
    counts, target = look.counts, look.target
    first = look.problems[0].message if look.problems else ""
    hard = trouble.hard(look.problems)
    if not look.seen:
        change = f"The change to {look.asked}" if look.asked and look.asked != look.old else "A change"
        waits = WaitsFor(WaitKind.CONTROLLER, "the controller to notice the change")
        return Phase.PENDING, Health.PROGRESSING, f"{change} is not yet noticed by the controller", waits
    if look.settled and look.same:
        broken = any(p.pods and p.category not in trouble.SOFT for p in look.problems)
        health = Health.DEGRADED if broken else Health.HEALTHY
        zero = "" if counts.wanted else "Scaled to zero"
        return Phase.IDLE, health, first or look.blind or zero, WaitsFor()
    health = Health.DEGRADED if hard else Health.HEALTHY
    if look.settled and look.on_delete:
        old = max(0, counts.wanted - counts.updated)
        still = f"{count(old, 'pod')} still {'runs' if old == 1 else 'run'} {look.old or 'the old revision'}"
        waits = WaitsFor(WaitKind.PERSON, "Delete old pods to update them")
        message = first or f"{still}; each is updated when somebody deletes it"
        return Phase.AWAITING_APPROVAL, health, message, waits
    if look.settled and look.partition and look.reached:
        what = look.asked or "the new revision"
        message = f"{what} runs on {target} of {count(counts.wanted, 'pod')}, held there by its partition"
        waits = WaitsFor(WaitKind.PERSON, "Lower the partition to go on")
        return Phase.PAUSED, health, first or message, waits
    blocked = next((p for p in look.problems if p.category == "blocked"), None)
    health = Health.DEGRADED if hard else Health.PROGRESSING
    if blocked is not None:
        pod = blocked.message.split(" ", 2)[1]
        waits = WaitsFor(WaitKind.PERSON, f"Delete pod {pod}", since=blocked.since)
        return Phase.PROGRESSING, health, blocked.message, waits
    if first and look.ordered and not look.same and not look.reached and any(p.pods for p in look.problems):
        rest = count(target - counts.updated, "pod")
        return Phase.PROGRESSING, health, f"{first}. {rest} must wait for it", _CONTROLLER
    return Phase.PROGRESSING, health, first or _counted(look), _CONTROLLER


def _counted(look: _Look) -> str:
    """How far it is, in one sentence."""
    c, target = look.counts, look.target
    if c.total > c.wanted:
        return f"Scales down: {count(c.total - c.wanted, 'pod')} must still end"
    if not look.same and not look.on_delete and look.up < target:
        return share(look.up, target, "new pod", "ready")
    if c.ready < c.wanted:
        return share(c.ready, c.wanted, "pod", "ready")
    if c.available < c.wanted:
        return share(c.available, c.wanted, "pod", "available")
    return "All pods are ready; the controller closes the update"


def _progress(look: _Look, phase: Phase) -> int:
    """Percent of the pods that the update may reach, or that are wanted; 100 only when all is done."""
    if not look.seen:
        return 0
    if phase is Phase.IDLE:
        return 100
    n = look.up if not look.same else min(look.counts.ready, look.counts.available)
    of = look.counts.wanted if look.same or phase is Phase.PAUSED or look.on_delete else look.target
    return min(99, reading.percent(n, of)) if of > 0 else 99


def _problems(
    root: StatefulSet,
    spec: StatefulSetSpec,
    counts: PodCounts,
    seen: bool,
    read: sets.Read,
    by_key: dict[str, Revision],
    kept: ControllerRevision | None,
    kin: Kin,
) -> tuple[Problem, ...]:
    if not seen:
        return ()
    found = trouble.of_pods(read, kin)
    if spec.pod_management_policy != "Parallel" and not _left_alone(spec):
        found += trouble.blocking(read, {key: r.version for key, r in by_key.items()})
    if counts.total < counts.wanted:
        floor = kept.metadata.creation_timestamp if kept else None
        found += trouble.refusals(kin.warnings.get(root.metadata.uid, ()), floor)
    return trouble.in_order(found)


def _left_alone(spec: StatefulSetSpec) -> bool:
    return spec.update_strategy is not None and spec.update_strategy.type == "OnDelete"


def _unread(spec: StatefulSetSpec, status: StatefulSetStatus, new: str, seen: bool) -> Revision | None:
    """The revision asked for as the set alone tells it; before it is seen, the template is another one's."""
    if not new:
        return None
    template = spec.template if seen else None
    return Revision(
        key=cut(new, 253),
        images=reading.images(template),
        version=reading.version(template),
        roles=("new",),
        wanted=status.updated_replicas or 0,
    )


def _name(revision: ControllerRevision) -> str:
    return revision.metadata.name
