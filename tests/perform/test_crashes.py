"""A process killed with SIGKILL at any step of a command leaves it done once; never twice, never lost, never stuck."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.domain.audit import check
from app.domain.commands import CommandPhase
from app.perform import receipt_of
from app.perform.failpoints import STEPS
from app.store import audit, commands
from app.store.audit import key_from
from app.store.db import Database
from tests.demo.client import Client, deployment, template, until
from tests.perform.child import KEY
from tests.perform.rig import ADA

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PLAN = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 40}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]


@pytest.fixture
async def kube() -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(time_scale=25.0) as running:
        yield running


@asynccontextmanager
async def process(
    kube: EmbeddedCluster, url: str, kind: str, verb: str = "", failpoint: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that acts, for the length of the block."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SHIPBOARD_FAILPOINT": failpoint}
    arguments = (url, kube.url, kube.token, "default", kind, *([verb] if verb else []))
    command = [sys.executable, "-m", "tests.perform.child", *arguments]
    running = await asyncio.create_subprocess_exec(
        *command, env=environ, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(180):
            yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def lives(kube: EmbeddedCluster, url: str, kind: str, verb: str = "", step: str = "") -> int:
    """Run a process until it ends; answers how."""
    async with process(kube, url, kind, verb, f"perform.{step}:kill" if step else "") as running:
        return await running.wait()


def stored(kube: EmbeddedCluster, plural: str) -> dict[str, Any]:
    entry = kube.store.get(plural, "default", "web")
    assert entry is not None
    return entry.obj


async def told(url: str) -> tuple[Any, list[str]]:
    """The command, and the kinds of its audit entries; the chain is sound."""
    database = await Database.open(url, audit_key="k" * 32)
    try:
        async with database.reading() as connection:
            kept = await commands.by_key(connection, ADA.identity, KEY)
            links = [link async for link in audit.links(connection)]
            marks = await audit.marks(connection)
    finally:
        await database.close()
    found = check(links, key_from("k" * 32), head=marks["head"])
    assert found.bad is None, found
    return kept and receipt_of(kept), [link.entry.kind for link in links]


async def make_canary(kube: EmbeddedCluster, client: Client) -> Callable[[int], bool]:
    """A canary that waits at its first pause; what is answered tells whether it waits at a step."""
    body = {
        "replicas": 5,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": PLAN}},
        "template": template("web:1.0"),
    }
    path = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
    await client.call("POST", path, {"metadata": {"name": "web"}, "spec": body})
    await until(
        lambda: (stored(kube, "rollouts").get("status") or {}).get("phase") == "Healthy", "it is healthy"
    )
    op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2.0"}
    await client.patch(f"{path}/web", [op], "application/json-patch+json")

    def waits(step: int) -> bool:
        status = stored(kube, "rollouts")["status"]
        return bool(status.get("pauseConditions")) and status.get("currentStepIndex") == step

    await until(lambda: waits(1), "it waits at its first pause")
    return waits


@pytest.mark.parametrize("step", STEPS)
async def test_killed_promotion_takes_one_step_and_no_more(kube, database_url, step):
    async with Client(kube.url, kube.token) as client:
        waits = await make_canary(kube, client)
        assert await lives(kube, database_url, "Rollout", "promote", step) == -signal.SIGKILL
        assert await lives(kube, database_url, "Rollout") == 0
        receipt, kinds = await told(database_url)
        assert receipt.phase is CommandPhase.DONE, receipt.message
        await until(lambda: waits(3), "it waits at its second pause")
        assert kinds == ["asked", "sent", "done"]


@pytest.mark.parametrize("step", ["before_write", "after_write"])
async def test_killed_restart_happens_once(kube, database_url, step):
    async with Client(kube.url, kube.token) as client:
        await client.call("POST", "/apis/apps/v1/namespaces/default/deployments", deployment())
        await until(
            lambda: stored(kube, "deployments").get("status", {}).get("availableReplicas") == 4,
            "it is settled",
        )
        before = stored(kube, "deployments")["metadata"]["generation"]
        assert await lives(kube, database_url, "Deployment", "restart", step) == -signal.SIGKILL
        assert await lives(kube, database_url, "Deployment") == 0
        receipt, kinds = await told(database_url)
        assert receipt.phase is CommandPhase.DONE, receipt.message
        assert stored(kube, "deployments")["metadata"]["generation"] == before + 1
        assert kinds == ["asked", "sent", "done"]


@pytest.mark.parametrize(
    ("verb", "step"), [("promote", "before_write"), ("restart", "before_write"), ("restart", "after_write")]
)
async def test_frozen_process_that_was_taken_for_dead_does_nothing_twice(kube, postgres_url, verb, step):
    """F-44: stopped in the middle of a command, it goes on when another has carried that out."""
    async with Client(kube.url, kube.token) as client:
        if verb == "promote":
            kind, plural = "Rollout", "rollouts"
            waits = await make_canary(kube, client)
        else:
            kind, plural = "Deployment", "deployments"
            await client.call("POST", "/apis/apps/v1/namespaces/default/deployments", deployment())
        before = stored(kube, plural)["metadata"]["generation"]
        async with process(kube, postgres_url, kind, verb, f"perform.{step}:stop") as frozen:
            await until(lambda: state_of(frozen.pid) == "T", "it is stopped", 60)
            assert await lives(kube, postgres_url, kind) == 0
            frozen.send_signal(signal.SIGCONT)
            assert await frozen.wait() == 0
        receipt, kinds = await told(postgres_url)
        assert receipt.phase is CommandPhase.DONE, receipt.message
        assert kinds == ["asked", "sent", "done"]
        if verb == "promote":
            await until(lambda: waits(3), "it waits at its second pause")
        else:
            assert stored(kube, plural)["metadata"]["generation"] == before + 1


def state_of(pid: int) -> str:
    """The state of a process, as proc(5) has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
