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
ANYBODY = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ("get", "", "/version"),
}
"""What `shipboard check` asks besides: granted to every account by Kubernetes itself (system:basic-user and
system:public-info-viewer)."""

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


USES: tuple[Callable[[Story], Awaitable[None]], ...] = (is_listed_and_watched, reads_the_log_of_a_crash)


async def checked(kubeconfig: Path) -> Report:
    cluster = await Cluster.from_kubeconfig(NAME, kubeconfig)
    try:
        return await check(cluster)
    finally:
        await cluster.close()


async def test_the_shipped_roles_grant_what_is_used_and_what_is_used_is_granted(real, namespace, tmp_path):
    async with account(real, tmp_path) as shipped:
        report = await checked(shipped.kubeconfig)
        assert (report.rules, report.spare_rules) == ("", ""), "the check agrees"
        assert all(finding.well for finding in report.findings)
        async with watching(shipped.kubeconfig, tmp_path) as board:
            story = Story(real.api, board, namespace)
            for use in USES:
                await use(story)
            await story.end()
        assert shipped.used() == granted() | ANYBODY
