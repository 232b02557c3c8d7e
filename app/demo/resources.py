"""The resources the embedded cluster serves, and what discovery says about them.

A `Resource` is one row of a table; nothing else in the package lists kinds. Discovery documents (classic and
aggregated) and the small OpenAPI v3 documents kubectl insists on are derived from the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ARGO_GROUP = "argoproj.io"
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
        subresources=("status", "log"),
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
    Resource("analysisruns", "AnalysisRun", group=ARGO_GROUP, version="v1alpha1", short=("ar",), custom=True),
)
BY_PLURAL: dict[str, Resource] = {resource.plural: resource for resource in RESOURCES}


def served(groups_absent: Iterable[str]) -> list[Resource]:
    """The resources of the groups that are installed."""
    absent = set(groups_absent)
    return [resource for resource in RESOURCES if resource.group not in absent]


def _verbs(sub: str) -> list[str]:
    return ["get"] if sub == "log" else ["get", "patch", "update"]


def _sub_kind(resource: Resource, sub: str) -> dict[str, str]:
    if sub == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def resource_list(resources: list[Resource], group: str, version: str) -> dict[str, Any] | None:
    """`APIResourceList` of one group and version, or None when nothing is served there."""
    rows: list[dict[str, Any]] = []
    for resource in resources:
        if (resource.group, resource.version) != (group, version):
            continue
        row: dict[str, Any] = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(VERBS),
            "shortNames": list(resource.short),
        }
        if resource.categories:
            row["categories"] = list(resource.categories)
        rows.append(row)
        for sub in resource.subresources:
            rows.append(
                {
                    "name": f"{resource.plural}/{sub}",
                    "singularName": "",
                    "namespaced": resource.namespaced,
                    "verbs": _verbs(sub),
                    **_sub_kind(resource, sub),
                }
            )
    if not rows:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": rows,
    }


def group_list(resources: list[Resource]) -> dict[str, Any]:
    """`APIGroupList` as `/apis` answers it."""
    groups = []
    for group, version in dict.fromkeys((r.group, r.version) for r in resources if r.group):
        entry = {"groupVersion": f"{group}/{version}", "version": version}
        groups.append({"name": group, "versions": [entry], "preferredVersion": entry})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def aggregated(resources: list[Resource], *, core: bool) -> dict[str, Any]:
    """`APIGroupDiscoveryList` (apidiscovery.k8s.io/v2) of `/api` (core) or `/apis`."""
    items = []
    for group, version in dict.fromkeys((r.group, r.version) for r in resources if bool(r.group) != core):
        rows = []
        for resource in resources:
            if resource.group != group:
                continue
            row: dict[str, Any] = {
                "resource": resource.plural,
                "responseKind": {"group": group, "version": version, "kind": resource.kind},
                "scope": "Namespaced" if resource.namespaced else "Cluster",
                "singularResource": resource.singular,
                "verbs": list(VERBS),
                "shortNames": list(resource.short),
            }
            if resource.categories:
                row["categories"] = list(resource.categories)
            if resource.subresources:
                row["subresources"] = [
                    {"subresource": sub, "responseKind": _sub_kind(resource, sub), "verbs": _verbs(sub)}
                    for sub in resource.subresources
                ]
            rows.append(row)
        meta = {"name": group} if group else {}
        versions = [{"version": version, "resources": rows, "freshness": "Current"}]
        items.append({"metadata": meta, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def openapi_index(resources: list[Resource]) -> dict[str, Any]:
    """`/openapi/v3`: where the document of each group and version is."""
    paths = {}
    for group, version in dict.fromkeys((r.group, r.version) for r in resources):
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash=demo"}
    return {"paths": paths}


def openapi(resources: list[Resource], group: str, version: str) -> dict[str, Any]:
    """A document without schemas that says one thing kubectl asks: `fieldValidation` is taken by PATCH and POST."""
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    paths: dict[str, Any] = {}
    for resource in resources:
        if (resource.group, resource.version) != (group, version):
            continue
        gvk = {"group": group, "version": version, "kind": resource.kind}
        base = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
        responses = {"200": {"description": "OK"}}
        for path, verb, action in (
            (f"{base}/{resource.plural}/{{name}}", "patch", "patch"),
            (f"{base}/{resource.plural}", "post", "post"),
        ):
            paths[path] = {
                verb: {
                    "x-kubernetes-action": action,
                    "x-kubernetes-group-version-kind": gvk,
                    "parameters": parameters,
                    "responses": responses,
                }
            }
    info = {"title": "Kubernetes (embedded demo cluster)", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
