"""What the real API server and the embedded one are asked side by side, and where their answers may differ.

Every request is harmless: it reads, or it is a dry run. `{ns}` is a namespace of one name on both, with a Deployment
`web` of no replicas and the ConfigMaps `a`, `b` and `c`; a Query value or a body may ask for the Deployment's own
"{uid}" and "{version}".
"""

from dataclasses import dataclass, field
from typing import Any

from tests.cluster.api import APPLY, JSON_PATCH, MERGE, STRATEGIC
from tests.cluster.manifests import Obj, deployment, image, pod_template, service

WEB = "/apis/apps/v1/namespaces/{ns}/deployments/web"
DEPLOYMENTS = WEB.removesuffix("/web")
CONFIGMAPS = "/api/v1/namespaces/{ns}/configmaps"
PODS = "/api/v1/namespaces/{ns}/pods"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
JSON = "application/json"
FRESH = deployment("fresh", pod_template("fresh", "web:1"))

OTHER_CONTAINER = {"spec": {"template": {"spec": {"containers": [{"name": "wbe", "image": "web:2"}]}}}}
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NOBODY = "00000000-0000-0000-0000-000000000000"
LABELLED = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"labels": {"x": "y"}}}
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "nothing"}}


@dataclass(frozen=True)
class Asked:
    """One request."""

    id: str
    method: str
    path: str
    body: Any = None
    type: str = JSON
    accept: str = JSON
    query: dict[str, str] = field(default_factory=dict)


def read(id: str, path: str, accept: str = JSON, **query: str) -> Asked:  # noqa: A002
    return Asked(id, "GET", path, None, JSON, accept, query)


def dry(id: str, method: str, path: str, body: Any, type: str = JSON, **query: str) -> Asked:  # noqa: A002
    return Asked(id, method, path, body, type, JSON, {"dryRun": "All"} | query)


def without(obj: Obj, *path: str) -> Obj:
    """`obj` without the key at the end of `path`."""
    head, *rest = path
    return {k: without(v, *rest) if k == head else v for k, v in obj.items() if rest or k != head}


ALL = (
    read("get", WEB),
    read("list-statefulsets", "/apis/apps/v1/namespaces/{ns}/statefulsets"),
    read("list-daemonsets", "/apis/apps/v1/namespaces/{ns}/daemonsets"),
    read("list-quotas", "/api/v1/namespaces/{ns}/resourcequotas"),
    read("get-definition", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.nothing.example"),
    read("get-status", WEB + "/status"),
    read("get-scale", WEB + "/scale"),
    read("get-missing", DEPLOYMENTS + "/nothing"),
    read("get-missing-configmap", CONFIGMAPS + "/nothing"),
    read("get-missing-pod-log", PODS + "/nothing/log"),
    read("unknown-group", "/apis/nothing.example/v1/things"),
    read("unknown-version", "/apis/apps/v9/deployments"),
    read("unknown-resource", "/apis/apps/v1/namespaces/{ns}/things"),
    read("unknown-subresource", WEB + "/things"),
    read("list", DEPLOYMENTS),
    read("list-empty", PODS),
    read("list-nowhere", "/api/v1/namespaces/nowhere/pods"),
    read("list-first-page", CONFIGMAPS, limit="1", labelSelector="mine"),
    read("list-first-page-unselected", DEPLOYMENTS, limit="1"),
    read("list-by-label", CONFIGMAPS, labelSelector="mine=yes,part in (x, y),!other"),
    read("list-by-field", CONFIGMAPS, fieldSelector="metadata.name=b"),
    read("list-at-0", CONFIGMAPS, labelSelector="mine", resourceVersion="0"),
    read("list-bad-selector", CONFIGMAPS, labelSelector="a=(b"),
    read("list-bad-field", PODS, fieldSelector="spec.nothing=1"),
    read("list-bad-version", CONFIGMAPS, resourceVersion="abc"),
    read("list-bad-continue", CONFIGMAPS, **{"continue": "abc"}),
    read("list-bad-match", CONFIGMAPS, resourceVersionMatch="Exact"),
    read("list-future", CONFIGMAPS, resourceVersion="99999999"),
    read("list-as-html", CONFIGMAPS, "text/html"),
    read("list-metadata", CONFIGMAPS, METADATA, labelSelector="mine"),
    read("watch-bad-version", CONFIGMAPS, watch="true", resourceVersion="abc"),
    read("watch-initial-unmatched", CONFIGMAPS, watch="true", sendInitialEvents="true"),
    dry("create", "POST", DEPLOYMENTS, FRESH),
    dry("create-service", "POST", "/api/v1/namespaces/{ns}/services", service("fresh", "web")),
    dry("create-twice", "POST", DEPLOYMENTS, deployment("web", pod_template("web", "web:1"))),
    dry("create-generated", "POST", CONFIGMAPS, {"metadata": {"generateName": "x-"}}),
    dry("create-nameless", "POST", CONFIGMAPS, {"metadata": {}}),
    dry("create-badly-named", "POST", CONFIGMAPS, {"metadata": {"name": "Not_Good"}}),
    dry("create-elsewhere", "POST", CONFIGMAPS, {"metadata": {"name": "x", "namespace": "default"}}),
    dry("create-nowhere", "POST", "/api/v1/namespaces/nowhere/configmaps", {"metadata": {"name": "x"}}),
    dry("create-broken", "POST", CONFIGMAPS, b"{"),
    dry("create-other-kind", "POST", CONFIGMAPS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}),
    dry("create-unselective", "POST", DEPLOYMENTS, without(FRESH, "spec", "selector")),
    dry("create-without-template", "POST", DEPLOYMENTS, without(FRESH, "spec", "template")),
    dry("create-mismatched", "POST", DEPLOYMENTS, deployment("x", pod_template("y", "web:1"))),
    dry("create-imageless", "POST", DEPLOYMENTS, deployment("x", pod_template("x", ""))),
    dry("merge-replicas", "PATCH", WEB, {"spec": {"replicas": 3}}, MERGE),
    dry("merge-pause", "PATCH", WEB, {"spec": {"paused": True}}, MERGE),
    dry("merge-annotation", "PATCH", WEB, {"metadata": {"annotations": {"x": "y"}}}, MERGE),
    dry("merge-nothing", "PATCH", WEB, {}, MERGE),
    dry("merge-missing", "PATCH", DEPLOYMENTS + "/nothing", {}, MERGE),
    dry("merge-containers", "PATCH", WEB, image("web:2"), MERGE),
    dry("merge-status-in-main", "PATCH", WEB, {"status": {"replicas": 9}}, MERGE),
    dry("merge-spec-in-status", "PATCH", WEB + "/status", {"spec": {"replicas": 9}}, MERGE),
    dry("merge-scale", "PATCH", WEB + "/scale", {"spec": {"replicas": 4}}, MERGE),
    dry("merge-version", "PATCH", WEB, {"metadata": {"resourceVersion": "{version}"}, "spec": {"replicas": 2}}, MERGE),
    dry("merge-stale", "PATCH", WEB, {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 2}}, MERGE),
    dry("merge-uid", "PATCH", WEB, {"metadata": {"uid": "{uid}"}, "spec": {"replicas": 2}}, MERGE),
    dry("merge-other-uid", "PATCH", WEB, {"metadata": {"uid": NOBODY}}, MERGE),
    dry("merge-other-name", "PATCH", WEB, {"metadata": {"name": "x"}}, MERGE),
    dry("merge-negative", "PATCH", WEB, {"spec": {"replicas": -1}}, MERGE),
    dry("merge-wrong-type", "PATCH", CONFIGMAPS + "/a", {"data": {"x": 1}}, MERGE),
    dry("merge-selector", "PATCH", WEB, {"spec": {"selector": {"matchLabels": {"app": "other"}}}}, MERGE),
    dry("merge-short-deadline", "PATCH", WEB, {"spec": {"minReadySeconds": 99, "progressDeadlineSeconds": 9}}, MERGE),
    dry("merge-broken", "PATCH", WEB, b"{", MERGE),
    dry("merge-unknown-field", "PATCH", WEB, {"spec": {"nothing": 1}}, MERGE),
    dry("merge-unknown-field-strict", "PATCH", WEB, {"spec": {"nothing": 1}}, MERGE, fieldValidation="Strict"),
    dry("strategic-image", "PATCH", WEB, image("web:2"), STRATEGIC),
    dry("strategic-new-container", "PATCH", WEB, OTHER_CONTAINER, STRATEGIC),
    dry("json-replace", "PATCH", WEB, [{"op": "replace", "path": "/spec/replicas", "value": 5}], JSON_PATCH),
    dry("json-test", "PATCH", WEB, [{"op": "test", "path": "/spec/replicas", "value": 99}], JSON_PATCH),
    dry("json-bad-path", "PATCH", WEB, [{"op": "remove", "path": "/spec/nothing"}], JSON_PATCH),
    dry("json-object", "PATCH", WEB, {"op": "remove"}, JSON_PATCH),
    dry("patch-as-json", "PATCH", WEB, {}, JSON),
    dry("apply", "PATCH", WEB, LABELLED, APPLY, fieldManager="me"),
    dry("put-stale", "PUT", CONFIGMAPS + "/a", {"metadata": {"name": "a", "resourceVersion": "1"}}),
    dry("put-other-name", "PUT", CONFIGMAPS + "/a", {"metadata": {"name": "b"}}),
    dry("put-missing", "PUT", CONFIGMAPS + "/nothing", {"metadata": {"name": "nothing"}}),
    dry("put", "PUT", CONFIGMAPS + "/a", {"metadata": {"name": "a"}, "data": {"k": "v"}}),
    dry("delete", "DELETE", CONFIGMAPS + "/a", None),
    dry("delete-missing", "DELETE", DEPLOYMENTS + "/nothing", None),
    Asked("delete-other-uid", "DELETE", WEB, {"preconditions": {"uid": NOBODY}}),
    dry("bad-dry-run", "PATCH", WEB, {}, MERGE, dryRun="Some"),
    dry("post-to-object", "POST", WEB, {}),
    dry("evict-missing", "POST", PODS + "/nothing/eviction", EVICTION),
    Asked("may-i", "POST", ACCESS, {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}}),
    Asked("may-i-nothing", "POST", ACCESS, {"spec": {}}),
)  # fmt: skip

# Not asked here, and not there either: RBAC of its own (the 403s are a switch), admission, a node that is lost, and a
# watch cache that starts anew with the server.
_WORDS = "the same code and reason in other words"
_NO_SCHEMA = "the embedded cluster has no schemas, so"
DIFFERENCES: dict[str, str] = {
    "list-bad-selector": _WORDS,
    "list-bad-continue": _WORDS,
    "create-broken": _WORDS,
    "get-definition": "definitions are built in and not to be seen",
    "list-as-html": "it offers JSON alone, and says so",
    "watch-bad-version": "400, where the real server answers 500",
    "merge-wrong-type": f"{_NO_SCHEMA} only types of what is rolled out are refused",
    "merge-unknown-field": f"{_NO_SCHEMA} unknown fields are kept, without a warning",
    "merge-unknown-field-strict": f"{_NO_SCHEMA} fieldValidation=Strict is not refused",
    "strategic-new-container": "a list's new member comes last, not first",
    "apply": "server-side apply is refused: Shipboard does not apply",
    "may-i-nothing": "a review of nothing is not refused",
}
"""Requests whose answers differ, and why that is left so. Where one is refused and the other is not, it says so."""
