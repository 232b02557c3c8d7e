"""What can be done with an Argo Rollout: the verbs of its kubectl plugin, made harmless when they are sent twice.

What is status goes to the status subresource, after a write of the main resource that marks it and wakes the
controller, which can overlook a status that meets its own write. A promotion says which step it leaves and which pause
it answers, and sets the next step as a number. Sources: the plugin's promote, pause, abort, retry, restart, undo and
set image; Argo CD's actions for when a button makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.commands import Offer, Verb
from ..domain.policy import Blocker
from ..domain.rollout import Phase, RolloutState, Strategy, WaitKind
from . import deployment_acts, owners, template
from .acting import Effect, Patch, Plan, Query, Raw
from .argo_analysis import HASH
from .drafting import (
    REMOVE,
    Draft,
    Path,
    Task,
    blocked,
    called,
    change,
    chosen,
    moment,
    offer,
    owned,
    selector,
    status,
    unknown,
    value,
    whole,
)
from .port import DEPLOYMENT, POD, REPLICASET, ROLLOUT, Kind

_WAITS = (Phase.PAUSED, Phase.AWAITING_APPROVAL)
_STEP: Path = ("status", "currentStepIndex")
_PAUSES: Path = ("status", "pauseConditions")


def verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of a Rollout as they stand."""
    lost, version = unknown(state), called(state.revision)
    idle = None if _moves(state) else blocked("Nothing is on its way.")
    given_up = blocked("It was aborted.", "Retry it, or go back.") if state.aborted else None
    stable = (
        f"{called(state.stable)} takes all the traffic" if state.stable else "the stable revision takes over"
    )
    offers = {
        Verb.PROMOTE: _promote_offer(state, lost, idle, given_up),
        Verb.PROMOTE_FULL: offer(
            Verb.PROMOTE_FULL,
            "Promote fully",
            f"{version} takes all the traffic now: pauses, steps and analyses that remain are skipped.",
            lost,
            idle,
            given_up,
            blocked("It is being promoted in full already.") if state.phase is Phase.PROMOTING else None,
            _unseen(state),
        ),
        Verb.PAUSE: offer(
            Verb.PAUSE,
            "Pause",
            "It stays at its step, and its traffic as it is, until it is resumed.",
            lost,
            blocked("It is already standing still.", "Resume it.") if state.paused else None,
            None if state.paused else idle,
            given_up,
        ),
        Verb.RESUME: offer(
            Verb.RESUME,
            "Resume",
            "It goes on from the step where it was paused; the step itself is not skipped.",
            lost,
            None if state.paused else _not_paused(state),
        ),
        Verb.ABORT: offer(
            Verb.ABORT, "Abort", _abort_says(state, stable), lost, idle, given_up, _unseen(state)
        ),
        Verb.RETRY: offer(
            Verb.RETRY,
            f"Try {version} again",
            f"{version} starts again from the first step.",
            lost,
            None if state.aborted else blocked("It was not aborted: there is nothing to try again."),
        ),
        Verb.ROLLBACK: _back(state, lost),
        Verb.RESTART: deployment_acts.restart(state, "one by one; no new revision is made", lost),
        Verb.SET_IMAGE: deployment_acts.image(state, lost),
    }
    return owners.guarded(offers, state)


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


def _moves(state: RolloutState) -> bool:
    on_steps = state.step_index is not None and state.step_index < len(state.steps)
    return state.phase is not Phase.IDLE and (state.stable is not None or on_steps or state.aborted)


def _unseen(state: RolloutState) -> Blocker | None:
    if state.phase is not Phase.PENDING:
        return None
    return blocked("The controller has not noticed the newest change yet.", "A moment, or a rollback.")


def _not_paused(state: RolloutState) -> Blocker:
    if state.phase in _WAITS:
        return blocked("It waits at a step; nobody paused it.", "Promote it.")
    return blocked("It is not paused.")


def _promote_offer(state: RolloutState, *blockers: Blocker | None) -> Offer:
    version = called(state.revision)
    steps, at = state.steps, state.step_index
    ahead = steps[at + 1 :] if at is not None else ()
    weight = next((step.weight for step in ahead if step.weight is not None), 100)
    label, sentence = f"Promote to {weight} %", f"{version} goes on to {weight} % of the traffic."
    if weight == 100:
        sentence = f"{version} takes all the traffic."
    if state.strategy is Strategy.BLUE_GREEN:
        label, sentence = (
            f"Switch to {version}",
            f"The traffic moves from {called(state.stable)} to {version}.",
        )
    elif ahead and ahead[0].kind not in ("weight", "pause"):
        sentence = f"{ahead[0].label.capitalize()} comes next, then {weight} %."
    waits = None
    if state.paused:
        waits = blocked("It was paused by a person.", "Resume it first.")
    elif state.phase not in _WAITS:
        now = f": {steps[at].label} is on its way" if at is not None and at < len(steps) else ""
        waits = blocked(f"It waits for nobody{now}.", "Promote it fully to skip what remains.")
    elif state.waits_for.kind is WaitKind.TIMER:
        sentence = f"{sentence} It does not wait for its time to pass."
    stops = tuple(b for b in (*blockers, _unseen(state)) if b is not None)
    return offer(Verb.PROMOTE, label, sentence, *(stops or (waits,)))


def _abort_says(state: RolloutState, stable: str) -> str:
    if state.strategy is Strategy.BLUE_GREEN:
        more = " It is unpaused, since a paused one does not move its traffic." if state.paused else ""
        return f"The switch is called off and {stable}.{more}"
    return f"{called(state.revision)} is taken back to 0 %, {stable}; its template stays until it is undone."


def _back(state: RolloutState, lost: Blocker | None) -> Offer:
    found = deployment_acts.back(state, lost)
    if state.paused and found.targets:
        return Offer(
            found.verb,
            found.label,
            f"{found.sentence} It is paused: resume it, too.",
            found.blocked_by,
            found.targets,
        )
    return found


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
    return _both(task, {}, wanted, tests, Effect(task.origin, passed=at, answered=since))


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
    return task.plan((patch,), Effect(task.origin, paused=False))


def _abort(task: Task) -> Plan:
    blue_green = task.state.strategy is Strategy.BLUE_GREEN
    spec = _unpaused(task) if blue_green else {}
    effect = Effect(task.origin, aborted=True, paused=False if blue_green else None)
    return _both(task, spec, {("status", "abort"): True}, _standing(task), effect)


def _retry(task: Task) -> Plan:
    again: dict[Path, Any] = {("status", "abort"): False}
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
        kind, called_ = reference.get("kind") or DEPLOYMENT.name, reference.get("name")
        raise task.refuse(
            f"Its template is that of {kind} {called_}, which cannot be changed here.", "", "not-offered"
        )
    return DEPLOYMENT, found


def _rollback(task: Task) -> Plan:
    target = chosen(task)
    sets = owned(task.look, REPLICASET)
    kept = next((rs for rs in sets if value(rs, "metadata", "labels", HASH) == target.key), None)
    if kept is None or value(kept, "spec", "template") is None:
        raise task.refuse("The ReplicaSet of that revision was not found.", "Choose another revision.")
    kind, obj = _templated(task)
    before, after = value(obj, "spec", "template"), template.bare(kept["spec"]["template"], HASH)
    same = template.covers(before, after)
    patch = None if same else change(kind, obj, {("spec", "template"): after}, stamp=task.stamp)
    return deployment_acts.went_back(task, target, patch, before, before if same else after)


def _set_image(task: Task) -> Plan:
    return deployment_acts.set_images(task, *_templated(task))


DRAFTS: Mapping[Verb, Draft] = {
    **owners.DRAFTS,
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
