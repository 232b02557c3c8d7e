"""The Go programs of a control plane for tests, built once for each version of their sources.

`python -m tests.cluster.building` builds them with progress on standard error and fails where it cannot. They are
kept outside the checkout, in $XDG_CACHE_HOME/shipboard/cluster/PROGRAM-HASH/ (XDG_CACHE_HOME: ~/.cache), where HASH
is of the module's files. Needs a Go of at least the version in go.mod, or one that may fetch it (GOTOOLCHAIN), and
the Go module proxy; a cold build takes 12 minutes on two cores.
"""

import fcntl
import hashlib
import json
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
    changed: tuple[str, str, str, str] | None = None
    """A module, a file of it, and the text in there that is replaced, by what: for constants no flag reaches."""

    @property
    def folder(self) -> Path:
        return HERE / self.name

    @property
    def path(self) -> Path:
        """Where the built program is, or will be."""
        described = f"{self.package} {self.linked} {self.beside}" + (
            str(self.changed) if self.changed else ""
        )
        digest = hashlib.sha256(described.encode())
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
            *self._mended(environment),
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
            for file in self._source(module, environment).glob(glob):
                self.path.with_name(file.name).write_bytes(file.read_bytes())
        shutil.rmtree(self.path.with_name("source"), ignore_errors=True)
        fresh.rename(self.path)
        for other in self.path.parent.parent.glob(f"{self.name}-*"):
            if time.time() - other.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(other, ignore_errors=True)
        _say(f"built {self.name} in {time.monotonic() - began:.0f} s")

    def _mended(self, environment: dict[str, str]) -> list[str]:
        """The flag by which a copy of the module is built with `changed` in it; the compiler lets no other way."""
        if not self.changed:
            return []
        module, name, old, new = self.changed
        copy, modfile = self.path.with_name("source"), self.path.with_name("go.mod")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._source(module, environment), copy, copy_function=shutil.copyfile)
        for folder in (copy, *(each for each in copy.rglob("*") if each.is_dir())):
            folder.chmod(0o755)
        text = (copy / name).read_text()
        if text.count(old) != 1:
            raise Unavailable(f"{name} of {module} does not say {old!r} once")
        (copy / name).write_text(text.replace(old, new))
        modfile.write_text((self.folder / "go.mod").read_text() + f"\nreplace {module} => {copy}\n")
        shutil.copyfile(self.folder / "go.sum", modfile.with_suffix(".sum"))
        return [f"-modfile={modfile}"]

    def _source(self, module: str, environment: dict[str, str]) -> Path:
        """Where the module's files are; fetched if need be."""
        command = ["go", "mod", "download", "-json", module]
        said = subprocess.run(command, cwd=self.folder, env=environment, text=True, capture_output=True)
        if said.returncode:
            raise Unavailable(f"{module} is not to be had: {(said.stderr or said.stdout).strip()[-1000:]}")
        return Path(json.loads(said.stdout)["Dir"])


CONTROL_PLANE = Program("controlplane", linked="-X k8s.io/component-base/version.gitVersion=v1.36.3")
_ARGO = "github.com/argoproj/argo-rollouts"
ARGO = Program(
    "argo",
    f"{_ARGO}/cmd/rollouts-controller",
    beside=(_ARGO, "manifests/crds/*-crd.yaml"),
    changed=(_ARGO, "controller/controller.go", '"0.0.0.0:%d"', '"127.0.0.1:%d"'),
)
_FLAGGER = "github.com/fluxcd/flagger"
FLAGGER = Program(
    "flagger",
    f"{_FLAGGER}/cmd/flagger",
    beside=(_FLAGGER, "artifacts/flagger/crd.yaml"),
    changed=(_FLAGGER, "pkg/server/server.go", '":" + port', '"127.0.0.1:" + port'),
)
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
