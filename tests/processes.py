"""The `shipboard` command as a process of its own, asked over HTTP; and what waits for a condition with a
deadline."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds to wait for something that happens in one when the machine is idle."""


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true answer of `condition`; fails after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"after {patience:.0f} s still not: {what}")


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    """The variables a process gets that lives in `home`."""
    # What is compiled is kept: compiling 300 modules anew makes each start slower by a third.
    ours = ("SHIPBOARD_", "KUBE", "PYTHONDONTWRITEBYTECODE")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**clean, "PYTHONPATH": str(ROOT), "HOME": str(home), "COLUMNS": "200"}


class Shipboard:
    """A running command. `log` has its standard error, `output` its standard output."""

    def __init__(self, home: Path, *arguments: str, **environ: str) -> None:
        self.log, self.output = home / "stderr", home / "stdout"
        self.port = 0
        with self.log.open("ab") as err, self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", "from app.cli import main; main()", *arguments],
                cwd=home,
                env={**environment(home), **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of one GET; status 0 when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b""
        finally:
            connection.close()

    def status(self, path: str) -> int:
        """The status alone."""
        return self.get(path)[0]

    def reasons(self) -> list[str]:
        """Why /ready says no."""
        return list(json.loads(self.get("/ready")[2]).get("reasons", []))

    def until_serving(self, path: str = "/", patience: float = PATIENCE) -> None:
        """Wait for a page."""

        def serving() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.status(path) == 200

        until(serving, f"{path} answers", patience)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit code, once there is one."""
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def shipboard(home: Path, *arguments: str, port: int = 0, **environ: Any) -> Iterator[Shipboard]:
    """Run `shipboard` with `arguments` and, if `port`, on it; killed at the end if it still runs."""
    running = Shipboard(home, *arguments, *(["--port", str(port)] if port else []), **environ)
    running.port = port
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


def run(home: Path, *arguments: str, **environ: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command that ends by itself."""
    with shipboard(home, *arguments, **environ) as running:
        code = running.ended()
        return code, running.output.read_text(), running.log.read_text()


def kubeconfig(home: Path, server: str = "http://127.0.0.1:1") -> Path:
    """A kubeconfig with one context, "nowhere", where (by default) nobody answers."""
    file = home / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "nowhere",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "nowhere", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    file.write_text(json.dumps(content))
    return file
