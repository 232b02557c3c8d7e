"""kubectl, unchanged, against the embedded cluster."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.demo import EmbeddedCluster
from tests import machine
from tests.demo.client import (
    DAEMONSETS,
    DEPLOYMENTS,
    STATEFULSETS,
    Client,
    daemonset,
    deployment,
    statefulset,
)

pytestmark = pytest.mark.anyio
Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
async def kubectl(cluster: EmbeddedCluster, tmp_path: Path) -> Kubectl:
    """Run kubectl; its output, or a failure that shows it."""
    binary = machine.kubectl()
    environment = {
        "KUBECONFIG": cluster.kubeconfig(tmp_path / "kubeconfig"),
        "HOME": str(tmp_path),
        "PATH": os.defpath,
    }

    async def run(*arguments: str, fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            binary,
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode != 0) is fails, output.decode()
        return output.decode()

    return run


async def test_kubectl_rolls_out_and_back(client: Client, kubectl: Kubectl) -> None:
    await client.call("POST", DEPLOYMENTS, deployment())
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web")
    await kubectl("set", "image", "deploy/web", "web=web:1.1")
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web")
    assert "rolled back" in await kubectl("rollout", "undo", "deploy/web")
    await kubectl("rollout", "status", "deploy/web")
    history = await kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["2", "3"]
    assert "skipped rollback" in await kubectl("rollout", "undo", "deploy/web", "--to-revision=3")


async def test_kubectl_rolls_a_statefulset_out_and_back(client: Client, kubectl: Kubectl) -> None:
    await client.call("POST", STATEFULSETS, statefulset(2))
    await kubectl("rollout", "status", "sts/db")
    assert "pausing is not supported" in await kubectl("rollout", "pause", "sts/db", fails=True)
    await kubectl("set", "image", "sts/db", "web=db:2")
    assert "roll out complete: 2 new pods" in await kubectl("rollout", "status", "sts/db")
    assert "rolled back" in await kubectl("rollout", "undo", "sts/db")
    await kubectl("rollout", "status", "sts/db")
    history = await kubectl("rollout", "history", "sts/db")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["2", "3"]
    assert "db:1" in await kubectl("rollout", "history", "sts/db", "--revision=3")
    await kubectl("patch", "sts/db", "-p", '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}}}}')
    await kubectl("rollout", "restart", "sts/db")
    assert "roll out complete: 1 new pods" in await kubectl("rollout", "status", "sts/db")
    assert "2/2" in await kubectl("get", "sts")


async def test_kubectl_rolls_a_daemonset_out_and_back(client: Client, kubectl: Kubectl) -> None:
    await client.call("POST", DAEMONSETS, daemonset())
    await kubectl("rollout", "status", "ds/agent")
    await kubectl("set", "image", "ds/agent", "web=agent:2")
    assert "successfully rolled out" in await kubectl("rollout", "status", "ds/agent")
    assert "rolled back" in await kubectl("rollout", "undo", "ds/agent")
    await kubectl("rollout", "restart", "ds/agent")
    assert "successfully rolled out" in await kubectl("rollout", "status", "ds/agent")
    history = await kubectl("rollout", "history", "ds/agent")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["2", "3", "4"]
    described = await kubectl("describe", "ds/agent")
    assert "Desired Number of Nodes Scheduled: 3" in described


async def test_kubectl_pauses_restarts_and_scales(client: Client, kubectl: Kubectl) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=2))
    await kubectl("rollout", "status", "deploy/web")
    await kubectl("rollout", "pause", "deploy/web")
    assert "already paused" in await kubectl("rollout", "pause", "deploy/web", fails=True)
    assert "can't restart paused" in await kubectl("rollout", "restart", "deploy/web", fails=True)
    await kubectl("rollout", "resume", "deploy/web")
    await kubectl("rollout", "restart", "deploy/web")
    await kubectl("scale", "deploy/web", "--replicas=3")
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web")
    assert await kubectl("get", "deploy/web", "-o", "jsonpath={.status.readyReplicas}") == "3"


async def test_kubectl_says_when_the_deadline_is_exceeded(client: Client, kubectl: Kubectl) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(progressDeadlineSeconds=10))
    await kubectl("rollout", "status", "deploy/web")
    await kubectl("set", "image", "deploy/web", "web=web:bad")
    assert "exceeded its progress deadline" in await kubectl("rollout", "status", "deploy/web", fails=True)
    assert re.search("ImagePullBackOff|ErrImagePull", await kubectl("get", "pods"))


async def test_kubectl_shows_describes_and_deletes(client: Client, kubectl: Kubectl) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=2))
    await kubectl("rollout", "status", "deploy/web")
    assert "2/2" in await kubectl("get", "deploy,rs,pods,nodes")
    described = await kubectl("describe", "deploy/web")
    assert "ScalingReplicaSet" in described
    assert "NewReplicaSetAvailable" in described
    assert "listening" in await kubectl("logs", "deploy/web")
    await kubectl("annotate", "deploy/web", "kubernetes.io/change-cause=tried")
    assert "yes" in await kubectl("auth", "can-i", "patch", "deployments.apps")
    await kubectl("create", "namespace", "extra")
    assert "extra" in await kubectl("get", "namespaces")
    await kubectl("delete", "namespace", "extra")
    await kubectl("delete", "deploy/web")
    assert "No resources found" in await kubectl("get", "deploy")


async def test_kubectl_applies_twice(kubectl: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    file.write_text(json.dumps(deployment(replicas=1)))
    assert "created" in await kubectl("apply", "-f", str(file))
    assert "unchanged" in await kubectl("apply", "-f", str(file))
    file.write_text(json.dumps(deployment("web:1.1", replicas=1)))
    assert "configured" in await kubectl("apply", "-f", str(file))
