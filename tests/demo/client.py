"""The kubernetes client as Shipboard uses it (transport only), and waiting for a condition."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from kubernetes.aio import client as kubernetes

from app.demo import EmbeddedCluster

Obj = dict[str, Any]
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REPLICASETS = "/apis/apps/v1/namespaces/default/replicasets"
STATEFULSETS = "/apis/apps/v1/namespaces/default/statefulsets"
DAEMONSETS = "/apis/apps/v1/namespaces/default/daemonsets"
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
WEB = f"{DEPLOYMENTS}/web"


class Client:
    """Raw requests by kubernetes.aio's ApiClient: answers are (status, decoded body)."""

    def __init__(self, url: str, token: str) -> None:
        configuration = kubernetes.Configuration(host=url)
        configuration.api_key["BearerToken"] = token
        configuration.api_key_prefix["BearerToken"] = "Bearer"
        self.api = kubernetes.ApiClient(configuration)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.close()

    async def open(self, method: str, path: str, body: Any = None, content: str = "", **query: Any) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content or "application/json"
        parameters = await self.api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        return await self.api.call_api(*parameters, _request_timeout=20.0)

    async def call(self, method: str, path: str, body: Any = None, content: str = "", **query: Any) -> Any:
        response = await self.open(method, path, body, content, **query)
        raw = await response.read()
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw.decode()

    async def get(self, path: str, **query: Any) -> Obj:
        status, body = await self.call("GET", path, **query)
        assert status == 200, body
        found: Obj = body
        return found

    async def patch(self, path: str, body: Any, content: str = MERGE, **query: Any) -> Any:
        return await self.call("PATCH", path, body, content, **query)

    async def watch(self, path: str, **query: Any) -> AsyncIterator[Obj]:
        """The events of a watch until it ends."""
        response = await self.open("GET", path, watch="true", **query)
        assert response.status == 200, await response.read()
        try:
            while line := await response.response.content.readline():
                yield json.loads(line)
        finally:
            response.response.close()


def stored(cluster: EmbeddedCluster, plural: str, name: str, namespace: str = "default") -> Obj:
    """An object as it is in the store now."""
    entry = cluster.store.get(plural, namespace, name)
    assert entry is not None, f"{plural} {namespace}/{name} is not there"
    return entry.obj


async def until(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """The first true value of a condition; fails naming `what` after the deadline."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (value := condition()):
        assert loop.time() < end, f"still waiting for: {what}"
        await asyncio.sleep(0.005)
    return value


def template(image: str = "web:1.0", *, probe: bool = True, **annotations: str) -> Obj:
    """A pod template; annotations are given without their `hollow/` and with `_` for `-`."""
    container: Obj = {
        "name": "web",
        "image": image,
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
    }
    if probe:
        container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}}
    marks = {
        "hollow/ready-after": "1.5",
        **{f"hollow/{key.replace('_', '-')}": value for key, value in annotations.items()},
    }
    return {"metadata": {"labels": {"app": "web"}, "annotations": marks}, "spec": {"containers": [container]}}


def deployment(image: str = "web:1.0", replicas: int = 4, *, pod: Obj | None = None, **spec: Any) -> Obj:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": rolling,
            "template": pod or template(image),
            **spec,
        },
    }


def _set(kind: str, name: str, spec: Obj) -> Obj:
    body = template(f"{name}:1")
    body["metadata"]["labels"] = {"app": name}
    wanted = {"selector": {"matchLabels": {"app": name}}, "template": body, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": wanted}


def statefulset(replicas: int = 3, **spec: Any) -> Obj:
    """`db` at the image db:1."""
    return _set("StatefulSet", "db", {"replicas": replicas, "serviceName": "db", **spec})


def daemonset(**spec: Any) -> Obj:
    """`agent` at the image agent:1."""
    return _set("DaemonSet", "agent", spec)


def condition(obj: Obj, kind: str) -> tuple[str, str]:
    """Status and reason of a condition, or two empty strings."""
    for row in (obj.get("status") or {}).get("conditions") or ():
        if row["type"] == kind:
            return row["status"], row["reason"]
    return "", ""


def through(obj: Obj) -> bool:
    """Whether a Deployment's rollout is through, as kubectl rollout status sees it."""
    status, wanted = obj["status"], obj["spec"]["replicas"]
    counts = {status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas")}
    seen: bool = status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
    return seen and counts == {wanted}
