"""The port every rollout engine fills: a few constants and pure functions, one module an engine.

A module is the implementation (PEP 544): `ENGINES` in the package lists them from specific to general, and
whoever watches clusters, offers buttons or tests conformance iterates over that tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.rollout import RolloutState
from .shapes import Pod, ReplicaSet, Root


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Kubernetes object: API group and version ("apps/v1", "v1"), plural path segment, and its
    name."""

    api: str
    plural: str
    name: str

    def path(self, namespace: str = "") -> str:
        """The collection's path on the API server, for one namespace or (empty) for all of them."""
        base = f"/apis/{self.api}" if "/" in self.api else f"/api/{self.api}"
        return f"{base}/namespaces/{namespace}/{self.plural}" if namespace else f"{base}/{self.plural}"


DEPLOYMENT = Kind("apps/v1", "deployments", "Deployment")
REPLICASET = Kind("apps/v1", "replicasets", "ReplicaSet")
POD = Kind("v1", "pods", "Pod")
ROLLOUT = Kind("argoproj.io/v1alpha1", "rollouts", "Rollout")


@dataclass(frozen=True, slots=True)
class Kin:
    """The objects below a root, found by controller owner references: its ReplicaSets and their (or its
    own) Pods.

    `missing` names kinds that could not be looked at ("Pod": not permitted or not yet listed); an engine
    must then not read their absence as zero.
    """

    replicasets: Sequence[ReplicaSet] = ()
    pods: Sequence[Pod] = ()
    missing: frozenset[str] = frozenset()


class Engine(Protocol):
    """How one kind of rollout is read. Pure: no clock, no I/O; never raises on decoded shapes."""

    @property
    def name(self) -> str:
        """Stored and shown; never renamed ("argo-rollouts")."""

    @property
    def root(self) -> Kind:
        """The kind whose objects are workloads."""

    @property
    def kin(self) -> tuple[Kind, ...]:
        """The kinds below the root that `observe` reads."""

    def claims(self, root: Root) -> bool:
        """Whether this object, of kind `root`, is this engine's to read."""

    def observe(self, root: Root, kin: Kin) -> RolloutState:
        """What is going on. The same input gives the same state."""
