"""The embedded cluster answers as the real API server does: the same requests, side by side."""

import asyncio
import json
import re
import secrets
from typing import Any

import pytest

from tests.cluster import asked
from tests.cluster.api import STRATEGIC, Answer, Api
from tests.cluster.manifests import APPS, CORE, deployment, image, pod_template
from tests.cluster.witness import done

pytestmark = pytest.mark.anyio
_FREE = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "continue", "selfLink")


@pytest.fixture(scope="module")
async def alike(real, embedded):
    """A namespace with the same objects on both, and what each calls its Deployment."""
    namespace, known = f"alike-{secrets.token_hex(3)}", []
    for api in (real.api, embedded):
        await api.create(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        )
        web = deployment("web", pod_template("web", "web:1"), replicas=0)
        await api.create(f"{APPS}/{namespace}/deployments", web)
        for name in ("a", "b", "c"):
            labels = {"mine": "yes", "part": "x" if name == "a" else "z"}
            await api.create(f"{CORE}/{namespace}/configmaps", {"metadata": {"name": name, "labels": labels}})
    for api in (real.api, embedded):
        found = await api.until(f"{APPS}/{namespace}/deployments/web", settled)
        known.append({"uid": found["metadata"]["uid"], "version": found["metadata"]["resourceVersion"]})
    return namespace, known


def settled(web):
    return len(web["status"].get("conditions", ())) == 2 and web["status"].get("observedGeneration") == 1


async def ask(api: Api, one: asked.Asked, namespace: str, known: dict[str, str]) -> Answer:
    body = one.body
    if isinstance(body, dict | list):
        text = json.dumps(body)
        for name, value in known.items():
            text = text.replace(f"{{{name}}}", value)
        body = json.loads(text)
    path = one.path.replace("{ns}", namespace)
    query: Any = one.query
    return await api.ask(one.method, path, body, type=one.type, accept=one.accept, **query)


def essence(answer: Answer):
    """The answer without what is each server's own: ids, versions, instants."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    text = answer.body.decode()
    if kind != "application/json":
        return answer.status, kind, text.strip()
    return answer.status, kind, plain(json.loads(text))


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in sorted(value.items()) if k not in _FREE}
    if isinstance(value, list):
        if all(isinstance(v, dict) and "lastTransitionTime" in v for v in value):
            value = sorted(value, key=lambda condition: condition["type"])  # a map by type, in no order
        return [plain(v) for v in value]
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "INSTANT", value)
        value = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", value)
        value = re.sub(r"\b10(\.\d+){3}\b", "ADDRESS", value)
        value = re.sub(r"\b(web|app|x)-[bcdfghjklmnpqrstvwxz2456789]{5,10}\b", "GENERATED", value)
        return re.sub(r"\b\d{5,}\b|(?<=current: )\d+", "NUMBER", value)
    return value


@pytest.mark.parametrize("one", asked.ALL, ids=lambda one: one.id)
async def test_answer_is_the_same(real, embedded, alike, one):
    namespace, (ours, theirs) = alike
    truth, told = await asyncio.gather(
        ask(real.api, one, namespace, ours), ask(embedded, one, namespace, theirs)
    )
    if one.id in asked.DIFFERENCES:
        assert essence(told) != essence(truth), f"{one.id} agrees by now: strike it from the table"
        assert (told.status < 400) == (truth.status < 400) or "refused" in asked.DIFFERENCES[one.id]
    else:
        assert essence(told) == essence(truth)


async def test_what_a_rollout_leaves_behind_is_the_same(real, embedded, alike):
    """Deployment, ReplicaSets and Pod after an update: every field that is not each cluster's own."""
    namespace, _ = alike
    left = []
    for api in (real.api, embedded):
        path = f"{APPS}/{namespace}/deployments"
        await api.create(path, deployment("app", pod_template("app", "web:1"), replicas=1))
        await api.until(f"{path}/app", lambda root: done({"kind": "Deployment", **root}))
        await api.patch(f"{path}/app", image("web:2"), type=STRATEGIC)
        await api.until(f"{path}/app", lambda root: done({"kind": "Deployment", **root}))
        pods = await api.until(f"{CORE}/{namespace}/pods", lambda listed: len(listed["items"]) == 1)
        root = await api.until(f"{path}/app", lambda root: not root["status"].get("terminatingReplicas"))
        sets = await api.get(f"{APPS}/{namespace}/replicasets", labelSelector="app=app")
        sets = sorted(
            sets["items"], key=lambda one: one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        )
        left.append([root, *sets, *pods["items"]])
    ours, theirs = ([own(obj) for obj in objects] for objects in left)
    assert theirs == ours


def own(obj):
    """`obj` without what names a cluster's own nodes, addresses, generated names, and its own patience."""
    text = json.dumps(plain(obj))
    text = re.sub(
        r'"(pod-template-hash|nodeName|containerID|topology.kubernetes.io/zone)": "[^"]*"',
        r'"\1": "OWN"',
        text,
    )
    text = re.sub(r'"(hostIP|podIP|ip)": "[^"]*"', r'"\1": "OWN"', text)
    text = re.sub(r"kube-api-access-\w+|GENERATED-\w+", "GENERATED", text)
    return json.loads(re.sub(r'"tolerationSeconds": \d+', '"tolerationSeconds": 0', text))
