"""Objects the tests create. Pods ask for the hollow nodes, so that the same manifests serve a cluster with others."""

from typing import Any

Obj = dict[str, Any]
HOLLOW = "hollow"
"""Label and taint of the nodes whose kubelet is ours."""
APPS = "/apis/apps/v1/namespaces"
CORE = "/api/v1/namespaces"
ARGO = "/apis/argoproj.io/v1alpha1/namespaces"
FLAGGER = "/apis/flagger.app/v1beta1/namespaces"


def pod_template(name: str, image: str, *, probe: bool = True, grace: int = 1, **hollow: str) -> Obj:
    """A template of one container; `hollow` are the kubelet's annotations, with underscores for dashes."""
    container: Obj = {"name": "web", "image": image}
    if probe:
        container["readinessProbe"] = {"tcpSocket": {"port": 80}}
    notes = {f"hollow/{key.replace('_', '-')}": value for key, value in hollow.items()}
    return {
        "metadata": {"labels": {"app": name}} | ({"annotations": notes} if notes else {}),
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": grace,
            "nodeSelector": {HOLLOW: "true"},
            "tolerations": [{"key": HOLLOW, "operator": "Exists"}],
        },
    }


def deployment(name: str, template: Obj, *, replicas: int = 2, **spec: Any) -> Obj:
    """A Deployment whose pods carry the label app=NAME; `spec` adds to its spec or replaces it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template,
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, "progressDeadlineSeconds": 60,
        } | spec,
    }  # fmt: skip


def stateful_set(name: str, template: Obj, *, replicas: int = 3, partition: int = 0) -> Obj:
    """A StatefulSet whose pods carry the label app=NAME and below `partition` keep their revision."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template,
            "serviceName": name, "updateStrategy": {"rollingUpdate": {"partition": partition}},
        },
    }  # fmt: skip


def daemon_set(name: str, template: Obj, **rolling: int) -> Obj:
    """A DaemonSet of the hollow nodes whose pods carry the label app=NAME; `rolling` is how it is updated."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}}, "template": template,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        },
    }  # fmt: skip


def rollout(name: str, template: Obj, strategy: Obj, *, replicas: int = 2) -> Obj:
    """An Argo Rollout."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template,
            "strategy": strategy, "progressDeadlineSeconds": 60,
        },
    }  # fmt: skip


def canary(name: str, gate: str) -> Obj:
    """A Flagger Canary of the Deployment called the same: blue-green without a mesh, one round of no checks, then a
    gate at the address `gate`."""
    hook = {"name": "release", "type": "confirm-promotion", "url": gate, "timeout": "2s"}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "provider": "kubernetes", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "progressDeadlineSeconds": 60, "service": {"port": 80},
            "analysis": {"interval": "10s", "threshold": 2, "iterations": 1, "webhooks": [hook]},
        },
    }  # fmt: skip


def service(name: str, app: str) -> Obj:
    """A Service for the pods labelled app=APP."""
    ports = [{"port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": ports},
    }


def analysis_template(name: str, url: str) -> Obj:
    """A metric asked for once at `url`, good if its JSON answers ok."""
    provider = {"web": {"url": url, "jsonPath": "{$.ok}"}}
    metric = {
        "name": "ok",
        "successCondition": "result == true",
        "failureLimit": 0,
        "count": 1,
        "provider": provider,
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {"metrics": [metric]},
    }


def image(tag: str, **hollow: str) -> Obj:
    """A strategic merge patch that asks for another image, and for other behaviour of the hollow kubelet."""
    notes = {f"hollow/{key.replace('_', '-')}": value for key, value in hollow.items()}
    template: Obj = {"spec": {"containers": [{"name": "web", "image": tag}]}}
    if notes:
        template["metadata"] = {"annotations": notes}
    return {"spec": {"template": template}}
