"""A canary made of native objects: a Deployment with a second one beside it.

The stable Deployment carries the annotation `shipboard/canary` with the name of the canary Deployment. Its
share is what `shipboard/canary-route` names: "HTTPRoute/web" (weights of the backends), "Ingress/web-canary"
(ingress-nginx's canary weight); without it both share a Service, and the share is that of ready pods.
Promotion by hand is: the stable one gets the version, the canary goes to zero.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.names import cut
from ..domain.revisions import Weight
from ..domain.rollout import Health, Phase, RolloutState, Strategy, WaitKind, WaitsFor
from . import canary_acts as acts
from . import joined, kinship, owners, reading
from .acting import Look, Plan, decoded
from .drafting import draw
from .joined import Side
from .port import (
    DEPLOYMENT,
    ENDPOINTSLICE,
    HTTPROUTE,
    INGRESS,
    POD,
    REPLICASET,
    SERVICE,
    Kin,
    Kind,
    Relation,
    Via,
    reported,
)
from .shapes import Deployment, Root

name = "native-canary"
verbs, queries = acts.verbs, acts.queries
root: Kind = DEPLOYMENT
relations: tuple[Relation, ...] = (
    Relation(DEPLOYMENT, Via.NAME, swallows=True),
    Relation(REPLICASET, Via.OWNER, ("", "Deployment")),
    Relation(POD, Via.OWNER, ("ReplicaSet",)),
    Relation(HTTPROUTE, Via.NAME, optional=True),
    Relation(INGRESS, Via.NAME, optional=True),
    Relation(SERVICE, Via.SELECTS, ("", "Deployment"), optional=True),
    Relation(ENDPOINTSLICE, Via.NAMES, ("Service",), optional=True),
    reported("Deployment", "ReplicaSet", "Pod"),
)


def claims(root: Root) -> bool:
    """A Deployment that names its canary."""
    return isinstance(root, Deployment) and bool(_canary(root))


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a Deployment and its canary, with what is below both, and what splits the traffic."""
    if not isinstance(root, Deployment):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not a Deployment")
    asked = reading.restarted(root.spec.template if root.spec else None)
    told = _observed(root, kin)
    return replace(told, router=cut(_route(root), 300), restarted_at=asked, owner=owners.of(root))


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.DRAFTS)


def _observed(root: Deployment, kin: Kin) -> RolloutState:
    stable = joined.side(root, kin)
    own = stable.state
    beside = next((d for d in kin.deployments if d.metadata.name == _canary(root)), None)
    if beside is None:
        if DEPLOYMENT.name in kin.missing and own.phase is Phase.IDLE and own.health is Health.HEALTHY:
            return replace(own, strategy=Strategy.CANARY, message="Its canary cannot be looked at")
        return replace(own, strategy=Strategy.CANARY)
    canary = joined.side(beside, kin)
    came = canary.state
    weight = _weight(root, stable, canary, kin)
    running = canary.wanted > 0 or came.counts.total > 0
    new = canary if running and canary.images != stable.images else None
    if new is None or own.phase is not Phase.IDLE:
        told = replace(own, strategy=Strategy.CANARY, pods=joined.pods(new, stable))
        return told if new is None else replace(told, weight=weight)
    state = RolloutState(
        phase=came.phase,
        health=joined.worst(own, came),
        message=cut(f"The canary ({canary.version}) comes up: {came.message}"),
        strategy=Strategy.CANARY,
        revision=joined.roles(came.revision, "canary"),
        stable=joined.roles(own.revision, "stable"),
        revisions=joined.revisions(canary, stable, "canary"),
        weight=weight,
        counts=came.counts,
        waits_for=came.waits_for,
        progress=min(99, came.progress // 2),
        paused=came.paused,
        pods=joined.pods(canary, stable),
        problems=(*came.problems, *own.problems),
        started_at=came.started_at,
        deadline_at=came.deadline_at,
        cautions=(*came.cautions, *own.cautions),
    )
    if came.phase is not Phase.IDLE:
        return state
    at = f" at {weight.wanted} %" if weight else ""
    bad = f"{came.message or own.message}. " if state.health is Health.DEGRADED else ""
    message = f"{bad}The canary ({canary.version}) runs{at}; waits for a person"
    if canary.wanted <= 0:
        waits = WaitsFor(WaitKind.CONTROLLER, "the canary's pods to end")
        return replace(
            state, phase=Phase.PROGRESSING, message="The canary's pods must still end", waits_for=waits
        )
    waits = WaitsFor(WaitKind.PERSON, "Promote it, or take it back to zero")
    return replace(
        state,
        phase=Phase.AWAITING_APPROVAL,
        message=cut(message),
        waits_for=waits,
        progress=min(99, weight.wanted if weight else 50),
    )


def _weight(root: Deployment, stable: Side, canary: Side, kin: Kin) -> Weight | None:
    """The share that is set, by a route or by replicas, and the share that ready pods make of it; None when
    it cannot be told."""
    route = _route(root)
    if route:
        kind, _, called = route.partition("/")
        told = _by_route(called, stable, canary, kin) if kind == HTTPROUTE.name else _by_ingress(called, kin)
        return None if told is None else Weight(told, told if joined.ready_pods(canary) else 0)
    every = stable.wanted + canary.wanted
    if every <= 0 or "Pod" in kin.missing:
        return None
    ups, all_ups = joined.ready_pods(canary), joined.ready_pods(stable) + joined.ready_pods(canary)
    return Weight(reading.percent(canary.wanted, every), reading.percent(ups, all_ups))


def _by_route(called: str, stable: Side, canary: Side, kin: Kin) -> int | None:
    """The canary's share of the first rule that names it. A backend is the canary's when it is called like
    it, or chooses its pods and not the stable ones."""
    own = {canary.name}
    for service in kin.services:
        chosen = kinship.selector(service).items()
        if chosen <= kinship.pod_labels(canary.root).items() and not (
            chosen <= kinship.pod_labels(stable.root).items()
        ):
            own.add(service.metadata.name)
    route = next((r for r in kin.routes if r.metadata.name == called), None)
    for rule in (route.spec.rules if route and route.spec else None) or ():
        weights = [(b.name, 1 if b.weight is None else max(0, b.weight)) for b in rule.backend_refs or ()]
        mine = [weight for backend, weight in weights if backend in own]
        if mine:
            every = sum(weight for _, weight in weights)
            return reading.percent(sum(mine), every)
    return None


def _by_ingress(called: str, kin: Kin) -> int | None:
    found = next((i for i in kin.ingresses if i.metadata.name == called), None)
    notes = found.metadata.annotations if found else None
    if notes is None or notes.nginx_canary != "true":
        return None
    weight = reading.number(notes.nginx_weight) or 0
    every = reading.number(notes.nginx_total) or 100
    return reading.percent(weight, every)


def _route(root: Deployment) -> str:
    return (root.metadata.annotations.canary_route if root.metadata.annotations else None) or ""


def _canary(root: Deployment) -> str:
    return (root.metadata.annotations.canary if root.metadata.annotations else None) or ""
