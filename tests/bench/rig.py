"""What every benchmark stands on: the embedded cluster and the product as child processes, and small measurements."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 120.0
"""Seconds after which a benchmark gives up waiting for a process."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result: what was measured, the figure, the ratio and the bound it is held to."""

    what: str
    figure: str
    ratio: str = ""
    bound: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return f"{self.what:<58} {self.figure:>26} {self.ratio:>22}  {self.bound:<22} {verdict}"


@dataclass(frozen=True, slots=True)
class Demo:
    """A running embedded cluster."""

    process: subprocess.Popen[str]
    url: str
    kubeconfig: str
    token: str

    def faults(self, **switches: Any) -> None:
        """Set some fault switches."""
        self.ask("faults", **switches)

    def ask(self, verb: str, **body: Any) -> dict[str, Any]:
        """A bench verb ("blast", "touch", "ready" …) with its keywords; the verb's figures come back."""
        request = urllib.request.Request(
            f"{self.url}/_bench/{verb}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return dict(json.load(answer))


@contextlib.contextmanager
def demo(workloads: int, pods: int, window: int = 10_000) -> Iterator[Demo]:
    """An embedded cluster with `workloads` settled Deployments of `pods` pods each, while the `with` block lasts."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        kubeconfig, token = f"{folder}/kubeconfig", "bench"
        command = [
            sys.executable,
            "-m",
            "app.demo",
            "--no-fleet",
            "--fill",
            f"{workloads}x{pods}",
            "--window",
            str(window),
        ]
        command += ["--kubeconfig", kubeconfig, "--token", token, "--with-parent"]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout
            said = json.loads(process.stdout.readline())
            yield Demo(process, said["url"], kubeconfig, token)
        finally:
            end(process)


@contextlib.contextmanager
def product(kubeconfig: str, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`shipboard serve` on a fresh SQLite file; yields the process and its URL once /ready says 200."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        port = free_port()
        command = [
            str(Path(sys.executable).parent / "shipboard"),
            "serve",
            "--kubeconfig",
            kubeconfig,
            "--context",
            "demo",
        ]
        command += ["--database", f"sqlite+aiosqlite:///{folder}/bench.db", "--port", str(port), *more]
        with open(f"{folder}/log", "w") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, text=True)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_ready(url, process, f"{folder}/log")
            yield process, url
        finally:
            end(process)


def wait_ready(url: str, process: subprocess.Popen[str], log: str) -> None:
    """Wait for /ready; raises RuntimeError with the log's end when the process ends or the deadline passes."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/ready", timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError("the product did not become ready:\n" + Path(log).read_text()[-3000:])


def child(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m module arguments` to its end; its last line of output is JSON and comes back decoded."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {arguments} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def end(process: subprocess.Popen[str]) -> None:
    """Stop a process we started: twice SIGTERM (the second skips the drain), then SIGKILL."""
    for patience in (0.5, 5.0):
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    if process.poll() is None:
        process.kill()
        process.wait()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def rss_mb(pid: int | None = None) -> float:
    """Resident memory of a process (this one by default), in MB."""
    return float(psutil.Process(pid or os.getpid()).memory_info().rss / 1e6)


def cpu_seconds(pid: int) -> float:
    """User and system time a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
