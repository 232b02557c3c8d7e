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
from tests.demo.client import until


@contextmanager
def running(*arguments: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.demo", *arguments],
        cwd=machine.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        **options,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
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
        [sys.executable, "-m", "app.demo", *arguments],
        cwd=machine.ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert arguments[0].removeprefix("--") in done.stderr or "loopback" in done.stderr


def workloads(cluster: EmbeddedCluster) -> dict[tuple[str, str], dict[str, Any]]:
    """The metadata of every workload by name and environment."""
    rows = cluster.store.rows("deployments") + cluster.store.rows("rollouts")
    return {(row.name, row.namespace): row.obj["metadata"] for row in rows}


@pytest.mark.anyio
async def test_fleet_is_calm_but_for_its_stories() -> None:
    """Half an hour of the fleet: every story moves its workload, nothing else is touched."""
    async with EmbeddedCluster(fleet=True, time_scale=300) as cluster:
        begun, before = cluster.clock.now(), workloads(cluster)
        assert len(before) == 2 * len(SERVICES)
        await until(lambda: cluster.clock.now() > begun + 1800, "half an hour")
        after = workloads(cluster)
        moved = {key for key in before if after[key]["generation"] != before[key]["generation"]}
        touched = {key for key in before if after[key]["resourceVersion"] != before[key]["resourceVersion"]}
        assert moved == touched == {(name, environment) for name, environment, _ in STORIES}


@pytest.mark.anyio
async def test_cluster_binds_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        EmbeddedCluster(host="192.0.2.1")
