"""The shipped roles, on a real API server: what they grant is what Shipboard asks for, in both directions.

Shipboard runs as the shipped account with the shipped manifests and nothing else; the API server's audit log tells
what it asked for, from the first list to the last log.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from app.kube import Cluster
from app.read.rows import SourceRow
from app.sources.check import Report, check
from app.sources.runner import kinds
from tests.cluster import definitions
from tests.cluster.api import Api, Obj
from tests.cluster.board import NAME, watching
from tests.cluster.control_plane import write_kubeconfig
from tests.cluster.manifests import CORE, deployment, pod_template
from tests.cluster.story import Story

pytestmark = pytest.mark.anyio
DEPLOY = Path(__file__).parents[2] / "deploy"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROUTE = definitions.minimal("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute")
ANYBODY = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ("get", "", "/version"),
}
"""What `shipboard check` asks besides: granted to every account by Kubernetes itself (system:basic-user and
system:public-info-viewer)."""

Right = tuple[str, str, str]
"""Verb, API group, resource with its subresource."""


async def is_listed_and_watched(story: Story) -> None:
    """Every kind is followed."""
    await story.begin(deployment(story.name, pod_template(story.name, "web:1", probe=False)))
    await story.ship("web:2")
    await story.good("web:2")
    wanted = {(kind.name, "live") for kind in kinds()}
    async with asyncio.timeout(30):
        while {(s.kind, s.freshness.value) for s in _followed(story)} != wanted:
            await asyncio.sleep(0.1)


def _followed(story: Story) -> list[SourceRow]:
    return [source for source in story.board.fleet.sources.values() if source.watches]


async def reads_the_log_of_a_crash(story: Story) -> None:
    """The last words of a container are shown."""
    await story.ship("web:3", fail="crash", crash_after="0.3")
    await story.shown(lambda one: one["attention"] == "failed")
    page = f"/workloads/{NAME}/{story.namespace}/Deployment/{story.name}"
    await story.page("failed")
    async with asyncio.timeout(30):
        while "said this in" not in (await story.board.http.get(page)).text:
            await asyncio.sleep(0.1)


MANIFESTS = ("read-role.yaml",)
"""Files of deploy/ that grant rights. For one more: its name here, and below what uses its rights."""
USES: tuple[Callable[[Story], Awaitable[None]], ...] = (is_listed_and_watched, reads_the_log_of_a_crash)


def shipped() -> list[Obj]:
    """Every document of the manifests, and a binding for the roles that are bound to nobody there."""
    found = [d for name in MANIFESTS for d in yaml.safe_load_all((DEPLOY / name).read_text()) if d]
    bound = {d["roleRef"]["name"] for d in found if "roleRef" in d}
    account = {"kind": "ServiceAccount", "name": "shipboard", "namespace": "shipboard"}
    return found + [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
         "metadata": {"name": role}, "subjects": [account],
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}}
        for role in (d["metadata"]["name"] for d in found if d["kind"] == "ClusterRole") if role not in bound
    ]  # fmt: skip


def granted() -> set[Right]:
    """All that the shipped roles grant."""
    return {
        (verb, group, resource)
        for document in shipped()
        for rule in document.get("rules", ())
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def used(audit: Path) -> set[Right]:
    """All that the shipped account asked for. Raises AssertionError if anything was refused."""
    asked: set[Right] = set()
    for line in audit.read_text().splitlines():
        event = json.loads(line)
        if event["user"]["username"] != "system:serviceaccount:shipboard:shipboard":
            continue
        assert event.get("responseStatus", {}).get("code", 200) != 403, line
        about = event.get("objectRef", {})
        resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
        asked.add((event["verb"], about.get("apiGroup", ""), resource or event["requestURI"]))
    return asked


async def apply(api: Api, document: Obj) -> str:
    """Create an object of a manifest; its path."""
    kind, meta = document["kind"], document["metadata"]
    base = f"/apis/{document['apiVersion']}" if "/" in document["apiVersion"] else "/api/v1"
    place = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    collection = f"{base}{place}/{kind.lower()}s"
    await api.create(collection, document)
    return f"{collection}/{meta['name']}"


@pytest.fixture
async def account(real, tmp_path):
    """The kubeconfig of the shipped account, on a cluster where every kind is installed."""
    await real.install_argo()
    await real.install_flagger()
    await definitions.define(real.api, ROUTE)
    paths = [await apply(real.api, document) for document in shipped()]
    tokens = f"{CORE}/shipboard/serviceaccounts/shipboard/token"
    token = (await real.api.create(tokens, {"spec": {}}))["status"]["token"]
    authority = real.own.folder / "ca.crt"
    yield write_kubeconfig(tmp_path / "kubeconfig", real.api.url, authority, {"token": token})
    for path in reversed(paths):
        await real.api.delete(path)
    await definitions.remove(real.api, ROUTE["spec"]["group"])


async def checked(kubeconfig: Path) -> Report:
    cluster = await Cluster.from_kubeconfig(NAME, kubeconfig)
    try:
        return await check(cluster)
    finally:
        await cluster.close()


async def test_the_shipped_roles_grant_what_is_used_and_what_is_used_is_granted(
    account, real, namespace, tmp_path
):
    report = await checked(account)
    assert (report.rules, report.spare_rules) == ("", ""), "the check agrees"
    assert all(finding.well for finding in report.findings)
    async with watching(account, tmp_path) as board:
        story = Story(real.api, board, namespace)
        for use in USES:
            await use(story)
        await story.end()
    assert used(real.own.audit) == granted() | ANYBODY
