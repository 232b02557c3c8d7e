"""What can be done with a Flagger Canary by a write: suspend it and let it go on.

Promotion and rollback are Flagger's own answers to gates that it asks; they are no writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..domain.commands import Offer, Verb
from ..domain.rollout import Phase, RolloutState
from . import owners, owners_acts
from .acting import Effect, Plan, Query, Raw
from .drafting import Draft, Path, Task, blocked, change, offer, unknown, value
from .port import CANARY, DEPLOYMENT, POD, REPLICASET

_SUSPEND: Path = ("spec", "suspend")


def verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of a Canary as they stand."""
    at = f" at {state.weight.wanted} %" if state.weight and state.phase is not Phase.IDLE else ""
    offers = {
        Verb.PAUSE: offer(
            Verb.PAUSE,
            "Suspend",
            f"Flagger leaves the traffic as it is{at} and checks nothing until it is resumed.",
            unknown(state),
            blocked("It is already standing still.", "Resume it.") if state.paused else None,
        ),
        Verb.RESUME: offer(
            Verb.RESUME,
            "Resume",
            "Flagger goes on with its checks.",
            unknown(state),
            None if state.paused else blocked("It is not suspended."),
        ),
    }
    return owners_acts.guarded(offers, state)


def queries(root: Raw) -> tuple[Query, ...]:
    """Its target and its primary with what is below them, and its owner. No selector tells theirs from the root."""
    target = str(value(root, "spec", "targetRef", "name") or "")
    named = tuple(Query(DEPLOYMENT, name, optional=True) for name in (target, f"{target}-primary") if target)
    return (*named, Query(REPLICASET), Query(POD), *owners.queries(root, CANARY))


def _pause(task: Task) -> Plan:
    patch = change(CANARY, task.root, {_SUSPEND: True}, stamp=task.stamp)
    return task.plan((patch,), Effect(task.origin, paused=True))


def _resume(task: Task) -> Plan:
    patch = change(CANARY, task.root, {_SUSPEND: False}, stamp=task.stamp)
    return task.plan((patch,), Effect(paused=False))


DRAFTS: Mapping[Verb, Draft] = {**owners_acts.DRAFTS, Verb.PAUSE: _pause, Verb.RESUME: _resume}
"""How each of them is planned."""
