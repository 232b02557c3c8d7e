"""Conditions are carried as stated, of the root and of the Deployments that it joins, and bounded."""

from datetime import UTC, datetime

from app.engines import engine_for, observe
from app.engines.conditions import MOST, OBJECTS, of
from app.engines.port import Kin

from .objects import decode


def deployment(name="web", *conditions):
    return decode(
        {"kind": "Deployment", "metadata": {"name": name, "uid": name}, "status": {"conditions": conditions}}
    )


STATED = {
    "type": "Available",
    "status": "True",
    "reason": "MinimumReplicasAvailable",
    "message": "x" * 5000,
    "lastTransitionTime": "2026-10-01T12:00:00Z",
}


def test_conditions_of_the_root_come_with_what_its_engine_reads():
    root = deployment("web", STATED)
    engine = engine_for(root)
    assert engine
    (found,) = observe(engine, root, Kin()).conditions
    assert (found.type, found.status, found.reason, found.of) == ("Available", "True", STATED["reason"], "")
    assert found.since == datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert len(found.message) <= 300


def test_conditions_of_joined_deployments_say_whose_they_are():
    service = decode({"kind": "Service", "metadata": {"name": "web", "uid": "s"}})
    found = of(service, Kin(deployments=[deployment("blue", STATED), deployment("green", STATED)]))
    assert [c.of for c in found] == ["Deployment/blue", "Deployment/green"]


def test_deployment_that_lends_its_template_says_nothing_of_an_argo_rollout():
    root = decode(
        {"kind": "Rollout", "metadata": {"name": "web", "uid": "r"}, "status": {"conditions": [STATED]}}
    )
    assert [c.of for c in of(root, Kin(deployments=[deployment("web", STATED)]))] == [""]


def test_conditions_are_bounded():
    many = [deployment(f"d{n}", *[STATED] * (MOST + 5)) for n in range(OBJECTS + 5)]
    assert len(of(many[0], Kin(deployments=many[1:]))) == MOST * (OBJECTS + 1)
