"""The lock files: each thing pinned and hashed, and no word of where anybody fetches from."""

import json
import re
import tomllib

import pytest

from tests.machine import ROOT

PYTHON = ["requirements.lock", "requirements-dev.lock", ".ci/bootstrap.lock", ".ci/node.lock"]


@pytest.mark.parametrize("lock", PYTHON)
def test_every_locked_package_has_a_version_and_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())

    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+", entry)
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("lock", [*PYTHON, "package-lock.json"])
def test_lock_names_no_host_to_fetch_from(lock: str) -> None:
    text = re.sub(r'"funding": \{[^}]*\}', "", (ROOT / lock).read_text())

    assert "://" not in text


def test_every_front_end_package_has_an_integrity() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert packages.keys() > {""}
    assert all("integrity" in package for name, package in packages.items() if name)


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    wanted = {
        "requirements.lock": project["dependencies"],
        "requirements-dev.lock": project["dependencies"]
        + [name for name in extras if not name.startswith("shipboard[")],
    }

    for lock, dependencies in wanted.items():
        locked = set(re.findall(r"^([a-z0-9-]+)", (ROOT / lock).read_text(), re.MULTILINE))
        assert {re.split(r"[\[<>=]", name)[0].lower() for name in dependencies} <= locked
