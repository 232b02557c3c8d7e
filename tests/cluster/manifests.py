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


def colour(app: str, name: str, tag: str, **hollow: Any) -> Obj:
    """A Deployment APP-NAME whose pods carry the labels app=APP and color=NAME."""
    template = pod_template(app, tag, **hollow)
    template["metadata"]["labels"]["color"] = name
    return deployment(f"{app}-{name}", template, selector={"matchLabels": {"app": app, "color": name}})


def switch(app: str, to: str) -> Obj:
    """A Service that chooses one colour of an app."""
    made = service(app, app)
    made["metadata"]["annotations"] = {"shipboard/switch": "color"}
    made["spec"]["selector"]["color"] = to
    return made


def native_canary(name: str, route: str) -> tuple[Obj, Obj]:
    """A stable Deployment NAME at web:1 and its canary NAME-canary at web:2; `route` splits the traffic, if any."""
    made = []
    for suffix, track, tag in (("", "stable", "web:1"), ("-canary", "canary", "web:2")):
        template, labels = pod_template(name, tag), {"app": name, "track": track}
        template["metadata"]["labels"] = labels
        made.append(deployment(name + suffix, template, replicas=1, selector={"matchLabels": labels}))
    made[0]["metadata"]["annotations"] = {"shipboard/canary": f"{name}-canary"}
    if route:
        made[0]["metadata"]["annotations"]["shipboard/canary-route"] = route
    return made[0], made[1]


def http_route(name: str, weight: int) -> Obj:
    """A route that gives NAME-canary `weight` of 100."""
    refs = [{"name": name, "port": 80, "weight": 100 - weight},
            {"name": f"{name}-canary", "port": 80, "weight": weight}]  # fmt: skip
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"rules": [{"backendRefs": refs}]},
    }


def ingress(name: str, weight: int) -> Obj:
    """A canary's Ingress of ingress-nginx."""
    note = "nginx.ingress.kubernetes.io/canary"
    backend = {"service": {"name": f"{name}-canary", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": {note: "true", f"{note}-weight": str(weight)}},
        "spec": {"rules": [{"host": f"{name}.example", "http": {"paths": paths}}]},
    }


OWNERS = {
    "Application": "argoproj.io/v1alpha1",
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1",
    "HelmRelease": "helm.toolkit.fluxcd.io/v2",
}
"""What manages workloads, and its API version."""


def owner(kind: str, name: str) -> Obj:
    """Something that manages workloads and corrects them by itself."""
    automated = {"syncPolicy": {"automated": {"selfHeal": True}}} if kind == "Application" else {}
    history = [
        {"id": id_, "revision": at, "source": {"repoURL": "x"}} for id_, at in ((1, "aaaa"), (2, "bbbb"))
    ]
    return {"apiVersion": OWNERS[kind], "kind": kind, "metadata": {"name": name}, "spec": automated,
            "status": {"history": history}}  # fmt: skip


def managed(root: Obj, kind: str, name: str, namespace: str) -> Obj:
    """A Deployment as it looks when the owner `kind`/`name` of the same namespace manages it."""
    meta, group = root["metadata"], OWNERS[kind].partition("/")[0]
    if kind == "Application":
        id_ = f"{namespace}_{name}:apps/Deployment:{namespace}/{meta['name']}"
        meta["annotations"] = {"argocd.argoproj.io/tracking-id": id_}
    else:
        meta["labels"] |= {f"{group}/name": name, f"{group}/namespace": namespace}
    return root


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
