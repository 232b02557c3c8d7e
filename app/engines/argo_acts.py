"""What can be done with an Argo Rollout: the verbs of its kubectl plugin, made harmless when they are sent twice.

What is status goes to the status subresource, after a write of the main resource that marks it and wakes the
controller, which can overlook a status that meets its own write. A promotion says which step it leaves and which pause
it answers, and sets the next step as a number. Sources: the plugin's promote, pause, abort, retry, restart, undo and
set image; Argo CD's actions for when a button makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.commands import Verb
from ..domain.rollout import Strategy
from . import deployment_acts, owners, owners_acts, template
from .acting import Effect, Patch, Plan, Query, Raw
from .argo_analysis import HASH
from .drafting import (
    REMOVE,
    Draft,
    Path,
    Task,
    change,
    chosen,
    moment,
    owned,
    selector,
    status,
    value,
    whole,
)
from .port import DEPLOYMENT, POD, REPLICASET, ROLLOUT, Kind

EPHEMERAL = "rollout.argoproj.io/ephemeral-metadata"
"""Annotation of a ReplicaSet: what its pods bear only in their present role."""
_STEP: Path = ("status", "currentStepIndex")
_PAUSES: Path = ("status", "pauseConditions")


def queries(root: Raw) -> tuple[Query, ...]:
    """Its ReplicaSets and pods, the Deployment that it takes its template from, and its owner."""
    spec = value(root, "spec", "selector")
    chosen_ = selector(root) if spec else str(value(root, "status", "selector") or "")
    found = [Query(REPLICASET, selector=_stem(chosen_)), Query(POD, selector=_stem(chosen_))]
    reference = value(root, "spec", "workloadRef", "name")
    if reference:
        found.append(Query(DEPLOYMENT, str(reference)))
    return (*found, *owners.queries(root, ROLLOUT))


def _stem(chosen_: str) -> str:
    """A selector without the hash, which the status of a blue-green Rollout adds."""
    return ",".join(part for part in chosen_.split(",") if not part.startswith(f"{HASH}="))


def _main(task: Task, wanted: Mapping[Path, Any]) -> Patch | None:
    """The write of the main resource that goes before one of the status: it is always made."""
    return change(ROLLOUT, task.root, wanted, stamp=task.stamp, always=True)


def _both(
    task: Task,
    spec: Mapping[Path, Any],
    wanted: Mapping[Path, Any],
    tests: Mapping[Path, Any],
    effect: Effect,
) -> Plan:
    after = status(ROLLOUT, task.root, wanted, tests)
    first = _main(task, spec) if after is not None else change(ROLLOUT, task.root, spec, stamp=task.stamp)
    return task.plan((first, after), effect, from_=task.state.stable, to=task.state.revision)


def _unpaused(task: Task) -> dict[Path, Any]:
    return {("spec", "paused"): False} if task.state.paused else {}


def _standing(task: Task) -> dict[Path, Any]:
    """What must still be so for the order to mean what was meant."""
    hashes = ("currentPodHash", "stableRS")
    return {("status", key): value(task.root, "status", key) for key in hashes}


def _promote(task: Task) -> Plan:
    pauses = value(task.root, *_PAUSES) or []
    if not pauses:
        raise task.refuse("It does not wait any more.", "Look again.", "not-offered")
    tests = {**_standing(task), (*_PAUSES, 0, "startTime"): value(pauses, 0, "startTime")}
    steps, at = value(task.root, "spec", "strategy", "canary", "steps"), value(task.root, *_STEP) or 0
    since = task.state.waits_for.since
    if not steps or at >= len(steps):
        # blue-green and background analyses: the flag that stays says that it was paused, and so is now let on
        return _both(task, {}, {_PAUSES: REMOVE}, tests, Effect(task.origin, answered=since))
    wanted = {_PAUSES: REMOVE, ("status", "controllerPause"): False, _STEP: at + 1}
    tests[_STEP] = value(task.root, *_STEP)
    return _both(task, {}, wanted, tests, Effect(task.origin, passed=at))


def _promote_full(task: Task) -> Plan:
    current, stable = (value(task.root, "status", key) for key in ("currentPodHash", "stableRS"))
    if current == stable:
        raise task.refuse("It is fully promoted already.", "", "not-offered")
    wanted: dict[Path, Any] = {("status", "promoteFull"): True}
    effect = Effect(task.origin, paused=False, settled=True)
    return _both(task, _unpaused(task), wanted, _standing(task), effect)


def _pause(task: Task) -> Plan:
    patch = change(ROLLOUT, task.root, {("spec", "paused"): True}, stamp=task.stamp)
    return task.plan((patch,), Effect(task.origin, paused=True))


def _resume(task: Task) -> Plan:
    patch = change(ROLLOUT, task.root, {("spec", "paused"): False}, stamp=task.stamp)
    return task.plan((patch,), Effect(paused=False))


def _abort(task: Task) -> Plan:
    blue_green = task.state.strategy is Strategy.BLUE_GREEN
    spec = _unpaused(task) if blue_green else {}
    effect = Effect(task.origin, aborted=True)
    if blue_green:
        serves = str(value(task.root, "status", "stableRS") or "")
        effect = Effect(task.origin, aborted=True, paused=False, serves=serves)
    return _both(task, spec, {("status", "abort"): True}, _standing(task), effect)


def _retry(task: Task) -> Plan:
    again: dict[Path, Any] = {("status", "abort"): False}
    if value(task.root, "status", "controllerPause"):
        # left behind by a write that was lost; with no pause beside it, the controller would take it for a promotion
        again["status", "controllerPause"] = False
    return _both(task, {}, again, _standing(task), Effect(task.origin, aborted=False))


def _restart(task: Task) -> Plan:
    patch = change(ROLLOUT, task.root, {("spec", "restartAt"): moment(task.now)}, stamp=task.stamp)
    return task.plan((patch,), Effect(task.origin, restarted_at=whole(task.now)))


def _templated(task: Task) -> tuple[Kind, Raw]:
    """The object that holds the template: the Rollout, or the Deployment that it refers to."""
    reference = value(task.root, "spec", "workloadRef")
    if reference is None:
        return ROLLOUT, task.root
    named = (
        d
        for d in task.look.kin.get(DEPLOYMENT.name, ())
        if value(d, "metadata", "name") == reference.get("name")
    )
    found = next(named, None) if reference.get("kind") in (None, DEPLOYMENT.name) else None
    if found is None:
        named_ = f"{reference.get('kind') or DEPLOYMENT.name} {reference.get('name')}"
        message = f"Its template is that of {named_}, which Shipboard cannot look at or does not change."
        raise task.refuse(message, f"Change {named_}.", "not-offered")
    return DEPLOYMENT, found


def _rollback(task: Task) -> Plan:
    target = chosen(task)
    sets = owned(task.look, REPLICASET)
    kept = next((rs for rs in sets if value(rs, "metadata", "labels", HASH) == target.key), None)
    if kept is None or value(kept, "spec", "template") is None:
        raise task.refuse("The ReplicaSet of that revision was not found.", "Choose another revision.")
    kind, obj = _templated(task)
    made = template.bare(kept["spec"]["template"], HASH)
    before = value(obj, "spec", "template")
    after = template.lasting(made, value(kept, "metadata", "annotations", EPHEMERAL))
    same = template.covers(before, after)
    wanted: dict[Path, Any] = {} if same else {("spec", "template"): after}
    more = []
    if wanted and kind is ROLLOUT:
        wanted |= _unpaused(task)
    elif wanted:
        more = [change(ROLLOUT, task.root, _unpaused(task), stamp=task.stamp)]
    patch = change(kind, obj, wanted, stamp=task.stamp)
    return deployment_acts.went_back(task, target, patch, before, before if same else after, *more)


def _set_image(task: Task) -> Plan:
    return deployment_acts.set_images(task, *_templated(task))


DRAFTS: Mapping[Verb, Draft] = {
    **owners_acts.DRAFTS,
    Verb.PROMOTE: _promote,
    Verb.PROMOTE_FULL: _promote_full,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.ABORT: _abort,
    Verb.RETRY: _retry,
    Verb.ROLLBACK: _rollback,
    Verb.RESTART: _restart,
    Verb.SET_IMAGE: _set_image,
}
"""How each of them is planned."""
