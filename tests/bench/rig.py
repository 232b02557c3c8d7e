"""What every benchmark stands on: the embedded cluster and the product as child processes, and small measurements."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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

    @property
    def control(self) -> str:
        """Where the bench verbs are served."""
        return self.url

    def open(self, path: str) -> Any:
        """The answer of the API server to a GET."""
        headers = {"Authorization": f"Bearer {self.token}"}
        asked = urllib.request.Request(self.url + path, headers=headers)
        return urllib.request.urlopen(asked, timeout=60, context=self.trust)

    @property
    def trust(self) -> ssl.SSLContext | None:
        """What the API server's certificate is held to, if it has one."""
        return None

    @contextlib.contextmanager
    def held(self, reader: subprocess.Popen[str]) -> Iterator[None]:
        """Keep the pods' watch from `reader` for as long, so that it does not wait for the maker of the events."""
        self.ask("faults", stall=["pods"])
        yield
        self.ask("faults", stall=[])

    def ask(self, verb: str, **body: Any) -> dict[str, Any]:
        """A bench verb ("blast", "touch", "ready" …) with its keywords; the verb's figures come back."""
        request = urllib.request.Request(
            f"{self.control}/_bench/{verb}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return dict(json.load(answer))


@dataclass(frozen=True, slots=True)
class Real(Demo):
    """A running control plane of tests/cluster, with as much as two cores bear beside it."""

    WORKLOADS: ClassVar[int] = 200
    PODS: ClassVar[int] = 10
    EVENTS: ClassVar[int] = 2000

    verbs: str
    authority: str

    @property
    def control(self) -> str:
        return self.verbs

    @property
    def trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.authority)

    @contextlib.contextmanager
    def held(self, reader: subprocess.Popen[str]) -> Iterator[None]:
        """The reader itself is held: the server gives it up as too slow, and it goes on from its last version."""
        reader.send_signal(signal.SIGSTOP)
        yield
        reader.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def real() -> Iterator[Real]:
    """The control plane, settled, while the `with` block lasts."""
    command = [sys.executable, "-m", "tests.bench.real", f"{Real.WORKLOADS}x{Real.PODS}"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        said = json.loads(process.stdout.readline() or "{}")
        if not said:
            raise RuntimeError("the control plane did not start")
        yield Real(
            process, said["url"], said["kubeconfig"], said["token"], said["control"], said["authority"]
        )
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        end(process)


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
