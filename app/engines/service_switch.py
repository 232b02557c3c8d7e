"""Blue-green by hand: a Service whose selector tells two Deployments apart.

A Service takes part when it carries the annotation `shipboard/switch`, whose value is the label by which its
selector chooses the colour ("color", "version"). Every Deployment whose pods fit the rest of the selector
and carry that label is a colour. The colour in the selector is live. Another colour that runs, has another
version, and whose revision is younger, waits for the switch; one that is older is kept for going back.
Cluster objects do not tell whether a younger colour was live before, so after a switch back it still counts
as waiting until it is scaled down.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.names import cut
from ..domain.revisions import Lane, Weight
from ..domain.rollout import (
    Caution,
    CautionKind,
    Health,
    Phase,
    RolloutState,
    Step,
    StepState,
    Strategy,
    WaitKind,
    WaitsFor,
)
from . import cautions, joined, owners
from . import switch_acts as acts
from .acting import Look, Plan, decoded
from .drafting import draw
from .joined import Side
from .kinship import pod_labels
from .port import (
    DEPLOYMENT,
    ENDPOINTSLICE,
    POD,
    REPLICASET,
    SERVICE,
    Kin,
    Kind,
    Relation,
    Via,
    reported,
)
from .reading import percent, share
from .shapes import Deployment, Root, Service

name = "service-switch"
verbs, queries = acts.verbs, acts.queries
root: Kind = SERVICE
relations: tuple[Relation, ...] = (
    Relation(DEPLOYMENT, Via.SELECTED, swallows=True),
    Relation(REPLICASET, Via.OWNER, ("Deployment",)),
    Relation(POD, Via.OWNER, ("ReplicaSet",)),
    Relation(ENDPOINTSLICE, Via.NAMES, optional=True),
    reported("ReplicaSet", "Pod"),
)


def claims(root: Root) -> bool:
    """A Service that says by which label it switches."""
    return isinstance(root, Service) and bool(_label(root))


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a Service with its Deployments, their ReplicaSets and Pods, and its endpoints."""
    if not isinstance(root, Service):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not a Service")
    return replace(_observed(root, kin), owner=owners.of(root))


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.DRAFTS)


def _observed(root: Service, kin: Kin) -> RolloutState:
    label = _label(root)
    colour = cut(((root.spec.selector if root.spec else None) or {}).get(label, ""), 63)
    if not colour:
        return _unknown(f"Its selector has no label {label}" if label else "It does not say how it switches")
    if DEPLOYMENT.name in kin.missing:
        return _unknown("Its Deployments cannot be looked at")
    colours = {_value(d, label): joined.side(d, kin) for d in kin.deployments if _value(d, label)}
    lanes = tuple(_lane(value, colours[value], value == colour, kin) for value in sorted(colours))
    live = colours.pop(colour, None)
    if live is None or (live.wanted <= 0 and any(side.wanted > 0 for side in colours.values())):
        what = "which is scaled to zero" if live else "and no Deployment has that"
        message = f"The Service points at {label}={colour}, {what}"
        waits = WaitsFor(WaitKind.PERSON, "Point it at a colour that runs")
        return RolloutState(
            Phase.FAILED, Health.MISSING, cut(message), Strategy.MANUAL_SWITCH, waits_for=waits, lanes=lanes
        )
    idle = max(colours.items(), key=lambda c: (c[1].wanted > 0, c[1].made_at, c[0]), default=None)
    waiting = idle is not None and idle[1].wanted > 0 and _newer(idle[1], live)
    other = idle[1] if idle is not None and waiting else None
    reached = joined.endpoints(kin, [root.metadata.name], live.uids)
    state = _judge(live, colour, other, idle[0] if idle else "", reached)
    found = _cautions(root, live, idle[1] if idle else None, state.phase, kin)
    return replace(state, cautions=found, lanes=lanes)


def _lane(colour: str, side: Side, live: bool, kin: Kin) -> Lane:
    """A colour; its pods count as ready when both the Deployment and, where they are seen, they themselves say so."""
    ready = side.state.counts.ready
    if POD.name not in kin.missing:
        ready = min(ready, joined.ready_pods(side))
    key = side.state.revision.key if side.state.revision else ""
    return Lane(cut(colour, 63), live, key, side.version, side.wanted, ready)


def _judge(
    live: Side, colour: str, other: Side | None, idle: str, reached: tuple[int, int] | None
) -> RolloutState:
    own = live.state
    subject = other or live
    state = RolloutState(
        phase=own.phase,
        health=own.health,
        message=own.message,
        strategy=Strategy.MANUAL_SWITCH,
        revision=joined.roles(subject.state.revision, "preview" if other else "active"),
        stable=joined.roles(own.revision, "active") if other else own.stable,
        revisions=joined.revisions(other, live, "preview"),
        weight=_weight(other, reached),
        counts=subject.state.counts,
        waits_for=own.waits_for,
        progress=own.progress,
        paused=own.paused,
        pods=joined.pods(other, live),
        problems=own.problems,
        started_at=subject.state.started_at,
        deadline_at=own.deadline_at,
    )
    if own.phase is not Phase.IDLE:
        step = _steps(0) if other else ()
        return replace(
            state, message=cut(f"{colour} is live. {own.message}"), steps=step, progress=min(99, own.progress)
        )
    if reached is not None and own.counts.available > 0 and reached[0] < reached[1]:
        message = f"Traffic moves to {colour}: {share(reached[0], reached[1], 'endpoint', 'there')}"
        waits = WaitsFor(WaitKind.CONTROLLER, "the endpoints to follow")
        done = min(99, percent(*reached))
        return replace(state, phase=Phase.PROMOTING, message=message, waits_for=waits, progress=done)
    if other is None:
        return state
    came = other.state
    if not other.up:
        phase = Phase.PROGRESSING if came.phase is Phase.IDLE else came.phase
        health = joined.worst(own, came)
        waits = came.waits_for
        if waits.kind is WaitKind.NOTHING:
            waits = WaitsFor(WaitKind.CONTROLLER, "the cluster to start pods")
        message = cut(f"{idle} ({other.version}) comes up: {came.message or 'not all is ready'}")
        return replace(
            state,
            phase=phase,
            health=health,
            message=message,
            waits_for=waits,
            problems=(*came.problems, *own.problems),
            steps=_steps(0),
            step_index=0,
            progress=max(0, min(99, came.progress // 2)),
            deadline_at=came.deadline_at,
        )
    waits = WaitsFor(WaitKind.PERSON, f"Switch the Service to {idle}")
    bad = f"{own.message}. " if own.health is Health.DEGRADED and own.message else ""
    message = cut(
        f"{bad}{idle} ({other.version}) is ready; waits for a person before the switch from {colour}"
    )
    return replace(
        state,
        phase=Phase.AWAITING_APPROVAL,
        message=message,
        waits_for=waits,
        steps=_steps(1),
        step_index=1,
        progress=50,
    )


def _cautions(root: Service, live: Side, idle: Side | None, phase: Phase, kin: Kin) -> tuple[Caution, ...]:
    told = replace(kin, services=[root])
    found = list(cautions.of_workload(live.template, phase, live.state.counts, [*live.state.pods], told))
    short = idle is not None and phase is Phase.AWAITING_APPROVAL and idle.wanted < live.wanted
    if idle is not None and short:
        text = f"{idle.name} has {idle.wanted} of the {live.wanted} pods that serve now"
        found.append(Caution(CautionKind.NO_REPLICAS, text))
    return tuple(found)


def _newer(idle: Side, live: Side) -> bool:
    """A colour that the deployment controller has not made a revision of yet is the newest there is."""
    if idle.images == live.images:
        return False
    return idle.state.revision is None or idle.made_at > live.made_at


def _weight(other: Side | None, reached: tuple[int, int] | None) -> Weight | None:
    """What is set is all or nothing; the endpoints tell what is so. `reached` counts those of the live
    colour."""
    wanted = 0 if other is not None else 100
    if reached is None or reached[1] <= 0:
        return Weight(wanted, wanted) if reached is None and other is None else None
    live = percent(*reached)
    return Weight(wanted, live if other is None else 100 - live)


def _steps(at: int) -> tuple[Step, ...]:
    states = (StepState.DONE, StepState.NOW, StepState.NEXT)
    return tuple(
        Step(label, label, states[1 if i == at else 0 if i < at else 2])
        for i, label in enumerate(("preview", "switch"))
    )


def _label(root: Service) -> str:
    return (root.metadata.annotations.switch if root.metadata.annotations else None) or ""


def _value(of: Deployment, label: str) -> str:
    return pod_labels(of).get(label, "")


def _unknown(message: str) -> RolloutState:
    return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, cut(message), Strategy.MANUAL_SWITCH)
