"""What can be done with a Service that switches between colours: switch, and switch back, to one that is ready."""

from __future__ import annotations

from collections.abc import Mapping

from ..domain.commands import Offer, Verb
from ..domain.policy import Blocker
from ..domain.revisions import Lane, Revision
from ..domain.rollout import RolloutState
from . import owners, owners_acts
from .acting import Effect, Plan, Query, Raw
from .drafting import Draft, Path, Task, blocked, change, items, mapping, offer, value
from .port import DEPLOYMENT, ENDPOINTSLICE, POD, REPLICASET, SERVICE
from .reading import count

_LABEL = "shipboard/switch"


def verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of such a Service as they stand."""
    live = next((lane for lane in state.lanes if lane.live), None)
    best = _others(state)[0] if _others(state) else None
    if best is None:
        none = blocked("There is no other colour to switch to.", "Start one.")
        return owners_acts.guarded(
            {Verb.SWITCH: offer(Verb.SWITCH, "Switch", "Nothing would change.", none)}, state
        )
    back = "Switch back" if state.stable is None and live is not None and live.ready else "Switch"
    name = f"{best.name} ({best.version})" if best.version else best.name
    sentence = f"New connections go to {name}, {count(best.ready, 'pod')} ready."
    if live is not None and best.ready < live.ready:
        sentence = f"{sentence} {live.name} serves with {live.ready} now."
    found = offer(
        Verb.SWITCH,
        f"{back} to {name}",
        sentence,
        None if best.ready else _nobody(best),
        targets=[lane.revision or lane.name for lane in _others(state) if lane.ready],
    )
    return owners_acts.guarded({Verb.SWITCH: found}, state)


def queries(root: Raw) -> tuple[Query, ...]:
    """Every Deployment, since only their templates tell which fit; what is below those; its endpoints and its owner."""
    chosen = mapping(root, "spec", "selector")
    switched = value(root, "metadata", "annotations", _LABEL)
    shared = ",".join(f"{key}={wanted}" for key, wanted in chosen.items() if key != switched)
    name = value(root, "metadata", "name")
    return (
        Query(DEPLOYMENT),
        Query(REPLICASET, selector=shared),
        Query(POD, selector=shared),
        Query(ENDPOINTSLICE, selector=f"kubernetes.io/service-name={name}", optional=True),
        *owners.queries(root, SERVICE),
    )


def _others(state: RolloutState) -> list[Lane]:
    """Colours that are not live, the one to be switched to first."""
    new = state.revision.key if state.revision else ""
    rest = [lane for lane in state.lanes if not lane.live]
    return sorted(rest, key=lambda lane: (lane.revision != new or not new, not lane.ready, lane.name))


def _nobody(lane: Lane) -> Blocker:
    what = f"{lane.name} has no ready pod" if lane.wanted else f"{lane.name} is scaled to zero"
    return blocked(f"{what}: whoever comes would reach nobody.", f"Bring {lane.name} up first.")


def _switch(task: Task) -> Plan:
    asked = task.arguments.revision or next(iter(task.offer.targets), "")
    lane = next((lane for lane in task.state.lanes if asked in (lane.revision, lane.name)), None)
    if lane is None:
        raise task.refuse("There is no such colour.", "Choose one that runs.")
    if not lane.ready:
        raise task.refuse(_nobody(lane).message, _nobody(lane).clears, "not-offered")
    label = str(value(task.root, "metadata", "annotations", _LABEL))
    _ports(task, label, lane)
    at: Path = ("spec", "selector", label)
    patch = change(SERVICE, task.root, {at: lane.name}, tests={at: value(task.root, *at)}, stamp=task.stamp)
    live = next((other for other in task.state.lanes if other.live), None)
    already = f"{lane.name} is live already: nothing is to be done."
    return task.plan(
        (patch,),
        Effect(task.origin, lane=lane.name),
        sentence=task.offer.sentence if patch else already,
        from_=_revision(task.state, live),
        to=_revision(task.state, lane),
    )


def _ports(task: Task, label: str, lane: Lane) -> None:
    """Refuses a colour whose pods lack a port that the Service goes to by name."""
    found = next(
        (
            d
            for d in task.look.kin.get(DEPLOYMENT.name, ())
            if value(d, "spec", "template", "metadata", "labels", label) == lane.name
        ),
        None,
    )
    pods = items(found, "spec", "template", "spec", "containers")
    there = {str(port.get("name")) for container in pods for port in items(container, "ports")}
    for port in items(task.root, "spec", "ports"):
        wanted = port.get("targetPort")
        if isinstance(wanted, str) and not wanted.isdigit() and wanted not in there:
            message = f"The pods of {lane.name} have no port named {wanted}, which the Service leads to."
            raise task.refuse(message, "Name the port in its template.", "not-offered")


def _revision(state: RolloutState, lane: Lane | None) -> Revision | None:
    if lane is None:
        return None
    images = next((each.images for each in state.revisions if each.key == lane.revision), ())
    return Revision(lane.revision, images=images, version=lane.version, wanted=lane.wanted, ready=lane.ready)


DRAFTS: Mapping[Verb, Draft] = {**owners_acts.DRAFTS, Verb.SWITCH: _switch}
"""How it is planned."""
