"""What can be done with a canary of native objects: set its share where a route is named, promote it, take it back.

Without a canary under way it is a Deployment, with a Deployment's verbs. The share is the weight of the two backends of
an HTTPRoute's rule or ingress-nginx's annotation; where no route is named it follows the pods, and only 0 is offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..domain.commands import Offer, Verb
from ..domain.names import cut
from ..domain.rollout import Phase, RolloutState
from . import deployment_acts, owners, owners_acts, template
from .acting import Effect, Patch, Plan, Query, Raw
from .drafting import (
    Draft,
    Path,
    Task,
    blocked,
    called,
    change,
    items,
    mapping,
    offer,
    owner_uid,
    unknown,
    value,
)
from .port import DEPLOYMENT, HPA, HTTPROUTE, INGRESS, POD, REPLICASET, SERVICE, Kind

_CANARY: Path = ("metadata", "annotations", "shipboard/canary")
_ROUTE: Path = ("metadata", "annotations", "shipboard/canary-route")
_NGINX = "nginx.ingress.kubernetes.io/canary"
_KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (HTTPROUTE, INGRESS)}
_UNDONE = owners_acts.UNDONE | {Verb.PROMOTE}


def verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of such a pair as they stand."""
    lost, version, runs = unknown(state), called(state.revision), _runs(state)
    none = None if runs else blocked("No canary runs.")
    at = f"{state.weight.wanted} %" if state.weight else "its share"
    by_pods = blocked(
        "No route is named: the share follows the number of pods.", "Annotate shipboard/canary-route."
    )
    dark = None
    if runs and state.router and state.weight is None:
        dark = blocked(f"{state.router} does not tell a share.", "Correct it, or let Shipboard read it.")
    own = deployment_acts.own(state)
    if runs:
        first = blocked("A canary is under way.", "Promote it, or abort it first.")
        own = {verb: replace(found, blocked_by=(*found.blocked_by, first)) for verb, found in own.items()}
    ready = blocked("The canary is not ready.") if state.phase is not Phase.AWAITING_APPROVAL else None
    offers = {
        **own,
        Verb.SET_WEIGHT: offer(
            Verb.SET_WEIGHT,
            "Set weight",
            f"{state.router or 'The route'} gives the canary another share than {at}.",
            lost,
            none or dark or (None if state.router else by_pods),
        ),
        Verb.PROMOTE: offer(
            Verb.PROMOTE,
            f"Promote {version}" if runs else "Promote",
            f"The stable Deployment takes {version}; the canary keeps {at} until it is taken back.",
            lost,
            none or ready,
        ),
        Verb.ABORT: offer(
            Verb.ABORT,
            "Take the canary back",
            "The canary's share goes to 0 %." if state.router else "The canary is scaled to zero.",
            lost,
            none or dark,
        ),
    }
    return owners_acts.guarded(offers, state, _UNDONE)


def queries(root: Raw) -> tuple[Query, ...]:
    """The canary, its route or what scales it, what is below both Deployments, Services, and the owner."""
    kind, _, name = str(value(root, *_ROUTE) or "").partition("/")
    named = (Query(_KINDS[kind], name, optional=True),) if kind in _KINDS and name else ()
    canary = Query(DEPLOYMENT, str(value(root, *_CANARY) or ""), optional=True)
    rest = (Query(REPLICASET), Query(POD), Query(SERVICE, optional=True))
    scaled = () if named else (Query(HPA, optional=True),)
    return (canary, *named, *rest, *scaled, *owners.queries(root, DEPLOYMENT))


def _runs(state: RolloutState) -> bool:
    return state.revision is not None and "canary" in state.revision.roles


def _set_weight(task: Task) -> Plan:
    weight = task.arguments.weight
    if weight is None or not 0 <= weight <= 100:
        raise task.refuse("A weight is a number from 0 to 100.", "Give one.")
    more = task.state.weight is None or weight > task.state.weight.wanted
    if more and not (task.state.revision and task.state.revision.ready):
        raise task.refuse("The canary has no ready pod: its share would reach nobody.", "Bring it up first.")
    return _weighed(task, weight, f"The canary gets {weight} % of the traffic.")


def _abort(task: Task) -> Plan:
    if task.state.router:
        return _weighed(task, 0, task.offer.sentence)
    canary = _beside(task)
    patch = change(DEPLOYMENT, canary, {("spec", "replicas"): 0}, stamp=task.stamp)
    return task.plan(
        (patch,),
        Effect(task.origin, left=task.origin),
        sentence=f"{task.offer.sentence}{_scaler(task, canary)}",
        from_=task.state.revision,
        to=task.state.stable,
    )


def _promote(task: Task) -> Plan:
    canary = _beside(task)
    before = value(task.root, "spec", "template") or {}
    theirs = template.containers(value(canary, "spec", "template"))
    images = {name: str(c["image"]) for name, (_, c) in theirs.items() if c.get("image")}
    ours = template.containers(before)
    if not images.keys() & ours.keys():
        raise task.refuse(
            "The two Deployments have no container in common.", "Set the image by hand.", "not-offered"
        )
    wanted: dict[Path, str] = {
        ("spec", "template", *path, "image"): images[name]
        for name, (path, _) in ours.items()
        if name in images
    }
    patch = change(DEPLOYMENT, task.root, wanted, stamp=task.stamp)
    after = template.with_images(before, images)
    return task.plan(
        (patch,),
        Effect(task.origin, left=task.origin, images=template.images(after)),
        from_=task.state.stable,
        to=task.state.revision,
        difference=template.difference(before, after),
    )


def _scaler(task: Task, canary: Raw) -> str:
    """What has to be said of an autoscaler that sets the canary's pods: one at zero is left alone (autoscaling/v2,
    ScalingDisabled)."""
    name = value(canary, "metadata", "name")
    for found in task.look.kin.get(HPA.name, ()):
        target = mapping(found, "spec", "scaleTargetRef")
        if (target.get("kind"), target.get("name")) == (DEPLOYMENT.name, name):
            called = cut(str(value(found, "metadata", "name")), 253)
            return f" {HPA.name} {called} sets its number of pods otherwise, and leaves it alone at zero."
    return ""


def _beside(task: Task) -> Raw:
    name = value(task.root, *_CANARY)
    found = next(
        (d for d in task.look.kin.get(DEPLOYMENT.name, ()) if value(d, "metadata", "name") == name), None
    )
    if found is None:
        raise task.refuse("The canary was not found.", "Look again.", "not-offered")
    return found


def _weighed(task: Task, weight: int, sentence: str) -> Plan:
    kind, _, name = task.state.router.partition("/")
    routes = task.look.kin.get(kind, ()) if kind in _KINDS else ()
    found = next((r for r in routes if value(r, "metadata", "name") == name), None)
    if found is None:
        raise task.refuse(
            f"{task.state.router} cannot be looked at.", "Shipboard needs to read and patch it."
        )
    if owner_uid(found):
        raise task.refuse(f"{task.state.router} is another controller's.", "Change it there.", "owner")
    patch = _by_route(task, found, weight) if kind == HTTPROUTE.name else _by_ingress(task, found, weight)
    already = f"The canary has {weight} % already: nothing is to be done."
    return task.plan((patch,), Effect(task.origin, weight=weight), sentence=sentence if patch else already)


def _by_route(task: Task, route: Raw, weight: int) -> Patch | None:
    """The weights of the first rule that names the canary, which must have two backends; the list is atomic."""
    mine = _backends(task)
    for i, rule in enumerate(items(route, "spec", "rules")):
        refs = items(rule, "backendRefs")
        names = [ref.get("name") for ref in refs]
        if not mine & {*names}:
            continue
        if len(refs) != 2 or mine >= {*names}:
            message = "The rule does not choose between the stable backend and the canary alone."
            raise task.refuse(message, "Change its weights by hand.", "not-offered")
        wanted: dict[Path, int] = {}
        tests: dict[Path, str] = {}
        for j, name in enumerate(names):
            at: Path = ("spec", "rules", i, "backendRefs", j)
            wanted[*at, "weight"] = weight if name in mine else 100 - weight
            tests[*at, "name"] = str(name)
        return change(HTTPROUTE, route, wanted, tests=tests, stamp=task.stamp)
    raise task.refuse("No rule of the route names the canary.", "Add it as a backend.", "not-offered")


def _backends(task: Task) -> set[str]:
    """Names by which a route may mean the canary: its own, and Services that choose its pods and no stable ones."""
    canary = _beside(task)
    labels = [mapping(of, "spec", "template", "metadata", "labels") for of in (canary, task.root)]
    found = {str(value(canary, "metadata", "name"))}
    for service in task.look.kin.get(SERVICE.name, ()):
        chosen = mapping(service, "spec", "selector").items()
        if chosen and chosen <= labels[0].items() and not chosen <= labels[1].items():
            found.add(str(value(service, "metadata", "name")))
    return found


def _by_ingress(task: Task, ingress: Raw, weight: int) -> Patch | None:
    notes = mapping(ingress, "metadata", "annotations")
    if notes.get(_NGINX) != "true":
        raise task.refuse(
            f"{task.state.router} is no canary of ingress-nginx.", f"Annotate {_NGINX}.", "not-offered"
        )
    total = str(notes.get(f"{_NGINX}-weight-total", "100"))
    whole = int(total) if total.isdigit() and len(total) < 10 else 100
    at: Path = ("metadata", "annotations", f"{_NGINX}-weight")
    return change(INGRESS, ingress, {at: str(weight * whole // 100)}, stamp=task.stamp)


DRAFTS: Mapping[Verb, Draft] = {
    **deployment_acts.DRAFTS,
    Verb.SET_WEIGHT: _set_weight,
    Verb.PROMOTE: _promote,
    Verb.ABORT: _abort,
}
"""How each of them is planned."""
