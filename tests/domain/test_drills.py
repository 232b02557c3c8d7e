"""Where and when a drill may be made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.drills import production, why_not
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, PodCounts, RolloutState, Strategy

REST = RolloutState(
    Phase.IDLE,
    Health.HEALTHY,
    strategy=Strategy.ROLLING,
    revisions=(Revision("2"), Revision("1")),
    counts=PodCounts(wanted=2),
)


def test_at_rest_and_healthy_with_a_version_before_it_can_be_made():
    assert why_not(REST) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phase": Phase.PROGRESSING}, "at rest"),
        ({"health": Health.DEGRADED}, "healthy"),
        ({"counts": PodCounts()}, "no pods"),
        ({"revisions": (Revision("2"),)}, "No other revision"),
    ],
)
def test_what_stands_in_the_way_is_said(change, said):
    assert said in (why_not(replace(REST, **change)) or "")


def test_where_a_person_answers_steps_there_is_none():
    assert why_not(replace(REST, strategy=Strategy.CANARY)) is None


def test_production_is_the_last_environment_and_what_is_called_so():
    assert "live" in production([])
    assert {"shop", "production"} <= production(["qa", "shop"])
    assert "qa" not in production(["qa", "shop"])
