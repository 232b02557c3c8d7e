"""Templates put back, given other images, and compared in words that give no secret away."""

from __future__ import annotations

from typing import Any

import pytest

from app.engines import template
from app.engines.acting import Difference, Look

SECRET = "correct-horse"


def _template(**container: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", **container}]}}


def _told(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(d.what, d.before, d.after) for d in template.difference(_template(**before), _template(**after))]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"image": "web:1"}, {"image": "web:2"}, [("image of web", "web:1", "web:2")]),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": []}, [("web: env A", "set", "")]),
        ({}, {"env": [{"name": "A", "value": SECRET}]}, [("web: env A", "", "set")]),
        (
            {"env": [{"name": "A", "value": SECRET}]},
            {"env": [{"name": "A", "value": "2"}]},
            [("web: env A", "set", "changed")],
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": SECRET}}}]},
            {"env": [{"name": "A", "value": SECRET}]},
            [("web: env A", "set", "changed")],
        ),
        (
            {"resources": {"limits": {"memory": "1Gi"}}},
            {"resources": {"limits": {"memory": "2Gi", "cpu": 1}}},
            [("web: memory limit", "1Gi", "2Gi"), ("web: cpu limit", "", "1")],
        ),
        ({"args": ["--token", SECRET]}, {"args": ["--other"]}, [("web: args", "set", "changed")]),
        ({"command": ["run"]}, {}, [("web: command", "set", "")]),
        (
            {"readinessProbe": {"httpGet": {"path": "/a"}}},
            {"readinessProbe": {"httpGet": {"path": "/b"}}},
            [("web: readiness probe", "set", "changed")],
        ),
        (
            {"readinessProbe": {"httpGet": {"path": "/a"}}},
            {"readinessProbe": {"httpGet": {"path": "/a", "scheme": "HTTP"}, "periodSeconds": 10}},
            [],
        ),
        ({"image": "web:1", "ports": [1]}, {"image": "web:1", "ports": [2]}, []),
    ],
)
def test_difference_is_told_in_words(
    before: dict[str, Any], after: dict[str, Any], told: list[tuple[str, str, str]]
) -> None:
    assert _told(before, after) == told
    assert SECRET not in str(_told(before, after))


def test_difference_tells_containers_volumes_labels_and_restarts() -> None:
    before = _template(image="web:1")
    after = {
        "metadata": {
            "labels": {"app": "web", "tier": "front", "pod-template-hash": "x"},
            "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z", "token": SECRET},
        },
        "spec": {
            "containers": [{"name": "web", "image": "web:1"}, {"name": "proxy", "image": "proxy:3"}],
            "initContainers": [{"name": "init", "image": "init:1"}],
            "volumes": [{"name": "data"}],
        },
    }

    found = template.difference(before, after)

    assert found == (
        Difference("container init", "", "init:1"),
        Difference("container proxy", "", "proxy:3"),
        Difference("volumes", "0 volumes", "1 volume"),
        Difference("restarted at", "", "2026-01-01T00:00:00Z"),
        Difference("label tier", "", "front"),
        Difference("annotation token", "", "set"),
    )
    assert SECRET not in str(found)


def test_difference_is_bounded_in_number_and_length() -> None:
    many = [{"name": f"{'N' * 500}{i}", "value": "x"} for i in range(500)]

    found = template.difference(_template(), _template(env=many, image="i" * 5000))

    assert len(found) == template.MOST
    assert found[-1].what == f"and {501 - template.MOST + 1} more"
    assert all(len(d.what) + len(d.before) + len(d.after) < 500 for d in found)


def test_difference_of_hostile_templates_never_raises() -> None:
    odd = {"metadata": None, "spec": {"containers": [{"name": None, "image": "\x00\u202e", "env": None}]}}

    assert all(d.after.isprintable() for d in template.difference({}, odd))
    assert template.difference(None, None) == ()


def test_bare_template_lacks_the_hash_and_the_merge_directive_and_nothing_else() -> None:
    kept = {"$patch": "replace", **_template(image="web:1")}
    kept["metadata"] = {"labels": {"app": "web", "pod-template-hash": "abc"}}

    assert template.bare(kept, "pod-template-hash") == _template(image="web:1")
    assert kept["metadata"]["labels"]["pod-template-hash"] == "abc"


def test_root_is_compared_with_the_template_of_a_kept_revision_images_aside() -> None:
    new, old = _template(image="web:2", args=["a"]), _template(image="web:1")
    kept = {"metadata": {"uid": "u1", "labels": {"pod-template-hash": "h1"}}, "spec": {"template": old}}
    look = Look({"spec": {"template": new}}, {"ReplicaSet": [kept]})
    for key in ("u1", "h1"):
        found = template.since(look, key)
        assert [(d.what, d.before, d.after) for d in found or ()] == [("web: args", "", "changed")]
    assert template.since(look, "other") is None
    assert template.since(Look({}), "h1") is None
