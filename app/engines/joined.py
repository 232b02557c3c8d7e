"""Two Deployments that are one workload: each read as a Deployment, then told as one state.

Whatever switches or splits traffic between them (a Service's selector, a route, Flagger) is the engine's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..domain.revisions import Revision
from ..domain.rollout import Health, Pod, PodCondition, RolloutState
from . import deployment, kinship, reading
from .cautions import ready
from .port import Kin
from .shapes import Deployment, Template

_WORST = (
    Health.DEGRADED,
    Health.MISSING,
    Health.UNKNOWN,
    Health.PROGRESSING,
    Health.SUSPENDED,
    Health.HEALTHY,
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the Deployments, and how it is on its own. `version` is the one its template asks for."""

    name: str
    root: Deployment
    state: RolloutState
    version: str
    uids: frozenset[str]  # of its pods

    @property
    def wanted(self) -> int:
        """Pods it should have."""
        return self.state.counts.wanted

    @property
    def up(self) -> bool:
        """Whether it runs, complete, and as it should."""
        done = self.state.progress == 100 and self.state.health is Health.HEALTHY
        return done and self.wanted > 0

    @property
    def template(self) -> Template | None:
        """Its pod template."""
        return self.root.spec.template if self.root.spec else None

    @property
    def images(self) -> tuple[str, ...]:
        """The images its template asks for."""
        return reading.images(self.template)

    @property
    def made_at(self) -> float:
        """When its newest revision was made, as a timestamp; 0 when unknown."""
        made = self.state.revision.created_at if self.state.revision else None
        return made.timestamp() if made else 0.0


def side(root: Deployment, kin: Kin) -> Side:
    """One Deployment of a joined workload."""
    own = kinship.part(kin, root)
    version = reading.version(root.spec.template if root.spec else None)
    uids = frozenset(pod.metadata.uid for pod in own.pods)
    return Side(root.metadata.name, root, deployment.observe(root, own), version, uids)


def worst(*states: RolloutState) -> Health:
    """The worst health of several."""
    return min((state.health for state in states), key=_WORST.index)


def roles(revision: Revision | None, *names: str) -> Revision | None:
    """The revision in these roles."""
    return replace(revision, roles=names) if revision else None


def revisions(new: Side | None, old: Side, role: str) -> tuple[Revision, ...]:
    """Both current revisions, the new one first, then all others that either keeps."""
    sides = [s for s in (new, old) if s is not None]
    heads = {s.state.revision.key: s for s in sides if s.state.revision}
    told = [roles(s.state.revision, role if s is new else "stable") for s in sides]
    rest = [replace(r, roles=("old",)) for s in sides for r in s.state.revisions if r.key not in heads]
    return (*(r for r in told if r is not None), *rest)


def pods(new: Side | None, old: Side) -> tuple[Pod, ...]:
    """The pods of both, those of the new one first and alone called new."""
    if new is None:
        return old.state.pods
    theirs = [replace(p, new=False) for p in old.state.pods]
    return (*new.state.pods, *theirs)


def endpoints(kin: Kin, services: Iterable[str], of: frozenset[str]) -> tuple[int, int] | None:
    """Ready endpoints of these Services on pods `of`, and all of them; None when they cannot be told."""
    if {"EndpointSlice", "Pod", "Service"} & kin.missing:
        return None
    names = {("Service", name) for name in services}
    slices = [s for s in kin.slices if names & set(kinship.named_by(s))]
    if not slices:
        return None
    targets = [e.target_ref.uid for s in slices for e in s.endpoints or () if ready(e) and e.target_ref]
    return sum(uid in of for uid in targets), len(targets)


def ready_pods(of: Side) -> int:
    """How many of its pods are ready."""
    return sum(pod.condition is PodCondition.READY for pod in of.state.pods)
