"""What the API answers to reads and writes, by the real client; the texts are those of a recorded 1.36."""

import json

import pytest
from kubernetes.aio import client as kubernetes

from app.demo import EmbeddedCluster
from tests.demo.client import (
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    ROLLOUTS,
    STRATEGIC,
    WEB,
    Client,
    condition,
    deployment,
    stored,
    template,
    through,
    until,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def web(cluster: EmbeddedCluster, client: Client) -> dict[str, str]:
    """A paused Deployment, so that (after a first look) only the test writes to it. Returns its metadata."""
    await client.call("POST", DEPLOYMENTS, deployment(replicas=2, paused=True))
    await until(lambda: condition(stored(cluster, "deployments", "web"), "Available")[0], "a first look")
    metadata: dict[str, str] = (await client.get(WEB))["metadata"]
    return metadata


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", f"{DEPLOYMENTS}/nope", 404, 'deployments.apps "nope" not found'),
        ("PATCH", f"{DEPLOYMENTS}/nope", 404, 'deployments.apps "nope" not found'),
        ("DELETE", f"{DEPLOYMENTS}/nope", 404, 'deployments.apps "nope" not found'),
        ("GET", "/apis/apps/v1/nothing", 404, "the server could not find the requested resource"),
        ("GET", f"{PODS}/x/log", 404, 'pods "x" not found'),
        ("POST", WEB, 405, "the server does not allow this method on the requested resource"),
        (
            "GET",
            f"{DEPLOYMENTS}?labelSelector=a%20b%20c",
            400,
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            "GET",
            f"{DEPLOYMENTS}?fieldSelector=spec.replicas%3D2",
            400,
            '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (
            "GET",
            f"{DEPLOYMENTS}?resourceVersion=abc",
            400,
            'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: '
            'parsing "abc": invalid syntax',
        ),
    ],
)
async def test_refusal_has_the_recorded_words(
    client: Client, web: dict[str, str], method: str, path: str, code: int, message: str
) -> None:
    body: dict[str, object] | None = {} if method in ("PATCH", "POST") else None
    status, answer = await client.call(method, path, body, MERGE if method == "PATCH" else "")
    assert (status, answer["code"], answer["message"]) == (code, code, message)
    assert (answer["kind"], answer["status"]) == ("Status", "Failure")


@pytest.mark.parametrize("path", ["/apis/nobody.example/v1/things", "/nope"])
async def test_unknown_group_is_plain_text(client: Client, path: str) -> None:
    assert await client.call("GET", path) == (404, "404 page not found\n")


async def test_wrong_token_is_401_without_details(cluster: EmbeddedCluster) -> None:
    async with Client(cluster.url, "wrong") as stranger:
        status, body = await stranger.call("GET", PODS)
    assert status == 401
    assert body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


async def test_list_in_a_namespace_that_is_not_there_is_empty(client: Client) -> None:
    assert (await client.get("/apis/apps/v1/namespaces/none/deployments"))["items"] == []
    status, body = await client.call("POST", "/apis/apps/v1/namespaces/none/deployments", deployment())
    assert (status, body["message"]) == (404, 'namespaces "none" not found')


async def test_preconditions_refuse_what_is_stale_or_another(client: Client, web: dict[str, str]) -> None:
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}
    status, body = await client.patch(WEB, stale)
    assert (status, body["reason"]) == (409, "Conflict")
    status, body = await client.patch(WEB, {"metadata": {"uid": "wrong"}, "spec": {"replicas": 3}})
    assert status == 422
    why = 'metadata.uid: Invalid value: "wrong": field is immutable'
    assert body["message"] == f'Deployment.apps "web" is invalid: {why}'
    assert len(body["details"]["causes"]) == 2
    right = {
        "metadata": {"resourceVersion": web["resourceVersion"], "uid": web["uid"]},
        "spec": {"replicas": 3},
    }
    status, body = await client.patch(WEB, right)
    assert (status, body["spec"]["replicas"]) == (200, 3)
    status, body = await client.call("DELETE", WEB, {"preconditions": {"uid": "wrong"}})
    assert status == 409


async def test_patch_that_changes_nothing_writes_nothing(
    cluster: EmbeddedCluster, client: Client, web: dict[str, str]
) -> None:
    before = cluster.store.version
    status, body = await client.patch(WEB, {"spec": {"replicas": 2}})
    assert (status, body["metadata"]["resourceVersion"]) == (200, web["resourceVersion"])
    assert cluster.store.version == before


async def test_each_half_ignores_the_other(client: Client, web: dict[str, str]) -> None:
    status, body = await client.patch(WEB, {"status": {"replicas": 77}})
    assert (status, body["status"].get("replicas")) == (200, None)
    status, body = await client.patch(
        f"{WEB}/status", {"spec": {"replicas": 77}, "status": {"collisionCount": 1}}
    )
    assert (body["spec"]["replicas"], body["status"]["collisionCount"]) == (2, 1)
    assert body["metadata"]["generation"] == web["generation"]


async def test_dry_run_answers_and_keeps_nothing(
    cluster: EmbeddedCluster, client: Client, web: dict[str, str]
) -> None:
    before = cluster.store.version
    status, body = await client.patch(WEB, {"spec": {"replicas": 7}}, dryRun="All")
    assert (status, body["spec"]["replicas"], body["metadata"]["generation"]) == (200, 7, 2)
    assert cluster.store.version == before
    status, body = await client.patch(WEB, {"spec": {"replicas": 7}}, dryRun="Some")
    assert (status, body["reason"]) == (422, "Invalid")


async def test_strategic_merge_knows_containers_by_name(client: Client, web: dict[str, str]) -> None:
    container = {"name": "web", "image": "web:2.0"}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    _, body = await client.patch(WEB, change, STRATEGIC)
    merged = body["spec"]["template"]["spec"]["containers"]
    assert [(c["name"], c["image"], "readinessProbe" in c) for c in merged] == [("web", "web:2.0", True)]
    _, body = await client.patch(WEB, change, MERGE)
    assert "readinessProbe" not in body["spec"]["template"]["spec"]["containers"][0]
    whole = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}, "$patch": "replace"}
    _, body = await client.patch(WEB, {"spec": {"template": whole}}, STRATEGIC)
    assert "annotations" not in body["spec"]["template"]["metadata"]


async def test_json_patch_tests_before_it_writes(client: Client, web: dict[str, str]) -> None:
    replace = {"op": "replace", "path": "/spec/replicas", "value": 3}
    for first in (
        {"op": "test", "path": "/spec/replicas", "value": 99},
        {"op": "remove", "path": "/spec/nope"},
    ):
        status, body = await client.patch(WEB, [first, replace], JSON_PATCH)
        assert (status, body["message"]) == (
            422,
            "the server rejected our request due to an error in our request",
        )
    status, body = await client.patch(
        WEB, [{"op": "test", "path": "/spec/replicas", "value": 2}, replace], JSON_PATCH
    )
    assert (status, body["spec"]["replicas"]) == (200, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            {"template": {"metadata": {"labels": {"app": "zzz"}}}},
            'spec.template.metadata.labels: Invalid value: {"app":"zzz"}: '
            "`selector` does not match template `labels`",
        ),
        (
            {"progressDeadlineSeconds": 1, "minReadySeconds": 5},
            "spec.progressDeadlineSeconds: Invalid value: 1: must be greater than minReadySeconds",
        ),
    ],
)
async def test_validation_has_the_recorded_words(
    client: Client, web: dict[str, str], change: dict[str, object], message: str
) -> None:
    status, body = await client.patch(WEB, {"spec": change})
    assert (status, body["message"]) == (422, f'Deployment.apps "web" is invalid: {message}')


async def test_field_of_the_wrong_type_is_422_without_a_name(client: Client, web: dict[str, str]) -> None:
    status, body = await client.patch(WEB, {"spec": {"replicas": "three"}})
    assert (status, body["details"]["causes"][0]["field"]) == (422, "patch")
    assert body["message"].startswith(' "" is invalid: patch: Invalid value: "{')


async def test_unknown_patch_type_is_415(client: Client, web: dict[str, str]) -> None:
    for content in ("application/json", "text/plain"):
        status, _ = await client.call("PATCH", WEB, '{"spec":{"replicas":2}}', content)
        assert status == 415
    await client.call("POST", ROLLOUTS, {"metadata": {"name": "ro"}, "spec": {"template": template()}})
    assert (await client.patch(f"{ROLLOUTS}/ro", {"spec": {"replicas": 5}}, STRATEGIC))[0] == 415
    assert (await client.patch(f"{ROLLOUTS}/ro", {"spec": {"replicas": 5}}, MERGE))[0] == 200


async def test_scale_changes_replicas_alone(client: Client, web: dict[str, str]) -> None:
    status, body = await client.patch(f"{WEB}/scale", {"spec": {"replicas": 5}})
    assert (status, body["kind"], body["spec"]["replicas"]) == (200, "Scale", 5)
    assert (await client.get(WEB))["spec"]["replicas"] == 5


async def test_annotation_bumps_a_deployments_generation(client: Client, web: dict[str, str]) -> None:
    _, body = await client.patch(WEB, {"metadata": {"annotations": {"a": "b"}}})
    assert body["metadata"]["generation"] == 2
    _, body = await client.patch(WEB, {"metadata": {"labels": {"a": "b"}}})
    assert body["metadata"]["generation"] == 2


async def test_pages_hold_one_version_and_expire(cluster: EmbeddedCluster, client: Client) -> None:
    await cluster.bench.fill(2, 5, namespaces=1)
    first = await client.get("/api/v1/pods", limit=4)
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (4, 6)
    assert "kind" not in first["items"][0]
    await cluster.bench.blast(3)
    second = await client.get("/api/v1/pods", limit=4, **{"continue": first["metadata"]["continue"]})
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    names = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    assert names == sorted(names)
    assert len(set(names)) == 8
    await cluster.bench.compact()
    status, body = await client.call(
        "GET", "/api/v1/pods", limit=4, **{"continue": second["metadata"]["continue"]}
    )
    assert (status, body["reason"]) == (410, "Expired")
    last = await client.get("/api/v1/pods", limit=4, **{"continue": body["metadata"]["continue"]})
    assert len(last["items"]) == 2


async def test_future_version_is_a_timeout(client: Client) -> None:
    status, body = await client.call("GET", PODS, resourceVersion="999999999")
    assert (status, body["reason"]) == (504, "Timeout")
    assert body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=a", {"one"}),
        ("tier!=a", {"two", "three"}),
        ("tier in (a, b)", {"one", "two"}),
        ("tier", {"one", "two"}),
        ("!tier", {"three"}),
        ("tier notin (a),app=web", {"two", "three"}),
    ],
)
async def test_label_selectors_select(client: Client, selector: str, names: set[str]) -> None:
    for name, tier in (("one", {"tier": "a"}), ("two", {"tier": "b"}), ("three", {})):
        body = {"metadata": {"name": name, "labels": {"app": "web", **tier}}}
        await client.call("POST", "/api/v1/namespaces/default/configmaps", body)
    found = await client.get("/api/v1/namespaces/default/configmaps", labelSelector=selector)
    assert {item["metadata"]["name"] for item in found["items"]} == names


async def test_field_selectors_select(cluster: EmbeddedCluster, client: Client) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=3))
    await until(lambda: through(stored(cluster, "deployments", "web")), "the rollout")
    pods = (await client.get(PODS, fieldSelector="status.phase=Running"))["items"]
    assert len(pods) == 3
    node = pods[0]["spec"]["nodeName"]
    assert {
        p["spec"]["nodeName"]
        for p in (await client.get(PODS, fieldSelector=f"spec.nodeName={node}"))["items"]
    } == {node}
    uid = pods[0]["metadata"]["uid"]
    events = await client.get("/api/v1/namespaces/default/events", fieldSelector=f"involvedObject.uid={uid}")
    assert {"Scheduled", "Pulled", "Created", "Started"} <= {event["reason"] for event in events["items"]}


async def test_may_i_follows_the_forbidden_rules(cluster: EmbeddedCluster, client: Client) -> None:
    async def may(verb: str) -> bool:
        attributes = {"verb": verb, "group": "apps", "resource": "deployments", "namespace": "default"}
        _, body = await client.call(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {"spec": {"resourceAttributes": attributes}},
        )
        allowed: bool = body["status"]["allowed"]
        return allowed

    cluster.faults.switch(forbid=[{"verb": "patch", "resource": "deployments"}])
    assert (await may("patch"), await may("list")) == (False, True)


async def test_typed_client_reads_and_patches(cluster: EmbeddedCluster, client: Client) -> None:
    apps, core = kubernetes.AppsV1Api(client.api), kubernetes.CoreV1Api(client.api)
    await client.call("POST", DEPLOYMENTS, deployment(replicas=2))
    await until(lambda: through(stored(cluster, "deployments", "web")), "the rollout")
    found = await apps.read_namespaced_deployment("web", "default")
    assert (found.spec.replicas, found.status.ready_replicas) == (2, 2)
    pods = await core.list_namespaced_pod("default", label_selector="app=web")
    assert all(pod.status.container_statuses[0].ready for pod in pods.items)
    changed = await apps.patch_namespaced_deployment("web", "default", {"spec": {"paused": True}})
    assert changed.spec.paused is True
    with pytest.raises(kubernetes.ApiException) as refusal:
        await apps.read_namespaced_deployment("nope", "default")
    assert (refusal.value.status, json.loads(refusal.value.body)["reason"]) == (404, "NotFound")
