"""What can be done with a Deployment: pause, resume, restart, go back to a kept revision, set images.

As `kubectl rollout` does it, with three differences. An undo keeps the annotations that the Deployment has now and
takes only the change-cause of the old revision. One of a paused Deployment, which kubectl refuses, resumes it in the
same write: resuming first would roll out what is to be undone. And every write stands on the version looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.commands import Offer, Verb
from ..domain.counts import among
from ..domain.revisions import Revision
from ..domain.rollout import Phase, RolloutState
from . import owners, owners_acts, template
from .acting import Effect, Patch, Plan, Query, Raw
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
    replaced,
    selected,
    targets,
    unknown,
    value,
    whole,
)
from .port import DEPLOYMENT, POD, REPLICASET, Kind
from .reading import count
from .revisions import HASH

RESTARTED: Path = ("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
CAUSE: Path = ("metadata", "annotations", "kubernetes.io/change-cause")


def verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of a Deployment as they stand."""
    return owners_acts.guarded(own(state), state)


def own(state: RolloutState) -> dict[Verb, Offer]:
    """The same, whoever else writes it."""
    lost, counts, version = unknown(state), state.counts, called(state.revision)
    still = blocked("It is paused and replaces no pods.", "Resume first.") if state.paused else None
    moving = state.phase not in (Phase.IDLE, Phase.UNKNOWN)
    run = "runs" if counts.wanted == 1 else "run"
    stands = f"{among(min(counts.updated, counts.wanted), counts.wanted)} {run} {version}"
    return {
        Verb.PAUSE: offer(
            Verb.PAUSE,
            "Pause",
            f"Pods stay as they are: {stands}." if moving else "The next change waits until it is resumed.",
            lost,
            blocked("It is already standing still.", "Resume it.") if state.paused else None,
        ),
        Verb.RESUME: offer(
            Verb.RESUME,
            "Resume",
            f"It goes on replacing pods with {version}." if moving else "Changes are rolled out again.",
            lost,
            None if state.paused else blocked("It is not paused."),
        ),
        Verb.RESTART: restart(state, "pod by pod, as in a rollout; the version stays the same", lost, still),
        Verb.ROLLBACK: back(state, lost),
        Verb.SET_IMAGE: image(state, lost),
    }


def restart(state: RolloutState, how: str, *blockers: Any) -> Offer:
    """The offer to restart."""
    nobody = None if state.counts.wanted else blocked("It has no pods: it is scaled to zero.")
    are = "is" if state.counts.wanted == 1 else "are"
    sentence = f"{count(state.counts.wanted, 'pod')} {are} replaced, {how}."
    return offer(Verb.RESTART, "Restart", sentence, *blockers, nobody)


def back(state: RolloutState, *blockers: Any) -> Offer:
    """The offer to go back, best revision first."""
    kept = targets(state)
    none = None if kept else blocked("No other revision is kept.")
    best = kept[0] if kept else None
    label = f"Back to {called(best)}" if best else "Roll back"
    runs = f", which still runs on {count(best.ready, 'pod')}" if best and best.ready else ""
    also = " It is resumed in the same write, since a paused one goes nowhere." if state.paused else ""
    sentence = f"{replaced(state.revision, best)}{runs}.{also}" if best else "There is nothing to go back to."
    return offer(Verb.ROLLBACK, label, sentence, *blockers, none, targets=[r.key for r in kept])


def image(state: RolloutState, *blockers: Any) -> Offer:
    """The offer to set images."""
    later = " when it is resumed" if state.paused else ""
    return offer(Verb.SET_IMAGE, "Set image", f"The image you name is rolled out{later}.", *blockers)


def queries(root: Raw) -> tuple[Query, ...]:
    """Its ReplicaSets and pods, and its owner."""
    return (*selected(root, REPLICASET, POD), *owners.queries(root, DEPLOYMENT))


def _pause(task: Task) -> Plan:
    patch = change(task.kind, task.root, {("spec", "paused"): True}, stamp=task.stamp)
    return task.plan((patch,), Effect(task.origin, paused=True))


def _resume(task: Task) -> Plan:
    patch = change(task.kind, task.root, {("spec", "paused"): False}, stamp=task.stamp)
    return task.plan((patch,), Effect(paused=False))


def stamped(task: Task) -> Plan:
    """A restart: the template gets the time, which makes a new revision of the same version."""
    patch = change(task.kind, task.root, {RESTARTED: moment(task.now)}, stamp=task.stamp)
    return task.plan(
        (patch,),
        Effect(task.origin, restarted_at=whole(task.now)),
        from_=task.state.revision,
        to=task.state.revision,
    )


def _rollback(task: Task) -> Plan:
    return restored(task, chosen(task), owned(task.look, REPLICASET))


def restored(task: Task, target: Revision, sets: list[Raw]) -> Plan:
    """The template of one of the ReplicaSets, in place of the Deployment's."""
    kept = next((rs for rs in sets if value(rs, "metadata", "uid") == target.key), None)
    if kept is None or value(kept, "spec", "template") is None:
        raise task.refuse("The ReplicaSet of that revision was not found.", "Choose another revision.")
    before, after = value(task.root, "spec", "template"), template.bare(kept["spec"]["template"], HASH)
    wanted: dict[Path, Any] = {}
    if before != after:
        cause = value(kept, *CAUSE)
        wanted = {("spec", "template"): after, CAUSE: REMOVE if cause is None else cause}
        if task.state.paused:
            wanted["spec", "paused"] = False
    patch = change(task.kind, task.root, wanted, stamp=task.stamp)
    return went_back(task, target, patch, before, after)


def went_back(
    task: Task, target: Revision, patch: Patch | None, before: Any, after: Any, *more: Patch | None
) -> Plan:
    """The plan of an undo by `patch`."""
    already = f"{called(target)} is what it runs already: nothing is to be done."
    best = next(iter(task.offer.targets), "") == target.key
    sentence = f"{replaced(task.state.revision, target)}."
    if patch is None:
        sentence = already
    elif best:
        sentence = task.offer.sentence
    return task.plan(
        (patch, *more),
        Effect(task.origin, revision=target.key),
        sentence=sentence,
        from_=task.state.revision,
        to=target,
        difference=template.difference(before, after),
    )


def imaged(task: Task) -> Plan:
    """Other images in the root's own template."""
    return set_images(task, task.kind, task.root)


def set_images(task: Task, kind: Kind, obj: Raw) -> Plan:
    """Other images, as `kubectl set image`: only containers that are there, by name."""
    before = value(obj, "spec", "template") or {}
    there = template.containers(before)
    images = task.arguments.images
    if not images:
        raise task.refuse("No image is named.", "Name a container and its image.")
    for name, image_ in images.items():
        if name not in there:
            raise task.refuse(f"It has no container of that name, only {', '.join(there)}.")
        if not 0 < len(image_) <= 500 or not image_.isprintable() or " " in image_:
            raise task.refuse("That is not an image.", "Write it as registry/name:tag or with a digest.")
    wanted: dict[Path, Any] = {}
    tests: dict[Path, Any] = {}
    for name, image_ in images.items():
        at: Path = ("spec", "template", *there[name][0])
        wanted[*at, "image"], tests[*at, "name"] = image_, name
    patch = change(kind, obj, wanted, tests=tests, stamp=task.stamp)
    after = template.with_images(before, images)
    told = ", ".join(f"{name} runs {image_}" for name, image_ in images.items())
    new = template.images(after)
    return task.plan(
        (patch,),
        Effect()
        if task.state.paused
        else Effect(task.origin, images=new),  # a paused one shows it only later
        sentence=f"{told}." if patch else f"{told} already: nothing is to be done.",
        from_=task.state.revision,
        to=Revision("", images=new),
        difference=template.difference(before, after),
    )


DRAFTS: Mapping[Verb, Draft] = {
    **owners_acts.DRAFTS,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.RESTART: stamped,
    Verb.ROLLBACK: _rollback,
    Verb.SET_IMAGE: imaged,
}
"""How each of them is planned."""
