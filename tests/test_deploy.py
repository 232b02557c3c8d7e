"""The shipped role: exactly what the collector reads, and nothing that could change or reveal anything."""

from pathlib import Path

import yaml

from app.domain.people import Role
from app.engines import owners, roots
from app.engines.port import HPA, HTTPROUTE, INGRESS, LOG
from app.settings import Mode, load
from app.sources.check import verbs
from app.sources.runner import kinds

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
