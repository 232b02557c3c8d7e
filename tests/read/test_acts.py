"""What can be asked, as buttons: which share a place, which is the main one, and what is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app import engines
from app.domain.owners import Manager, Owner, Reverts
from app.domain.policy import Blocker
from app.domain.revisions import Weight
from app.domain.rollout import Attention, Health, Outcome, Phase, Strategy, WaitKind, WaitsFor
from app.domain.targets import RULE, Record
from app.engines import deployment
from app.read import acts
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.rows import WorkloadRow
from app.read.workload_projection import WorkloadProjection
from tests import fleets
from tests.fleets import NOW, StillFleet, live, state, workload

WAITS = WaitsFor(WaitKind.PERSON, "a person", None, NOW)


def canary(**changes: object) -> WorkloadRow:
    row = fleets.workload(
        "checkout",
        "production",
        state(
            "2.0",
            Phase.AWAITING_APPROVAL,
            Health.SUSPENDED,
            strategy=Strategy.CANARY,
            steps=fleets.canary(20, 20, 60),
            weight=20,
            waits_for=WAITS,
        ),
    )
    assert row.state.revision is not None
    stable = replace(row.state.revision, key="old", version="1.0")
    changed = replace(row.state, stable=stable, step_index=1, **changes)  # type: ignore[arg-type]
    return replace(row, engine="argo-rollouts", state=changed)


def labels(found: acts.Acts) -> list[str]:
    return [act.verb for act in found.row]


def test_six_stand_in_a_row_and_the_answer_is_the_main_one():
    found = acts.acts(canary())
    assert labels(found) == ["promote", "promote-full", "abort", "pause", "rollback", "restart"]
    assert [a.verb for a in found.row if a.main] == ["promote"]
    assert [a.verb for a in found.more] == ["set-image"]


def test_verbs_that_answer_each_other_share_a_place():
    assert labels(acts.acts(canary(paused=True)))[3] == "resume"
    aborted = acts.acts(canary(aborted=True, phase=Phase.ABORTED))
    assert "retry" in labels(aborted)
    assert "abort" not in labels(aborted)


def test_button_names_the_version_that_was_live_last_as_the_dialog_does():
    new = fleets.workload("cart").state.revision
    assert new is not None
    two, three = (replace(new, key=key, version=key, ready=0, wanted=0) for key in ("2.0", "3.0"))
    row = fleets.workload("cart")
    row = replace(row, engine="deployment", state=replace(row.state, revisions=(new, three, two)))

    def back(record: Record) -> acts.Act:
        return next(a for a in acts.acts(row, None, record).row if a.verb == "rollback")

    assert back(Record()).label == "Back to 3.0", "the newest, where nothing is remembered"
    live = Record(landed={"2.0": NOW, "3.0": NOW - timedelta(days=1)})
    assert back(live).label == "Back to 2.0"
    assert "is replaced by 2.0" in back(live).sentence
    assert engines.offers(deployment, row.state, live)[1][0].revision is two
    failed = Record(ended=dict.fromkeys(("2.0", "3.0"), (Outcome.FAILED, NOW)))
    assert [b.rule for b in back(failed).blocked_by] == [RULE]


def test_what_bars_everything_is_told_at_each_button():
    barred = Blocker("access", "Shipboard may not patch rollouts.", "Bind the role.")
    found = acts.acts(canary(), barred)
    assert all(act.blocked_by[-1] == barred for act in (*found.row, *found.more))
    assert not any(act.main for act in found.row)


def test_an_engine_nobody_knows_offers_nothing():
    assert not acts.acts(replace(canary(), engine="another"))


def test_others_are_those_that_move_in_the_same_environment():
    moving = replace(
        fleets.workload("cart", "production", state("3.0", Phase.PROGRESSING, Health.PROGRESSING)),
        attention=Attention.MOVING,
    )
    weighed = replace(moving, key="w", state=replace(moving.state, weight=Weight(5, 5)))
    elsewhere = replace(moving, key="e", place=replace(moving.place, environment="staging"))
    calm = fleets.workload("calm", "production", state("1.0"))
    found = acts.others([moving, weighed, elsewhere, calm], calm)
    assert {other.how for other in found} == {"3.0, 5 %", "3.0, 0 of 3 pods"}


def test_a_hold_is_shown_on_the_board_and_on_the_page():
    until = NOW + timedelta(hours=1)
    owner = Owner(Manager.ARGOCD, "Application", "web", "argocd", Reverts.NO, held_until=until)
    row = workload("shop", "production", replace(state("1.0"), owner=owner))
    fleet = StillFleet([row], live(), [])
    board = BoardProjection(fleet, BoardQuery(), NOW).board
    assert [(h.service, h.by, h.until) for h in board.held] == [("shop", "Argo CD application web", until)]
    page = WorkloadProjection(fleet, row.ref, NOW).page
    assert page.hold == acts.Hold("Argo CD application web", until)
    assert ("Managed by", "Argo CD application web") in page.identity
