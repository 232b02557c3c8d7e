"""The Go programs of a control plane for tests, built once for each version of their sources.

`python -m tests.cluster.building` builds them with progress on standard error and fails where it cannot. They are
kept outside the checkout, in $XDG_CACHE_HOME/shipboard/cluster/PROGRAM-HASH/ (XDG_CACHE_HOME: ~/.cache), where HASH
is of the module's files. Needs a Go of at least the version in go.mod, or one that may fetch it (GOTOOLCHAIN), and
the Go module proxy; a cold build takes 12 minutes on two cores.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LIMIT = 25 * 60
"""Seconds one program may take to build."""
FORGOTTEN = 30 * 24 * 3600
"""Seconds after which what was built for other sources is deleted."""


class Unavailable(Exception):
    """There is no such program here, for the reason given."""


@dataclass(frozen=True)
class Program:
    """A folder with go.mod, and the package in or behind it that is built."""

    name: str
    package: str = "."
    linked: str = ""
    beside: tuple[str, str] | None = None
    """A module, and a glob of files in it that are kept beside the program."""

    @property
    def folder(self) -> Path:
        return HERE / self.name

    @property
    def path(self) -> Path:
        """Where the built program is, or will be."""
        digest = hashlib.sha256(f"{self.package} {self.linked} {self.beside}".encode())
        for file in sorted(self.folder.glob("*")):
            if file.suffix in (".mod", ".sum", ".go"):
                digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "shipboard" / "cluster" / f"{self.name}-{digest.hexdigest()[:16]}" / self.name

    def build(self) -> Path:
        """The path of the built program. Waits for whoever builds it already. Raises Unavailable."""
        if self.path.exists():
            os.utime(self.path.parent)
            return self.path
        if shutil.which("go") is None:
            raise Unavailable(f"{self.name} is not built and there is no Go here")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.with_suffix(".lock"), self.name):
            if not self.path.exists():
                self._build()
        return self.path

    def _build(self) -> None:
        fresh = self.path.with_suffix(".new")
        flags = [flag for flag in os.environ.get("GOFLAGS", "").split() if not flag.startswith("-mod")]
        environment = os.environ | {"GOFLAGS": " ".join([*flags, "-mod=readonly"]), "GOWORK": "off"}
        command = [
            "go",
            "build",
            "-trimpath",
            "-buildvcs=false",
            f"-ldflags=-s -w {self.linked}",
            "-o",
            str(fresh),
            self.package,
        ]
        began = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as building:
            said = ""
            try:
                while building.poll() is None:
                    taken = time.monotonic() - began
                    _say(f"building {self.name}: {taken:.0f} s")
                    if taken > LIMIT:
                        raise Unavailable(f"{self.name} was not built within {LIMIT} s")
                    try:
                        said, _ = building.communicate(timeout=30)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                if building.poll() is None:
                    building.kill()
        if building.returncode:
            raise Unavailable(f"{self.name} does not build: {said.strip()[-1000:]}")
        if self.beside:
            module, glob = self.beside
            found = ["go", "list", "-m", "-f", "{{.Dir}}", module]
            source = subprocess.run(
                found, cwd=self.folder, env=environment, text=True, capture_output=True, check=True
            )
            for file in Path(source.stdout.strip()).glob(glob):
                self.path.with_name(file.name).write_bytes(file.read_bytes())
        fresh.rename(self.path)
        for other in self.path.parent.parent.glob(f"{self.name}-*"):
            if time.time() - other.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(other, ignore_errors=True)
        _say(f"built {self.name} in {time.monotonic() - began:.0f} s")


CONTROL_PLANE = Program("controlplane", linked="-X k8s.io/component-base/version.gitVersion=v1.36.3")
_ARGO = "github.com/argoproj/argo-rollouts"
ARGO = Program("argo", f"{_ARGO}/cmd/rollouts-controller", beside=(_ARGO, "manifests/crds/*-crd.yaml"))
_FLAGGER = "github.com/fluxcd/flagger"
FLAGGER = Program("flagger", f"{_FLAGGER}/cmd/flagger", beside=(_FLAGGER, "artifacts/flagger/crd.yaml"))
PROGRAMS = (CONTROL_PLANE, ARGO, FLAGGER)


@contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another build of {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    """Build all. Without Go and outside CI that is no failure: the tests then say what they lack."""
    if os.environ.get("SHIPBOARD_TEST_KUBECONFIG"):
        return 0
    try:
        for program in PROGRAMS:
            _say(f"{program.name}: {program.build()}")
    except Unavailable as error:
        _say(str(error))
        return 1 if os.environ.get("CI") == "true" else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
