"""How each rollout engine is read and driven. Pure; knows Kubernetes shapes, not the Kubernetes client.

`ENGINES` lists the engines from specific to general: a new engine is one module and one entry here.
"""

from __future__ import annotations

from dataclasses import replace

from ..domain.rollout import RolloutState
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
