"""The shipped role: exactly what the collector reads, and nothing that could change or reveal anything."""

from pathlib import Path

import yaml

from app.sources.runner import kinds

MANIFESTS = Path(__file__).parents[1] / "deploy" / "read-role.yaml"


def rules() -> list[dict[str, list[str]]]:
    """The rules of the shipped ClusterRole."""
    documents = yaml.safe_load_all(MANIFESTS.read_text())
    return next(list(d["rules"]) for d in documents if d["kind"] == "ClusterRole")


def test_the_role_grants_what_the_engines_read_and_nothing_else() -> None:
    granted = {(group, name) for rule in rules() for group in rule["apiGroups"] for name in rule["resources"]}

    assert granted == {(kind.api.rpartition("/")[0], kind.plural) for kind in kinds()}


def test_the_role_can_only_read() -> None:
    assert {verb for rule in rules() for verb in rule["verbs"]} == {"get", "list", "watch"}
