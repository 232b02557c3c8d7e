"""What is shipped to run it: roles that are exactly what is used, manifests and an image that hold together."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.people import Role
from app.engines import owners, roots
from app.engines.port import HPA, HTTPROUTE, INGRESS, LOG
from app.settings import Mode, load
from app.sources.check import verbs
from app.sources.runner import kinds
from app.web.server import FINISH_SECONDS
from tests import machine

MANIFESTS = Path(__file__).parents[1] / "deploy" / "read-role.yaml"
ACTING = MANIFESTS.with_name("act-role.yaml")


def rules(name: str = "shipboard-read", file: Path = MANIFESTS) -> list[dict[str, list[str]]]:
    """The rules of a shipped ClusterRole."""
    documents = yaml.safe_load_all(file.read_text())
    found = (d for d in documents if (d["kind"], d["metadata"]["name"]) == ("ClusterRole", name))
    return list(next(found)["rules"])


def test_the_role_grants_what_the_engines_read_and_nothing_else() -> None:
    granted = sorted(
        (verb, group, name)
        for rule in rules()
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
    )

    assert granted == sorted(
        (verb, kind.api.rpartition("/")[0], kind.plural) for kind in kinds() for verb in verbs(kind)
    )


def test_the_role_can_only_read() -> None:
    assert {verb for rule in rules() for verb in rule["verbs"]} == {"list", "watch"}


def test_logs_may_be_read_only_where_somebody_binds_their_role() -> None:
    assert rules("shipboard-logs") == [{"apiGroups": [""], "resources": [LOG.plural], "verbs": ["get"]}]
    documents = yaml.safe_load_all(MANIFESTS.read_text())
    assert {d["roleRef"]["name"] for d in documents if "roleRef" in d} == {"shipboard-read"}


def test_the_act_role_grants_what_is_written_and_nothing_else() -> None:
    granted = {
        (group, name, verb)
        for rule in rules("shipboard-act", ACTING)
        for group in rule["apiGroups"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    }
    written = (*roots(), INGRESS, HTTPROUTE, *owners.KINDS.values())
    needed = {
        (kind.api.rpartition("/")[0], kind.plural, verb) for kind in written for verb in ("get", "patch")
    }

    beside = {
        ("", "pods", "delete"),
        ("argoproj.io", "rollouts/status", "patch"),
        (HPA.api.partition("/")[0], HPA.plural, "list"),
    }
    assert granted == needed | beside


def test_compose_asks_people_who_they_are(tmp_path: Path) -> None:
    root = MANIFESTS.parents[1]
    service = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["shipboard"]
    assert "--allow-remote-without-login" not in service["command"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    (mounted,) = (each for each in service["volumes"] if each["target"].endswith("shipboard.yaml"))
    assert mounted["target"] == service["environment"]["SHIPBOARD_CONFIG"]
    settings = load(root / mounted["source"], {}, tmp_path, {})
    assert settings.auth.modes == (Mode.LOCAL,)
    assert {grant.role for grant in settings.auth.grants} == {Role.VIEWER}


def kustomized(tmp_path: Path, *, full: bool) -> dict[str, dict[str, Any]]:
    """What `kubectl kustomize` makes of deploy/, by kind and name; `full`: with PostgreSQL and the act role."""
    here = shutil.copytree(MANIFESTS.parent, tmp_path / "deploy")
    if full:
        file = here / "kustomization.yaml"
        text = file.read_text()
        for line in ("# components: [postgresql]", "  # - act-role.yaml"):
            assert line in text
            text = text.replace(line, line.replace("# ", "", 1))
        file.write_text(text)
    command = [machine.kubectl(), "kustomize", str(here)]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {f"{d['kind']} {d['metadata']['name']}": d for d in yaml.safe_load_all(made)}


@pytest.mark.parametrize("full", [False, True], ids=["sqlite", "postgresql"])
def test_the_manifests_hold_together(tmp_path: Path, full: bool) -> None:
    made = kustomized(tmp_path, full=full)
    assert ("ClusterRole shipboard-act" in made, "PodDisruptionBudget shipboard" in made) == (full, full)
    assert ("PersistentVolumeClaim shipboard" in made) is not full
    spec = made["Deployment shipboard"]["spec"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    (container,) = pod["containers"]
    assert spec["replicas"] == (2 if full else 1)
    assert (spec["strategy"]["type"] == "RollingUpdate") is full, "two do not share a SQLite file"
    for name in ("Service shipboard", "NetworkPolicy shipboard"):
        chosen = made[name]["spec"].get("selector") or made[name]["spec"]["podSelector"]["matchLabels"]
        assert chosen.items() <= labels.items()
    assert f"ServiceAccount {pod['serviceAccountName']}" in made
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    settings = made[f"ConfigMap {volumes['settings']['configMap']['name']}"]["data"]["shipboard.yaml"]
    (tmp_path / "shipboard.yaml").write_text(settings)
    environ = {
        each["name"]: each.get("value", "postgresql://shipboard@db/shipboard") for each in container["env"]
    }
    loaded = load(
        tmp_path / "shipboard.yaml",
        {"SHIPBOARD_DATABASE_URL": environ["SHIPBOARD_DATABASE_URL"]},
        tmp_path,
        {},
    )
    assert loaded.auth.modes == (Mode.LOCAL,)
    assert all(cluster.in_cluster for cluster in loaded.clusters)
    assert pod["terminationGracePeriodSeconds"] > loaded.drain_seconds + FINISH_SECONDS + 2
    assert ("SHIPBOARD_AUDIT_KEY" in environ) is full, "PostgreSQL has no folder to keep a key in"


def test_the_image_is_made_of_what_is_there() -> None:
    root = MANIFESTS.parents[1]
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    told = [line.split(" ", 1) for line in (root / "Dockerfile").read_text().splitlines() if " " in line]
    copied = [rest.split()[:-1] for verb, rest in told if verb == "COPY" and not rest.startswith("--from")]
    assert copied
    for source in (each.rstrip("/") for sources in copied for each in sources):
        assert (root / source).exists(), source
        assert source in allowed or f"{source}/" in allowed or source == ".ci/", f"{source} is ignored"
    bases = [rest.partition("=")[2] for verb, rest in told if verb == "ARG"]
    stages = [rest.split()[0] for verb, rest in told if verb == "FROM"]
    assert set(stages) == {"${NODE}", "${PYTHON}"}
    assert all(":" in base and "/" not in base for base in bases), "a tag, and no registry's name"
    last = max(at for at, (verb, _) in enumerate(told) if verb == "FROM")
    assert [rest for verb, rest in told[last:] if verb == "USER"] == ["1000"]
    assert any(verb == "HEALTHCHECK" for verb, _ in told[last:])
