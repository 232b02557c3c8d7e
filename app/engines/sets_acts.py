"""What can be done with StatefulSets and DaemonSets: restart, go back, set images, and, where a partition holds an
update of a StatefulSet back, promote it.

Sources: kubectl's rollback of ControllerRevisions, the StatefulSet controller. An ordered set waits for each pod to be
ready, so a broken one stays after an undo until it is deleted (kubernetes/kubernetes#67250); the plan can do that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..domain.commands import Offer, Verb
from ..domain.counts import every
from ..domain.revisions import Revision
from ..domain.rollout import Phase, PodCondition, RolloutState, Strategy
from . import deployment_acts, owners, owners_acts, template
from .acting import Effect, Patch, Plan, Query, Raw
from .drafting import (
    Draft,
    Path,
    Task,
    blocked,
    called,
    change,
    chosen,
    delete,
    offer,
    owned,
    selected,
    unknown,
    value,
)
from .port import CONTROLLERREVISION, DAEMONSET, POD, STATEFULSET
from .reading import count
from .sets import HASH

PARTITION: Path = ("spec", "updateStrategy", "rollingUpdate", "partition")
_UNDONE = owners_acts.UNDONE | {Verb.PROMOTE, Verb.PROMOTE_FULL}


def daemon_verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of a DaemonSet as they stand."""
    return owners_acts.guarded(_both(state), state)


def stateful_verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of a StatefulSet as they stand."""
    version, wanted, held = called(state.revision), state.counts.wanted, _held(state)
    reach = wanted - held + 1
    lost, none = unknown(state), None if held else blocked("No partition holds its update back.")
    done = blocked(f"Every pod runs {version} already.") if held and state.phase is Phase.IDLE else None
    waits = None
    if none is None and done is None and state.phase is not Phase.PAUSED:
        waits = blocked("It has not reached its partition yet.", "The pods that it may replace come first.")
    both = _both(state)
    offers = {
        **both,
        Verb.ROLLBACK: _freeing(both[Verb.ROLLBACK], state),
        Verb.PROMOTE: offer(
            Verb.PROMOTE,
            f"Promote to {reach} of {count(wanted, 'pod')}" if held else "Promote",
            f"One more pod gets {version}; {max(0, held - 1)} stay as they are.",
            lost,
            none,
            done,
            waits,
        ),
        Verb.PROMOTE_FULL: offer(
            Verb.PROMOTE_FULL,
            f"Promote to {every(wanted)}",
            f"All pods get {version}, one after the other from the highest ordinal down.",
            lost,
            none,
            done,
        ),
    }
    return owners_acts.guarded(offers, state, _UNDONE)


def _both(state: RolloutState) -> dict[Verb, Offer]:
    lost = unknown(state)
    how = "one after the other; the version stays the same"
    if _held(state):
        how = f"one after the other; the partition keeps {_held(state)} of them as they are"
    offers = {
        Verb.RESTART: deployment_acts.restart(state, how, lost),
        Verb.ROLLBACK: deployment_acts.back(state, lost),
        Verb.SET_IMAGE: deployment_acts.image(state, lost),
    }
    if state.strategy is not Strategy.ON_DELETE:
        return offers
    later = "Pods change only when somebody deletes them."
    return {verb: replace(o, sentence=f"{o.sentence} {later}") for verb, o in offers.items()}


def _held(state: RolloutState) -> int:
    """Pods that the partition keeps an update from."""
    return min(state.pace.partition, state.counts.wanted)


def _freeing(back: Offer, state: RolloutState) -> Offer:
    """The offer to go back, with what has to be said of pods that an ordered set would keep for ever."""
    broken = [p for p in state.pods if p.condition is PodCondition.FAILING]
    old = [p.name for p in broken if not p.new]
    if old and state.revision is not None and any(p.category == "blocked" for p in state.problems):
        say = f"{_broken(old)} and must be deleted before the rest goes on."
        kept = (state.revision.key, *back.targets)
        return Offer(Verb.ROLLBACK, f"Free {called(state.revision)}", say, targets=kept)
    if broken and state.pace.ordered and state.strategy is not Strategy.ON_DELETE:
        say = f"{_broken([p.name for p in broken])}; an ordered set keeps that until it is deleted, too."
        return replace(back, sentence=f"{back.sentence} {say}")
    return back


def _broken(pods: Sequence[str]) -> str:
    return f"{_names(pods)} {'is' if len(pods) == 1 else 'are'} broken"


def _names(pods: Sequence[str]) -> str:
    return ", ".join(pods[:3]) + (" …" if len(pods) > 3 else "")


def stateful_queries(root: Raw) -> tuple[Query, ...]:
    """Its ControllerRevisions and pods, and its owner."""
    return (*selected(root, CONTROLLERREVISION, POD), *owners.queries(root, STATEFULSET))


def daemon_queries(root: Raw) -> tuple[Query, ...]:
    """Its ControllerRevisions and pods, and its owner."""
    return (*selected(root, CONTROLLERREVISION, POD), *owners.queries(root, DAEMONSET))


def _rollback(task: Task) -> Plan:
    target = chosen(task)
    kept = next((r for r in owned(task.look, CONTROLLERREVISION) if _key(task, r) == target.key), None)
    made = value(kept, "data", "spec", "template")
    if kept is None or made is None:
        raise task.refuse("That revision was not found.", "Choose another one.")
    before, after = value(task.root, "spec", "template"), template.bare(made, HASH)
    same = before == after or (target.key == task.origin and template.alike(after, before))
    wanted: dict[Path, Any] = {} if same else {("spec", "template"): after}
    patch = change(task.kind, task.root, wanted, stamp=task.stamp)
    doomed = _doomed(task, target) if task.arguments.delete_blocking else []
    plan = deployment_acts.went_back(task, target, patch, before, before if same else after, *doomed)
    if not doomed:
        return plan
    said = plan.sentence if patch else f"It stays at {called(target)}."
    gone = f"{said} Deleted, because nothing else takes them away: {_names([p.name for p in doomed])}."
    return replace(plan, sentence=gone, effect=replace(plan.effect, freed=True))


def _doomed(task: Task, target: Revision) -> list[Patch]:
    """Pods that are not ready, and not of the revision that is gone back to."""
    failing = {
        p.name for p in task.state.pods if p.condition in (PodCondition.FAILING, PodCondition.STARTING)
    }
    if task.kind is not STATEFULSET or value(task.root, "spec", "podManagementPolicy") == "Parallel":
        return []
    return [
        delete(POD, pod)
        for pod in owned(task.look, POD)
        if value(pod, "metadata", "name") in failing
        and value(pod, "metadata", "labels", HASH) != target.key
        and value(pod, "metadata", "deletionTimestamp") is None
    ]


def _key(task: Task, revision: Raw) -> str:
    name = str(value(revision, "metadata", "name") or "")
    return name if task.kind is STATEFULSET else str(value(revision, "metadata", "labels", HASH) or name)


def _promote(task: Task) -> Plan:
    return _lower(task, max(0, _held(task.state) - 1))


def _promote_full(task: Task) -> Plan:
    return _lower(task, 0)


def _lower(task: Task, partition: int) -> Plan:
    patch = change(task.kind, task.root, {PARTITION: partition}, stamp=task.stamp)
    effect = Effect(task.origin, held=partition)
    return task.plan((patch,), effect, from_=task.state.stable, to=task.state.revision)


DAEMON_DRAFTS: Mapping[Verb, Draft] = {
    **owners_acts.DRAFTS,
    Verb.RESTART: deployment_acts.stamped,
    Verb.ROLLBACK: _rollback,
    Verb.SET_IMAGE: deployment_acts.imaged,
}
"""How each verb of a DaemonSet is planned."""
STATEFUL_DRAFTS: Mapping[Verb, Draft] = {
    **DAEMON_DRAFTS,
    Verb.PROMOTE: _promote,
    Verb.PROMOTE_FULL: _promote_full,
}
"""How each verb of a StatefulSet is planned."""
