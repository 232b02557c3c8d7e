"""The resources the embedded cluster serves, and what discovery says about them.

A `Resource` is one row of a table; nothing else in the package lists kinds. Discovery documents (classic and
aggregated) and the small OpenAPI v3 documents kubectl insists on are derived from the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ARGO_GROUP = "argoproj.io"
FLAGGER_GROUP, GATEWAY_GROUP = "flagger.app", "gateway.networking.k8s.io"
FLUX_GROUPS = ("kustomize.toolkit.fluxcd.io", "source.toolkit.fluxcd.io")
LATER_GROUPS = (FLAGGER_GROUP, GATEWAY_GROUP, *FLUX_GROUPS)
FLEET_GROUPS = (GATEWAY_GROUP, FLAGGER_GROUP, *FLUX_GROUPS)
"""Groups that the demo's fleet installs."""
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2+shipboard-demo",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-11-01T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_TEMPLATE: dict[str, Any] = {"metadata": {}, "spec": {"containers": None}}


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource. `skeleton` is what a BOOKMARK object carries besides its metadata."""

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generation: bool = True
    custom: bool = False
    categories: tuple[str, ...] = ()
    skeleton: tuple[tuple[str, Any], ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The plural with its group as error messages name it, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()


def _workload(extra: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return (("spec", {"replicas": 0, "selector": None, "template": _TEMPLATE, **extra}), ("status", {}))


_SCALED = ("status", "scale")
_ALL = ("all",)
RESOURCES: tuple[Resource, ...] = (
    Resource(
        "namespaces",
        "Namespace",
        namespaced=False,
        short=("ns",),
        subresources=("status",),
        generation=False,
        skeleton=(("spec", {}), ("status", {})),
    ),
    Resource(
        "nodes",
        "Node",
        namespaced=False,
        short=("no",),
        subresources=("status",),
        generation=False,
        skeleton=(("spec", {}), ("status", {})),
    ),
    Resource(
        "pods",
        "Pod",
        short=("po",),
        subresources=("status", "log", "eviction"),
        categories=_ALL,
        skeleton=(("spec", {"containers": None}), ("status", {})),
    ),
    Resource(
        "services",
        "Service",
        short=("svc",),
        subresources=("status",),
        generation=False,
        categories=_ALL,
        skeleton=(("spec", {}), ("status", {"loadBalancer": {}})),
    ),
    Resource("configmaps", "ConfigMap", short=("cm",), generation=False),
    Resource("resourcequotas", "ResourceQuota", short=("quota",), subresources=("status",), generation=False),
    Resource("serviceaccounts", "ServiceAccount", short=("sa",), generation=False),
    Resource(
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        group="policy",
        short=("pdb",),
        subresources=("status",),
    ),
    Resource("events", "Event", short=("ev",), generation=False, skeleton=(("involvedObject", {}),)),
    Resource(
        "endpointslices",
        "EndpointSlice",
        group="discovery.k8s.io",
        skeleton=(("addressType", ""), ("endpoints", None), ("ports", None)),
    ),
    Resource(
        "deployments",
        "Deployment",
        group="apps",
        short=("deploy",),
        subresources=_SCALED,
        categories=_ALL,
        skeleton=_workload({"strategy": {}}),
    ),
    Resource(
        "replicasets",
        "ReplicaSet",
        group="apps",
        short=("rs",),
        subresources=_SCALED,
        categories=_ALL,
        skeleton=_workload({}),
    ),
    Resource(
        "statefulsets",
        "StatefulSet",
        group="apps",
        short=("sts",),
        subresources=_SCALED,
        categories=_ALL,
        skeleton=_workload({"serviceName": "", "updateStrategy": {}}),
    ),
    Resource(
        "daemonsets",
        "DaemonSet",
        group="apps",
        short=("ds",),
        subresources=("status",),
        categories=_ALL,
        skeleton=_workload({"updateStrategy": {}}),
    ),
    Resource(
        "controllerrevisions",
        "ControllerRevision",
        group="apps",
        generation=False,
        skeleton=(("revision", 0),),
    ),
    Resource(
        "rollouts",
        "Rollout",
        group=ARGO_GROUP,
        version="v1alpha1",
        short=("ro",),
        subresources=_SCALED,
        custom=True,
    ),
    Resource(
        "canaries",
        "Canary",
        group=FLAGGER_GROUP,
        version="v1beta1",
        subresources=("status",),
        custom=True,
        categories=_ALL,
    ),
    Resource("httproutes", "HTTPRoute", group=GATEWAY_GROUP, subresources=("status",), custom=True),
    Resource(
        "kustomizations",
        "Kustomization",
        group=FLUX_GROUPS[0],
        short=("ks",),
        subresources=("status",),
        custom=True,
    ),
    Resource(
        "gitrepositories",
        "GitRepository",
        group=FLUX_GROUPS[1],
        short=("gitrepo",),
        subresources=("status",),
        custom=True,
    ),
    Resource(
        "analysistemplates",
        "AnalysisTemplate",
        group=ARGO_GROUP,
        version="v1alpha1",
        short=("at",),
        custom=True,
    ),
    Resource("analysisruns", "AnalysisRun", group=ARGO_GROUP, version="v1alpha1", short=("ar",), custom=True),
    Resource(
        "applications", "Application", group=ARGO_GROUP, version="v1alpha1", short=("app",), custom=True
    ),
)
BY_PLURAL: dict[str, Resource] = {resource.plural: resource for resource in RESOURCES}


def served(groups_absent: Iterable[str]) -> list[Resource]:
    """The resources of the groups that are installed."""
    absent = set(groups_absent)
    return [resource for resource in RESOURCES if resource.group not in absent]
