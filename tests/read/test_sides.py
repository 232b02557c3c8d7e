"""Which revisions stand side by side on a workload's page."""

from __future__ import annotations

from app.domain.revisions import Revision
from app.domain.rollout import Attention, Health, Phase, RolloutState
from app.read.sides import BEFORE, sides

ASKED = Revision("target", 2, ("shop:2.0",), "2.0")
SERVES = Revision("primary-5", 5, ("shop:2.0",), "2.0", wanted=2, ready=2)
OLD = Revision("primary-4", 4, ("shop:1.0",), "1.0")


def shown(phase: Phase, *revisions: Revision) -> list[tuple[str, str]]:
    state = RolloutState(phase, Health.HEALTHY, "", revision=ASKED, revisions=revisions)
    return [(side.role, side.key) for side in sides(state, Attention.GOOD, None)]


def test_what_was_promoted_is_shown_as_it_serves_and_not_as_what_was_before():
    assert shown(Phase.IDLE, SERVES, OLD) == [("Serves", "primary-5"), (BEFORE, "primary-4")]


def test_on_the_way_what_was_asked_for_stays_itself():
    assert shown(Phase.PROMOTING, SERVES, OLD)[0] == ("New", "target")
    assert shown(Phase.IDLE, OLD)[0] == ("Serves", "target"), "nothing that serves is the same"
