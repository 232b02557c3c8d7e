"""`shipboard` as a process that is there at once: a fork of one that has everything imported.

Importing takes most of a start, and more than a minute of it on a machine that is busy would hide what the start
itself does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.processes import Shipboard, environment

_ZYGOTE = """
import json, os, signal, sys
import app.cli, app.cli.serving, app.main
import alembic.command, sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.dialects.sqlite.aiosqlite, uvicorn
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.argv = ["shipboard", *json.loads(line)]
        os.dup2(2, 1)
        app.cli.main()
        sys.exit()
    print(pid, flush=True)
"""


class _Fork:
    """As much of a Popen as `Shipboard` asks of it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        ends = time.monotonic() + (timeout or 60)
        while (code := self.poll()) is None:
            assert time.monotonic() < ends, f"{self.pid} does not end"
            time.sleep(0.005)
        return code


class Forked(Shipboard):
    """A running command that was forked."""

    def __init__(self, home: Path, pid: int, port: int) -> None:
        self.log, self.output, self.port = home / "stderr", home / "stderr", port
        self.process = _Fork(pid)  # type: ignore[assignment]


class Forks:
    """The process that forks."""

    def __init__(self, home: Path, **environ: str) -> None:
        self._home = home
        with (home / "stderr").open("ab") as err:
            self._zygote = subprocess.Popen(
                [sys.executable, "-P", "-c", _ZYGOTE],
                cwd=home,
                env={**environment(home), **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )

    def fork(self, *arguments: str, port: int) -> Forked:
        """Run `shipboard` with `arguments` on `port`."""
        assert self._zygote.stdin
        assert self._zygote.stdout
        self._zygote.stdin.write(json.dumps([*arguments, "--port", str(port)]) + "\n")
        self._zygote.stdin.flush()
        return Forked(self._home, int(self._zygote.stdout.readline()), port)

    def close(self) -> None:
        """End it; what it forked goes on."""
        assert self._zygote.stdin
        self._zygote.stdin.close()
        self._zygote.wait(60)
