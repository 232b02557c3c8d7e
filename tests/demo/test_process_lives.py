"""`python -m app.demo` and the in-process cluster: start, say where, end cleanly; and the fleet moves."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.demo import EmbeddedCluster
from app.demo.fleet import SERVICES, STORIES
from tests import machine
from tests.demo.client import Client, until


@contextmanager
def running(*arguments: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.demo", *arguments], cwd=machine.ROOT, text=True, stdout=subprocess.PIPE, **options
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_ends_cleanly_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "kubeconfig"
    with running("--no-fleet", "--kubeconfig", str(file), "--token", "given") as (process, ready):
        assert ready["context"] == "demo"
        config = yaml.safe_load(file.read_text())
        assert config["current-context"] == "demo"
        assert config["clusters"][0]["cluster"]["server"].startswith(ready["url"] + "/key/")
        assert config["users"][0]["user"]["token"] == "given"
        assert file.stat().st_mode & 0o077 == 0
        process.send_signal(number)
        assert process.wait(5) == 0


def test_process_ends_with_its_parent(tmp_path: Path) -> None:
    arguments = ("--no-fleet", "--fill", "2x2", "--with-parent", "--kubeconfig", str(tmp_path / "kubeconfig"))
    with running(*arguments, stdin=subprocess.PIPE) as (process, _):
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 0


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host", "example.org"), ("--fill", "many")])
def test_process_refuses_what_is_not_safe_or_clear(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.demo", *arguments], cwd=machine.ROOT, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert arguments[0].removeprefix("--") in done.stderr or "loopback" in done.stderr


@pytest.mark.anyio
async def test_fleet_is_calm_but_for_its_stories() -> None:
    """Half an hour of the fleet: every story moves its workload, nothing else is touched."""
    async with EmbeddedCluster(fleet=True, time_scale=300) as cluster, Client(cluster.url, cluster.token) as client:
        begun = cluster.clock.now()
        workloads = {(e.namespace, e.name): (plural, e.obj) for plural in ("deployments", "rollouts")
                     for e in cluster.store.rows(plural)}  # fmt: skip
        assert len(workloads) == 2 * len(SERVICES)
        assert (await client.get("/apis/apps/v1/deployments"))["items"]
        await until(lambda: cluster.clock.now() > begun + 1800, "half an hour")
        moved = {key[::-1] for key, (plural, obj) in workloads.items()
                 if cluster.store.get(plural, *key).obj["metadata"]["generation"] != obj["metadata"]["generation"]}  # type: ignore[union-attr]  # fmt: skip
        assert moved == {(name, environment) for name, environment, _ in STORIES}
        calm = [cluster.store.get(plural, *key).obj for key, (plural, _) in workloads.items() if key[::-1] not in moved]  # type: ignore[union-attr]
        assert all(obj["metadata"]["resourceVersion"] == workloads[obj["metadata"]["namespace"], obj["metadata"]["name"]][1][
            "metadata"]["resourceVersion"] for obj in calm)  # fmt: skip


@pytest.mark.anyio
async def test_cluster_binds_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        EmbeddedCluster(host="192.0.2.1")
