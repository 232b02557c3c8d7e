"""The conditions that a workload's objects state, carried as they are: bounded, and not judged.

An engine reads of them what decides a phase; people who compare with kubectl want all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.names import cut
from ..domain.rollout import Condition
from . import shapes
from .port import Kin

MOST = 8
"""Most conditions carried of one object."""
OBJECTS = 3
"""Most objects whose conditions are carried."""
_MESSAGE = 300


def of(root: shapes.Root, kin: Kin) -> tuple[Condition, ...]:
    """Those of the root, and of the Deployments that it joins. A Deployment that only lends its template to an Argo
    Rollout says nothing of it."""
    found = list(_stated(root, ""))
    if not isinstance(root, shapes.Rollout):
        for deployment in kin.deployments[:OBJECTS]:
            found += _stated(deployment, cut(f"Deployment/{deployment.metadata.name}"))
    return tuple(found)


def _stated(shape: shapes.Root, whose: str) -> Iterable[Condition]:
    status = None if isinstance(shape, shapes.Service) else shape.status
    for stated in (getattr(status, "conditions", None) or ())[:MOST]:
        yield Condition(
            type=cut(stated.type, 100),
            status=cut(stated.status, 20),
            reason=cut(stated.reason or "", 100),
            message=cut(stated.message or "", _MESSAGE),
            since=stated.last_transition_time or stated.last_update_time,
            of=whose,
        )
