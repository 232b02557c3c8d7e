"""What the embedded cluster's GitOps controllers undo, leave alone, go back to and remember."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster, argocd, flux
from app.demo.git import Manifest
from tests.demo.client import WEB, Client, deployment, stored, until

pytestmark = pytest.mark.anyio
URL = "https://github.com/acme/web"
ONE, TWO = "1" * 40, "2" * 40
APP = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop"
Obj = dict[str, Any]


def wanted(image: str) -> Manifest:
    body = deployment(image, replicas=1)
    notes = {argocd.TRACKED_BY: "shop:apps/Deployment:default/web"}
    return Manifest(
        "deployments", "default", "web", {"metadata": {"annotations": notes}, "spec": body["spec"]}
    )


@pytest.fixture
async def kept(cluster: EmbeddedCluster, client: Client) -> EmbeddedCluster:
    """A Deployment that an Application made of web:1.0."""
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argocd"}})
    cluster.git.push(URL, ONE, wanted("web:1.0"))
    body = argocd.application("shop", "default", URL, enabled=True, selfHeal=True)
    status, answer = await client.call("POST", APP.removesuffix("/shop"), body)
    assert status == 201, answer
    await until(lambda: app(cluster).get("status", {}).get("history"), "the first sync")
    return cluster


def app(cluster: EmbeddedCluster) -> Obj:
    return stored(cluster, "applications", "shop", "argocd")


def web(cluster: EmbeddedCluster) -> str:
    return str(stored(cluster, "deployments", "web")["spec"]["template"]["spec"]["containers"][0]["image"])


def sync(cluster: EmbeddedCluster) -> str:
    return str(app(cluster)["status"]["sync"]["status"])


async def meddle(client: Client) -> None:
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:0.9"}
    status, answer = await client.patch(WEB, [image], "application/json-patch+json")
    assert status == 200, answer


async def test_argo_cd_undoes_a_foreign_change_and_remembers_no_sync(
    kept: EmbeddedCluster, client: Client
) -> None:
    await until(lambda: sync(kept) == "Synced", "the comparison")
    await meddle(client)
    await until(lambda: sync(kept) == "OutOfSync", "the drift to be noticed")
    await until(lambda: web(kept) == "web:1.0" and sync(kept) == "Synced", "it to be undone")
    await until(lambda: app(kept)["status"]["operationState"]["phase"] == "Succeeded", "the end of the sync")
    state = app(kept)["status"]["operationState"]
    assert state["operation"]["initiatedBy"] == {"automated": True}
    assert state["operation"]["sync"]["resources"] == [
        {"group": "apps", "kind": "Deployment", "namespace": "default", "name": "web"}
    ]
    assert [one["revision"] for one in app(kept)["status"]["history"]] == [ONE]
    # what no manifest speaks of is nobody's drift
    await client.patch(WEB, {"metadata": {"annotations": {"hollow/note": "mine"}}})
    later = kept.clock.now() + 2 * argocd.HEALS
    await until(lambda: kept.clock.now() > later, "it to be let be")
    assert stored(kept, "deployments", "web")["metadata"]["annotations"]["hollow/note"] == "mine"
    assert sync(kept) == "Synced"


async def test_argo_cd_follows_its_branch_and_goes_back_when_asked(
    kept: EmbeddedCluster, client: Client
) -> None:
    kept.git.push(URL, TWO, wanted("web:2.0"))
    await until(
        lambda: [one["revision"] for one in app(kept)["status"]["history"]] == [ONE, TWO], "two syncs"
    )
    assert web(kept) == "web:2.0"
    await until(lambda: app(kept)["status"]["health"]["status"] == "Healthy", "its pod")
    off = {"spec": {"syncPolicy": {"automated": {"enabled": False}}}}
    asked = {"operation": {"initiatedBy": {"username": "ada"}, "sync": {"revision": ONE}}}
    await client.patch(APP, {**off, **asked})
    await until(lambda: len(app(kept)["status"]["history"]) == 3, "the third sync")
    assert "operation" not in app(kept)
    assert (web(kept), sync(kept)) == ("web:1.0", "OutOfSync")
    assert app(kept)["status"]["sync"]["revision"] == TWO
    await meddle(client)
    later = kept.clock.now() + 2 * argocd.HEALS
    await until(lambda: kept.clock.now() > later, "it to be let be")
    assert web(kept) == "web:0.9"
    await client.patch(APP, {"spec": {"syncPolicy": {"automated": {"enabled": True}}}})
    await until(lambda: web(kept) == "web:2.0" and sync(kept) == "Synced", "it to go on")


async def test_argo_cd_says_what_it_cannot_resolve(kept: EmbeddedCluster, client: Client) -> None:
    await client.patch(APP, {"operation": {"sync": {"revision": "f" * 40}}})
    await until(lambda: app(kept)["status"]["operationState"]["phase"] == "Error", "the refusal")
    assert "unable to resolve" in app(kept)["status"]["operationState"]["message"]
    assert web(kept) == "web:1.0"


async def test_flux_applies_at_its_interval_unless_suspended(
    cluster: EmbeddedCluster, client: Client
) -> None:
    cluster.faults.absent.clear()
    place = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": flux.HOME}})
    cluster.git.push(URL, ONE, wanted("web:1.0"))
    repository = flux.repository("apps", URL)
    source = place.replace("kustomize", "source").replace("kustomizations", "gitrepositories")
    assert (await client.call("POST", source, repository))[0] == 201
    assert (await client.call("POST", place, flux.kustomization("apps", "apps", "30s")))[0] == 201

    def told(key: str) -> Any:
        return stored(cluster, "kustomizations", "apps", flux.HOME).get("status", {}).get(key)

    await until(lambda: told("lastAppliedRevision") == f"main@sha1:{ONE}", "the first revision")
    assert web(cluster) == "web:1.0"
    await meddle(client)
    await until(lambda: web(cluster) == "web:1.0", "the next interval")
    await client.patch(f"{place}/apps", {"spec": {"suspend": True}})
    await meddle(client)
    cluster.git.push(URL, TWO, wanted("web:2.0"))
    later = cluster.clock.now() + 60
    await until(lambda: cluster.clock.now() > later, "two intervals")
    assert web(cluster) == "web:0.9"
    await client.patch(f"{place}/apps", {"spec": {"suspend": False}})
    await until(lambda: web(cluster) == "web:2.0", "it to go on at once")
    await client.patch(f"{place}/apps", {"metadata": {"annotations": {flux.ASKED: "now"}}})
    await until(lambda: told("lastHandledReconcileAt") == "now", "the answer")
