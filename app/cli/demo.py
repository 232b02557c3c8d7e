"""The embedded cluster as a child process: started, watched, ended."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from app.domain.errors import ShipboardError

READY_SECONDS = 30.0
"""How long the cluster may take to be ready."""
END_SECONDS = 3.0
HEAD_START = ("--head-start", "420")
"""Cluster seconds that have gone by when the board opens: its stories are then under way."""

HOOK = "demo"


class NoCluster(ShipboardError):
    """The embedded cluster did not start."""


class EmbeddedCluster:
    """A context manager: inside, the cluster runs. `kubeconfig` is written there before it is entered."""

    def __init__(
        self,
        kubeconfig: Path,
        board: str = "",
        secret: str = "",
        token: str = "",
        gates: str = "",
        key: str = "",
    ) -> None:
        """`board`: the address of the board that its CI tells, by webhooks signed with `secret` and by reports with
        `token`, and that its Flagger asks at the address that `gates` is the secret of; nobody without. `key`: the
        private key that its CI signs images with."""
        self.kubeconfig = kubeconfig
        self._board, self._gates = board, gates
        self._secrets = {
            "CI_SECRET": secret,
            "CI_TOKEN": token,
            "GATES_SECRET": gates,
            "CI_SIGNING_KEY": key,
        }
        self.context = ""
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # This very package, whatever else is called `app` where the command was typed.
        path = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        # A session of its own: Ctrl-C is for us, and the cluster is to outlive the draining. Should we be
        # killed, its standard input closes, and it ends.
        command = [sys.executable, "-P", "-m", "app.demo", "--with-parent", *HEAD_START]
        if self._board:
            command += ["--webhooks", f"{self._board}/hooks/github/{HOOK}"]
            command += ["--reports", f"{self._board}/api/v1/ingest"]
            command += ["--gates", f"{self._board}/hooks/flagger"] if self._gates else []
        self._child = subprocess.Popen(
            [*command, "--kubeconfig", str(self.kubeconfig)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **self._secrets},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.context = str(json.loads(self._first_line())["context"])
        except BaseException as error:
            self.__exit__(None, None, None)
            if isinstance(error, ValueError | KeyError | TypeError):
                why = f"It ended with exit code {self._child.returncode} before it was ready."
                raise NoCluster("The embedded cluster did not start.", why, "Try again.") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        child = self._child
        if child is None:
            return
        if child.stdin:
            child.stdin.close()
        if child.poll() is None:
            child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout:
            child.stdout.close()

    async def ended(self) -> int:
        """Wait for its end, however it comes; answers the exit code."""
        assert self._child is not None
        while (code := self._child.poll()) is None:  # noqa: ASYNC110 - a thread in wait() would outlive the loop
            await asyncio.sleep(0.5)
        return code

    def _first_line(self) -> bytes:
        assert self._child is not None
        assert self._child.stdout is not None
        deadline, line = time.monotonic() + READY_SECONDS, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    why = f"It was not ready after {READY_SECONDS:.0f} s."
                    raise NoCluster(
                        "The embedded cluster did not start.", why, "Try again when this machine rests."
                    )
                part = os.read(self._child.stdout.fileno(), 65536)
                if not part:
                    break
                line += part
        return line
