"""The port every rollout engine fills: a few constants and pure functions, one module an engine.

A module is the implementation (PEP 544): `ENGINES` in the package lists them from specific to general, and
whoever watches clusters, offers buttons or tests conformance iterates over that tuple. What an engine needs
besides its root is data (`Relation`): whoever keeps objects finds them without knowing any engine
(`kinship`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ..domain.commands import Arguments, Offer, Verb
from ..domain.rollout import RolloutState
from .shapes import (
    AnalysisRun,
    ControllerRevision,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Event,
    Experiment,
    HTTPRoute,
    Ingress,
    Pod,
    ReplicaSet,
    Root,
    Service,
)

if TYPE_CHECKING:
    from .acting import Look, Plan, Query, Raw


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Kubernetes object: API group and version ("apps/v1", "v1"), plural path segment, its name,
    and the field selector that leaves out what is never read (empty: none).

    `worth` is set for a kind that may be absent or forbidden without any workload being lost or unknown: what
    only it can tell, in words that end "Without it nothing is lost but ...".
    """

    api: str
    plural: str
    name: str
    fields: str = ""
    worth: str = ""

    def path(self, namespace: str = "") -> str:
        """The collection's path on the API server, for one namespace or (empty) for all of them."""
        base = f"/apis/{self.api}" if "/" in self.api else f"/api/{self.api}"
        return f"{base}/namespaces/{namespace}/{self.plural}" if namespace else f"{base}/{self.plural}"


DEPLOYMENT = Kind("apps/v1", "deployments", "Deployment")
STATEFULSET = Kind("apps/v1", "statefulsets", "StatefulSet")
DAEMONSET = Kind("apps/v1", "daemonsets", "DaemonSet")
REPLICASET = Kind("apps/v1", "replicasets", "ReplicaSet")
CONTROLLERREVISION = Kind("apps/v1", "controllerrevisions", "ControllerRevision")
POD = Kind("v1", "pods", "Pod")
LOG = Kind("v1", "pods/log", "Log", worth="the last lines of containers that crash")
"""Not listed or watched as the others are: one is read now and then."""
SERVICE = Kind("v1", "services", "Service", worth="who is served, and switches between two colours")
EVENT = Kind(
    "v1",
    "events",
    "Event",
    # what every pod says when nothing is wrong, and what is never about a workload: most of all there are
    ",".join(
        f"reason!={r}" for r in ("Scheduled", "Pulling", "Pulled", "Created", "Started", "LeaderElection")
    ),
    "reasons that only events tell",
)
ENDPOINTSLICE = Kind(
    "discovery.k8s.io/v1", "endpointslices", "EndpointSlice", worth="whether traffic reaches any pod"
)
INGRESS = Kind(
    "networking.k8s.io/v1", "ingresses", "Ingress", worth="the share of a canary behind an Ingress"
)
HTTPROUTE = Kind(
    "gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute", worth="the share of a canary behind a route"
)
ROLLOUT = Kind("argoproj.io/v1alpha1", "rollouts", "Rollout")
ANALYSISRUN = Kind(
    "argoproj.io/v1alpha1", "analysisruns", "AnalysisRun", worth="what an analysis of a Rollout measured"
)
EXPERIMENT = Kind(
    "argoproj.io/v1alpha1", "experiments", "Experiment", worth="how an experiment of a Rollout goes"
)
CANARY = Kind(
    "flagger.app/v1beta1", "canaries", "Canary", worth="Flagger's canaries as one workload instead of two"
)


HPA = Kind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
"""Looked at only where a command sets a number of pods."""


class Via(StrEnum):
    """How an object hangs on another one, its anchor, in the same namespace."""

    OWNER = "owner"  # its controller ownerReference holds the anchor's uid
    INVOLVED = "involved"  # an Event about the anchor: involvedObject holds the anchor's uid
    NAME = "name"  # the anchor names it (workloadRef, targetRef, activeService, an annotation)
    NAMES = "names"  # it names the anchor (an EndpointSlice its Service)
    SELECTS = "selects"  # its selector chooses the anchor's pods (a Service of a Deployment)
    SELECTED = "selected"  # the anchor's selector chooses its pods (a Deployment of a Service)


@dataclass(frozen=True, slots=True)
class Relation:
    """Objects of `kind` that an engine reads besides its root, and how they are found.

    `of` names the kinds they hang on, each the root's own (empty text) or of a relation before this one:
    `Relation(POD, Via.OWNER, ("ReplicaSet",))` are the pods of the ReplicaSets found above. The keys that
    make this a look-up, for children and for anchors, are `kinship.offers` and `kinship.asks`.

    `swallows`: such an object is part of this root, and is not shown as a workload of its own though its
    kind is a root of some engine. `optional`: the kind may well be absent from a cluster or forbidden; that
    must not make the workload's source stale, but it still counts as missing in `Kin`.
    """

    kind: Kind
    via: Via
    of: tuple[str, ...] = ("",)
    swallows: bool = False
    optional: bool = False


SERVED = (
    Relation(SERVICE, Via.SELECTS, optional=True),
    Relation(SERVICE, Via.NAME, optional=True),
    Relation(ENDPOINTSLICE, Via.NAMES, ("Service",), optional=True),
)
"""The Services that choose a root's pods, or that it names, and their endpoints."""


def reported(*of: str) -> Relation:
    """Events about the root and about relatives of the kinds `of`."""
    return Relation(EVENT, Via.INVOLVED, ("", *of), optional=True)


@dataclass(frozen=True, slots=True)
class Kin:
    """The objects related to a root as its engine's `relations` say, in any order. `warnings` holds Events of
    type Warning, `notices` all others, by the uid of the object they are about.

    `missing` names kinds that could not be looked at ("Pod": not permitted, not there, or not yet listed);
    an engine must then not read their absence as zero.
    """

    replicasets: Sequence[ReplicaSet] = ()
    pods: Sequence[Pod] = ()
    missing: frozenset[str] = frozenset()
    revisions: Sequence[ControllerRevision] = ()
    deployments: Sequence[Deployment] = ()
    daemonsets: Sequence[DaemonSet] = ()
    services: Sequence[Service] = ()
    slices: Sequence[EndpointSlice] = ()
    ingresses: Sequence[Ingress] = ()
    routes: Sequence[HTTPRoute] = ()
    runs: Sequence[AnalysisRun] = ()
    experiments: Sequence[Experiment] = ()
    warnings: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    notices: Mapping[str, Sequence[Event]] = field(default_factory=dict)


class Engine(Protocol):
    """How one kind of rollout is read and driven. Pure: no clock, no I/O; never raises on decoded shapes."""

    @property
    def name(self) -> str:
        """Stored and shown; never renamed ("argo-rollouts")."""

    @property
    def root(self) -> Kind:
        """The kind whose objects are workloads."""

    @property
    def relations(self) -> tuple[Relation, ...]:
        """What `observe` reads besides the root; anchors come before what hangs on them."""

    def claims(self, root: Root) -> bool:
        """Whether this object, of kind `root`, is this engine's to read."""

    def observe(self, root: Root, kin: Kin) -> RolloutState:
        """What is going on. The same input gives the same state."""

    def verbs(self, state: RolloutState) -> Mapping[Verb, Offer]:
        """Every verb that this engine knows, as it stands in `state`: offered, or blocked with the reasons. A verb that
        makes no sense for it is absent."""

    def queries(self, root: Raw) -> tuple[Query, ...]:
        """What `plan` has to see beside the root, so that the look is fresh."""

    def plan(self, verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
        """What to send. `stamp` is the command's id, which the main resource is marked with. The same look gives the
        same plan. Raises `NotOffered` where `verbs` would not offer it for what is seen, or arguments do not fit."""
