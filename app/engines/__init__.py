"""How each rollout engine is read and driven. Pure; knows Kubernetes shapes, not the Kubernetes client.

`ENGINES` lists the engines from specific to general: a new engine is one module and one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from ..domain.commands import Offer, Verb
from ..domain.owners import presumed
from ..domain.rollout import RolloutState
from ..domain.targets import Record, Target, preferred, ranked
from . import (
    argo_rollouts,
    conditions,
    daemonset,
    deployment,
    flagger,
    native_canary,
    service_switch,
    statefulset,
)
from .digests import with_digests
from .port import Engine, Kin, Kind
from .shapes import Root

ENGINES: tuple[Engine, ...] = (
    argo_rollouts,
    flagger,
    service_switch,
    statefulset,
    daemonset,
    native_canary,
    deployment,
)


def engine_for(root: Root) -> Engine | None:
    """The first engine that claims this object; None when it is nobody's, which is never read as a
    Deployment."""
    return next((engine for engine in ENGINES if engine.claims(root)), None)


def observe(engine: Engine, root: Root, kin: Kin) -> RolloutState:
    """What `engine` reads, with the conditions that the objects state themselves and the bytes that run."""
    state = replace(engine.observe(root, kin), conditions=conditions.of(root, kin))
    return with_digests(state, kin.pods)


def offers(
    engine: Engine, state: RolloutState, record: Record
) -> tuple[Mapping[Verb, Offer], tuple[Target, ...]]:
    """The verbs of a workload as they stand, and the targets of a rollback, best first: the one place that decides
    which revision that goes to when none is named, for the button and for what is carried out."""
    state = replace(state, owner=presumed(state.owner, record.undone))
    found = dict(engine.verbs(preferred(state, record)))
    back = found.get(Verb.ROLLBACK)
    targets = ranked(back.targets, state, record) if back else ()
    if back and targets:
        stops = (*back.blocked_by, *targets[0].blocked_by)
        found[Verb.ROLLBACK] = replace(back, blocked_by=stops, targets=tuple(t.revision.key for t in targets))
    return found, targets


@cache
def required(engine: str, root: str) -> frozenset[str]:
    """The kinds without which nothing can be said of a workload with this root kind that the engine of this
    name reads; the root kind alone when no engine has that name."""
    return _REQUIRED.get(engine, frozenset()) | {root}


def optional() -> frozenset[str]:
    """The kinds that may be absent or forbidden without any workload being lost or unknown."""
    return _OPTIONAL


def roots() -> tuple[Kind, ...]:
    """The kinds whose objects are workloads, each once."""
    return tuple(dict.fromkeys(engine.root for engine in ENGINES))


def relatives() -> tuple[Kind, ...]:
    """The kinds that some engine reads besides its roots, each once."""
    return tuple(dict.fromkeys(relation.kind for engine in ENGINES for relation in engine.relations))


_REQUIRED = {
    engine.name: frozenset(r.kind.name for r in engine.relations if not r.optional) for engine in ENGINES
}
_OPTIONAL = frozenset(kind.name for kind in (*roots(), *relatives()) if kind.worth)
