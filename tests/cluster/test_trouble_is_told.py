"""Trouble with the API server itself: the board says that it does not know, and comes back without a scar."""

import asyncio
import re
import signal
from contextlib import asynccontextmanager

import pytest

from app.domain.facts import WorkloadGone
from tests.cluster.board import NAME, Board, watching
from tests.cluster.control_plane import write_kubeconfig
from tests.cluster.manifests import CORE, deployment, pod_template, rollout
from tests.cluster.story import Story

pytestmark = pytest.mark.anyio
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
def story(real, board, namespace):
    return Story(real.api, board, namespace)


@asynccontextmanager
async def without_a_scar(story: Story):
    """Whatever happens inside, the workload is neither gone nor new for the board, nor has it a new rollout."""
    before = await story.board.rollouts(story.name)
    told = len(story.board.said)
    key = f"{NAME}:{story.uid}"
    yield
    shown = await story.good("web:1")
    assert shown["key"] == key
    assert await story.board.rollouts(story.name) == before
    assert not [
        fact for _, fact in story.board.said[told:] if isinstance(fact, WorkloadGone) and fact.key == key
    ]


async def lists(story: Story, kind: str = "Deployment") -> int:
    """How often the board's collector has listed the kind."""
    return story.board.fleet.sources[f"{NAME}/{kind}/"].lists


def said(board: Board, kind: str) -> str:
    """What is wrong with the source of that kind, in its own words."""
    source = board.fleet.sources.get(f"{NAME}/{kind}/")
    return source.message if source else ""


async def test_drain_after_sigterm_is_unknown_and_not_good(story, real):
    """For the length of the drain open watches stay and fall silent; only a real request tells."""
    await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    async with without_a_scar(story):
        await real.own.stop_apiserver(signal.SIGTERM)
        try:
            dark = await story.shown(lambda one: one["attention"] == "unknown")
            assert dark["version"] == "1"
            await story.page("unknown")
        finally:
            await real.own.start_apiserver()
    await story.end()


async def test_killed_api_server_is_listed_again_and_nothing_was_gone(story, real):
    await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    async with without_a_scar(story):
        listed = await lists(story, "Pod")
        await real.own.stop_apiserver(signal.SIGKILL)
        await real.own.start_apiserver()
        async with asyncio.timeout(60):
            while await lists(story, "Pod") == listed:
                await asyncio.sleep(0.1)
    await story.ship("web:2")
    await story.good("web:2")
    await story.end()


async def test_version_that_was_compacted_away_is_410_and_listed_again(story, real):
    """The watch cache of a young API server begins where it was started: what a quiet kind saw last is too old."""
    await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    async with without_a_scar(story):
        old = (await story.api.get(story.path))["metadata"]["resourceVersion"]
        for number in range(20):
            body = {"metadata": {"name": f"noise-{number}"}}
            noise = await story.api.create(f"{CORE}/{story.namespace}/configmaps", body)
        listed = await lists(story)
        await real.own.stop_apiserver(signal.SIGKILL)
        await real.own.compact(int(noise["metadata"]["resourceVersion"]))
        await real.own.start_apiserver()
        events = [event async for event in story.api.watch(story.collection, old, seconds=5)]
        assert [event["type"] for event in events] == ["ERROR"]
        assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")
        async with asyncio.timeout(60):
            while await lists(story) == listed:
                await asyncio.sleep(0.1)
    await story.end()


async def test_definition_installed_while_running_is_followed_from_then_on(real, namespace, tmp_path):
    await real.remove_argo()
    async with watching(real.api.kubeconfig, tmp_path) as board:
        async with asyncio.timeout(60):
            while "not installed" not in said(board, "Rollout"):
                await asyncio.sleep(0.1)
        await real.install_argo()
        story = Story(real.api, board, namespace, "Rollout")
        strategy = {"canary": {"steps": [{"setWeight": 50}]}}
        await story.begin(rollout(story.name, pod_template(story.name, "web:1"), strategy))
        await story.end()


async def test_right_that_is_taken_away_makes_unknown_what_it_showed(real, namespace, tmp_path):
    role, account = f"reader-{namespace}", f"{CORE}/{namespace}/serviceaccounts"
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["list", "watch"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ]
    await real.api.create(account, {"metadata": {"name": "reader"}})
    await real.api.create(f"{RBAC}/clusterroles", {"metadata": {"name": role}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    binding = {"metadata": {"name": role}, "subjects": [subject],
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}}  # fmt: skip
    await real.api.create(f"{RBAC}/clusterrolebindings", binding)
    token = (await real.api.create(f"{account}/reader/token", {"spec": {}}))["status"]["token"]
    kubeconfig = write_kubeconfig(
        tmp_path / "kubeconfig", real.api.url, real.own.folder / "ca.crt", {"token": token}
    )
    try:
        async with watching(kubeconfig, tmp_path) as board:
            story = Story(real.api, board, namespace)
            await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
            await real.api.patch(f"{RBAC}/clusterroles/{role}", {"rules": rules[:2]})
            blind = await story.shown(lambda one: one["attention"] == "unknown")
            assert blind["version"] == "1"
            await story.page("unknown")
            assert re.match("Not permitted to (list|watch) pods", said(board, "Pod"))
            await real.api.patch(f"{RBAC}/clusterroles/{role}", {"rules": rules})
            await story.good("web:1")
            await story.ship("web:2")
            await story.good("web:2")
            await story.end()
    finally:
        for kind in ("clusterrolebindings", "clusterroles"):
            await real.api.delete(f"{RBAC}/{kind}/{role}")
