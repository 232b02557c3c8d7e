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


class Reader:
    """An account that may read Deployments and what they are made of, in all namespaces; its rights can change."""

    RULES = (
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["list", "watch"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    )

    def __init__(self, api, namespace):
        self.api, self.namespace, self.role = api, namespace, f"reader-{namespace}"

    async def create(self):
        await self.api.create(f"{CORE}/{self.namespace}/serviceaccounts", {"metadata": {"name": "reader"}})
        await self.api.create(f"{RBAC}/clusterroles", {"metadata": {"name": self.role}, "rules": self.RULES})
        await self.api.create(f"{RBAC}/clusterrolebindings", self._binding())

    async def token(self):
        path = f"{CORE}/{self.namespace}/serviceaccounts/reader/token"
        return (await self.api.create(path, {"spec": {}}))["status"]["token"]

    async def may(self, *rules):
        await self.api.patch(f"{RBAC}/clusterroles/{self.role}", {"rules": rules})

    async def narrow(self):
        """The same rights in its own namespace, and no longer in all."""
        await self.api.create(f"{RBAC}/namespaces/{self.namespace}/rolebindings", self._binding())
        await self.api.delete(f"{RBAC}/clusterrolebindings/{self.role}")

    async def remove(self):
        for kind in ("clusterrolebindings", "clusterroles"):
            await self.api.ask("DELETE", f"{RBAC}/{kind}/{self.role}")

    def _binding(self):
        subject = {"kind": "ServiceAccount", "name": "reader", "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.role}
        return {"metadata": {"name": self.role}, "subjects": [subject], "roleRef": role}


@pytest.fixture
async def reader(real, namespace):
    reader = Reader(real.api, namespace)
    await reader.create()
    yield reader
    await reader.remove()


@pytest.fixture
async def kubeconfig(real, reader, tmp_path):
    user = {"token": await reader.token()}
    return write_kubeconfig(tmp_path / "kubeconfig", real.api.url, real.own.folder / "ca.crt", user)


async def test_right_that_is_taken_away_makes_unknown_what_it_showed(
    real, namespace, reader, kubeconfig, tmp_path
):
    async with watching(kubeconfig, tmp_path) as board:
        story = Story(real.api, board, namespace)
        await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
        await reader.may(*reader.RULES[:2])
        blind = await story.shown(lambda one: one["attention"] == "unknown")
        assert blind["version"] == "1"
        await story.page("unknown")
        assert re.match("Not permitted to (list|watch) pods", said(board, "Pod"))
        await reader.may(*reader.RULES)
        await story.good("web:1")
        await story.ship("web:2")
        await story.good("web:2")
        await story.end()


async def test_rights_narrowed_to_a_namespace_are_used_there_and_the_wide_sources_leave(
    real, namespace, reader, kubeconfig, tmp_path
):
    async with watching(kubeconfig, tmp_path, namespace) as board:
        story = Story(real.api, board, namespace)
        await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
        async with without_a_scar(story):
            await reader.narrow()
            async with asyncio.timeout(60):
                while {source.namespace for source in board.fleet.sources.values()} != {namespace}:
                    await asyncio.sleep(0.1)
        await story.ship("web:2")
        await story.good("web:2")
        await story.end()
