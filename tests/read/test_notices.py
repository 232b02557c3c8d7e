"""What the board shows is told in sentences, each change by one key that no later look changes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.delivery import Approvals, Delivery, Mode, Rules
from app.domain.freezes import Freeze, Window
from app.domain.freshness import Freshness
from app.domain.gates import Basis, Decision, Gate, GatePhase, Origin, Subject, Version, Vote
from app.domain.notices import NoticeKind
from app.domain.people import SYSTEM
from app.domain.rollout import Health, Outcome, Phase, Problem
from app.read.builds import ServiceBuilds, Since
from app.read.notices import notices
from tests.fleets import NOW, StillFleet, before, live, rollout, source, state, workload

HOUR = timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=1)
SUBJECT = Subject(
    "pricing", "production", "May 2.8.0 go to production?", Version("2.7.9"), Version("2.8.0"),
    stands="good in staging", team="money",
)  # fmt: skip
GATE = Gate("6a7e", "k", Origin.PROMOTION, SUBJECT, before(minutes=1), NOW + HOUR, digest="d1")


def fleet_with(*gates: Gate, **rules: object) -> StillFleet:
    fleet = StillFleet(sources=live())
    fleet._gates = {gate.id: gate for gate in gates}
    given: dict[str, object] = {"four_eyes": False, "approvals": (Approvals(1),), **rules}
    fleet.delivery = Delivery(("production",), {"production": Rules("production", **given)})  # type: ignore[arg-type]
    return fleet


def said(fleet: StillFleet, now=NOW) -> list[tuple[str, str, str]]:
    return [(n.kind.value, n.title, n.text) for n in notices(fleet, now, LONG_AGO)]


def decided(phase: GatePhase, basis: Basis = Basis.VOTES, reason: str = "", ended: bool = True) -> Gate:
    answer = GatePhase.REJECTED if phase is GatePhase.REJECTED else GatePhase.APPROVED
    decision = Decision(answer, basis, NOW, "local|ada", "Ada", reason)
    return replace(
        GATE, phase=phase, decision=decision, ended_at=NOW if ended else None, message="It is done."
    )


def test_gate_that_waits_is_told_with_what_it_lacks_and_its_page():
    (only,) = notices(fleet_with(GATE), NOW, LONG_AGO)
    assert only.title == "pricing waits for a decision. May 2.8.0 go to production?"
    assert only.text.startswith("It is good in staging.")
    assert (only.path, only.thread, only.digest) == ("/gates/6a7e", "gate/6a7e", "d1")
    assert (only.service, only.environment, only.team) == ("pricing", "production", "money")
    assert "Besides approval it lacks: CI: " in said(fleet_with(GATE, ci=True))[0][2]
    assert said(fleet_with(GATE, mode=Mode.AUTOMATIC)) == [], "nobody is asked"


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (decided(GatePhase.APPROVED, ended=False), ["Ada approved 2.8.0 for pricing in production."]),
        (
            decided(GatePhase.FAILED),
            [
                "Ada approved 2.8.0 for pricing in production.",
                "2.8.0 for pricing in production was approved, and could not be carried out.",
            ],
        ),
        (decided(GatePhase.REJECTED, reason="Too late."), ["Ada rejected 2.8.0 for pricing in production."]),
        (
            decided(GatePhase.APPROVED, Basis.BREAK_GLASS, ended=False),
            ["Ada approved 2.8.0 for pricing in production, although rules say no."],
        ),
        (decided(GatePhase.APPROVED, Basis.RULE, ended=False), []),
        (
            replace(GATE, phase=GatePhase.EXPIRED, ended_at=NOW),
            ["2.8.0 for pricing in production was not answered in time, so the answer is no."],
        ),
        (replace(GATE, phase=GatePhase.VOID, ended_at=NOW), []),
        (
            replace(GATE, phase=GatePhase.VOID, ended_at=NOW, votes=(Vote(SYSTEM, "d1", NOW),)),
            ["2.8.0 for pricing in production is not asked any more."],
        ),
    ],
)
def test_what_becomes_of_a_gate_is_told(gate, told):
    assert [title for _, title, _ in said(fleet_with(gate))] == told


def test_rollout_is_told_that_failed_or_went_back_or_is_stuck():
    fleet = fleet_with()
    stuck = state(
        "1.0.1", Phase.PROGRESSING, Health.DEGRADED, stable="1.0.0", pods=(0, 0, 1, 3),
        problems=(Problem("image", "ImagePullBackOff", "The image cannot be pulled."),),
    )  # fmt: skip
    fleet.put(workload("cart", what=stuck))
    fleet.put(rollout("r1"))
    for ident, outcome in (("r2", Outcome.FAILED), ("r3", Outcome.ROLLED_BACK), ("r4", Outcome.PROMOTED)):
        fleet.put(rollout(ident, "pay", ended=before(minutes=5), outcome=outcome))
    assert [(kind, title) for kind, title, _ in said(fleet)] == [
        ("rollout-failed", "pay 1.0.1 failed in production."),
        ("rollout-back", "pay 1.0.1 is back in production."),
        ("rollout-stuck", "cart is stuck on its way in production."),
    ]
    last = notices(fleet, NOW, LONG_AGO)[-1]
    assert "the image cannot be pulled" in last.text
    assert (last.thread, last.path) == ("rollout/r1", "/workloads/demo/cart-production/Deployment/cart")


def test_freeze_is_told_each_time_it_begins():
    fleet = fleet_with()
    weekend = Freeze("w", "Weekend", "production", "*", Window.parse("Mon 12:00 - Mon 18:00"))
    fleet.by_hand = (weekend, Freeze("x", "Later", since=NOW + HOUR))
    (first,) = notices(fleet, NOW, LONG_AGO)
    assert first.title == "Everything in production is frozen until Mon 23 Nov 18:00 UTC."
    (second,) = notices(fleet, NOW + timedelta(days=7), NOW)[-1:]
    assert first.key != second.key


def test_main_branch_that_broke_is_told_once_however_often_it_stays_red():
    fleet = fleet_with()

    def red(runs: int) -> ServiceBuilds:
        broken = Since("run-1", "4f1c2ae" * 5, "Rounds prices", "lena", NOW, runs, True)
        return ServiceBuilds("cart", "cart", "0", (), None, broken, (), None)

    keys = set()
    for runs in (1, 2):
        fleet.builds._by_service["cart"] = red(runs)
        (only,) = notices(fleet, NOW, LONG_AGO)
        keys.add(only.key)
    assert (only.title, only.text) == (
        "The main branch of cart is red.", "Red since 4f1c2ae by lena: Rounds prices."
    )  # fmt: skip
    assert len(keys) == 1


def test_source_is_told_when_it_was_silent_for_longer_than_a_restart_takes():
    fleet = fleet_with()
    for kind, heard in (("Pod", 400), ("Deployment", 360)):
        fleet.put(source("east", kind, freshness=Freshness.STALE, heard=heard, message="No answer."))
    fleet.put(source("west", "Pod", freshness=Freshness.STALE, heard=100))
    (only,) = notices(fleet, NOW, LONG_AGO)
    assert only.title.startswith("east has been silent since 14:25 UTC on 23 Nov"), "one a cluster, its first"
    assert notices(fleet, NOW, before(minutes=4)) == [], "this board has only just begun to listen"
    again = notices(fleet, NOW + timedelta(seconds=1), LONG_AGO)
    assert [n.key for n in again][:1] == [only.key]
    assert only.kind is NoticeKind.SOURCE_SILENT
