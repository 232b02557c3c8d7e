"""Discovery: what is served, classic and aggregated, and the little OpenAPI v3 that kubectl insists on."""

from __future__ import annotations

from typing import Any

from app.demo.resources import VERBS, VERSION, Resource

Obj = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def document(parts: list[str], installed: list[Resource], accept: str) -> Obj | None:
    """The document at a path taken apart, or None when it is no discovery path."""
    aggregated = "v=v2;as=APIGroupDiscoveryList" in accept
    match parts:
        case ["version"]:
            return dict(VERSION)
        case ["api"]:
            if aggregated:
                return aggregated_list(installed, core=True)
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            if aggregated:
                return aggregated_list(installed, core=False)
            return group_list(installed)
        case ["api", "v1"]:
            return resource_list(installed, "", "v1")
        case ["apis", group]:
            found = [g for g in group_list(installed)["groups"] if g["name"] == group]
            return {"kind": "APIGroup", "apiVersion": "v1", **found[0]} if found else None
        case ["apis", group, version]:
            return resource_list(installed, group, version)
        case ["openapi", "v3"]:
            return openapi_index(installed)
        case ["openapi", "v3", "api", version]:
            return openapi(installed, "", version)
        case ["openapi", "v3", "apis", group, version]:
            return openapi(installed, group, version)
    return None


def _verbs(sub: str) -> list[str]:
    return {"log": ["get"], "eviction": ["create"]}.get(sub, ["get", "patch", "update"])


def _sub_kind(resource: Resource, sub: str) -> dict[str, str]:
    if sub == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    if sub == "eviction":
        return {"group": "policy", "version": "v1", "kind": "Eviction"}
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
        rows.extend(
            {
                "name": f"{resource.plural}/{sub}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "verbs": _verbs(sub),
                **_sub_kind(resource, sub),
            }
            for sub in resource.subresources
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


def aggregated_list(resources: list[Resource], *, core: bool) -> dict[str, Any]:
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
    """A document without schemas that says one thing kubectl asks: `fieldValidation` is taken by PATCH and
    POST."""
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
