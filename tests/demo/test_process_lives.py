"""`python -m app.demo` and the in-process cluster: start, say where, end cleanly."""

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
from tests import machine


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


@pytest.mark.anyio
async def test_cluster_binds_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        EmbeddedCluster(host="192.0.2.1")
