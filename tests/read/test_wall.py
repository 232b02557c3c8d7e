"""The wall's rows, its sentence and what it keeps up: no problem is left out, and nothing is said twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.freshness import Freshness
from app.domain.gates import Gate, Origin, Subject, Version
from app.domain.names import Topic
from app.domain.rollout import Attention, Health, Outcome, Phase
from app.read.board import Column
from app.read.query import BoardQuery
from app.read.scenes import MOST, build_scene, day_scene
from app.read.wall import REASON, WallProjection, wall_sentence
from tests import scenes
from tests.e2e import preview
from tests.fleets import KINDS, NOW, WAITS, StillFleet, before, live, rollout, source, state, workload

TOLD = ("staging", "production")
FAILED = state("2.0.0", Phase.FAILED, Health.DEGRADED, message="It crashes.", stable="1.9.0")
WAITING = state("2.0.0", Phase.AWAITING_APPROVAL, Health.SUSPENDED, waits_for=WAITS)


def wall(fleet: StillFleet, query: str = "") -> WallProjection:
    asked = BoardQuery.parse([tuple(query.split("="))] if query else [])  # type: ignore[list-item]
    return WallProjection(fleet, asked, NOW, TOLD)


def told(shown: WallProjection) -> list[tuple[str, str, str]]:
    return [(row.service, row.environment, row.attention.value) for row in shown.wall.rows]


def test_a_service_that_fails_here_and_waits_there_has_two_rows():
    fleet = StillFleet([workload("s", "staging", FAILED), workload("s", "production", WAITING)], live())
    assert told(wall(fleet)) == [("s", "staging", "failed"), ("s", "production", "waiting")]


def test_a_good_service_has_one_row_of_its_last_environment():
    fleet = StillFleet([workload("s", "staging"), workload("s", "production", state("1.4.0"))], live())
    assert told(wall(fleet)) == [("s", "production", "good")]
    assert wall(fleet).wall.rows[0].last


def test_what_cannot_be_seen_comes_before_what_moves():
    moving = state("2.0.0", Phase.PROGRESSING, Health.PROGRESSING, pods=(1, 1, 0, 2))
    stale = [source("far", kind, freshness=Freshness.STALE) for kind in KINDS]
    fleet = StillFleet([workload("m", what=moving), workload("u", cluster="far")], [*live(), *stale])
    assert [row.attention for row in wall(fleet).wall.rows] == [Attention.UNKNOWN, Attention.MOVING]
    assert wall(fleet).wall.rows[1].word == "1 of 3 pods"


@pytest.mark.parametrize("make", [preview.busy, preview.all_bad, preview.odd])
def test_every_problem_of_the_fleet_has_a_row(make):
    fleet = make()
    seen = {
        (r.service, r.environment) for r in WallProjection(fleet, BoardQuery(), NOW).wall.rows if r.problem
    }
    odd = (Attention.FAILED, Attention.WAITING, Attention.UNKNOWN)
    assert {
        (w.place.service, w.place.environment) for w in fleet.workloads.values() if w.attention in odd
    } <= seen


def test_a_row_tells_what_is_asked_and_where_to_go():
    row = wall(StillFleet([workload("s", what=WAITING)], live())).wall.rows[0]
    assert (row.reason, row.href) == (WAITS.what, "/workloads/demo/s-production/Deployment/s")
    long = replace(FAILED, message="why " * 100)
    assert len(wall(StillFleet([workload("s", what=long)], live())).wall.rows[0].reason) <= REASON


def asked(origin: Origin, question: str = "", of: str = "") -> Gate:
    subject = Subject("s", "production", question, after=Version("2.0.0"), workload=of)
    return Gate(f"g-{origin.value}", "k", origin, subject, before(hours=1), NOW + timedelta(hours=1))


def test_the_code_of_what_waits_leads_to_its_gate_and_that_of_trouble_to_the_workload():
    waits, fails = workload("s", what=WAITING), workload("t", what=FAILED)
    fleet = StillFleet([waits, fails], live())
    fleet._gates = {g.id: g for g in [asked(Origin.ROLLOUT, of=waits.key)]}
    assert {row.service: row.href for row in wall(fleet).wall.rows} == {
        "s": "/gates/g-rollout",
        "t": "/workloads/demo/t-production/Deployment/t",
    }


def test_a_question_that_nothing_stands_still_for_has_a_row_until_it_is_answered():
    fleet = StillFleet([workload("s", "staging"), workload("s", "production")], live())
    shown = wall(fleet)
    fleet._gates = {"g": asked(Origin.PROMOTION, "Promote 2.0.0 to production?")}
    change = shown.apply([Topic("gate", "g")], NOW)
    (row,) = change.added.values()
    assert (row.attention, row.href, row.reason) == (
        Attention.WAITING,
        "/gates/g-promotion",
        "Promote 2.0.0 to production?",
    )
    assert (row.problem, len(change.removed), shown.wall.sentence.text) == (True, 1, "1 waits")
    fleet._gates = {}
    shown.apply([Topic("gate", "g")], NOW)
    assert [row.attention for row in shown.wall.rows] == [Attention.GOOD]


def test_a_row_counts_the_workloads_that_are_alike():
    rows = [workload("s", what=FAILED, name=name) for name in ("web", "worker")] + [
        workload("s", name="cron")
    ]
    assert wall(StillFleet(rows, live())).wall.rows[0].reason == "2 of 3 workloads: It crashes."


@pytest.mark.parametrize(
    ("fleet", "text"),
    [
        (preview.busy, "1 fails, 3 wait, 1 unseen, 3 move"),
        (preview.moving, "3 move, 11 good"),
        (preview.calm, "All 14 are good. Nothing waits."),
        (StillFleet, "No cluster is configured."),
    ],
)
def test_the_sentence_is_short_and_worst_first(fleet, text):
    assert WallProjection(fleet(), BoardQuery(), NOW).wall.sentence.text == text


def test_nothing_is_said_of_nothing():
    assert wall_sentence(()).text == ""


def test_the_latest_are_those_that_ended_last_and_all_are_counted():
    rows = [rollout(f"r{i}", ended=before(minutes=i)) for i in range(MOST + 5)]
    rows += [rollout("s", ended=before(seconds=1), outcome=Outcome.SUPERSEDED), rollout("m")]
    found = day_scene(rows, BoardQuery(), (), NOW)
    assert [r.at for r in found.latest] == [before(minutes=i) for i in range(MOST)]
    assert ({r.word for r in found.latest}, found.total) == ({"Landed"}, MOST + 5)
    assert found.text == f"{MOST + 6} rollouts in 24 h: 1 moving"


def test_the_day_has_a_lane_for_each_environment_the_last_one_first():
    rows = [rollout(f"{e}{h}", environment=e, ended=before(hours=h)) for e in TOLD for h in (1, 23, 25)]
    rows.append(rollout("x", environment="staging", ended=before(hours=2), outcome=Outcome.ROLLED_BACK))
    shown = tuple(Column(e, e.capitalize()) for e in TOLD)
    lanes = day_scene(rows, BoardQuery(), shown, NOW).lanes
    assert [(one.title, len(one.strokes), one.failed) for one in lanes] == [
        ("Production", 2, 0),
        ("Staging", 3, 1),
    ]
    narrow = day_scene(rows, BoardQuery(environment=("staging",)), shown, NOW)
    assert [one.environment for one in narrow.lanes] == ["staging"]


def test_builds_are_worst_first_and_all_are_counted():
    found = build_scene(scenes.all_builds(), None)
    assert found.text == "12 builds: 1 red, 1 running, 1 over; median 8:33"
    assert [one.service for one in found.rows[:3]] == ["recommendations", "storefront-web", "cart"]
    few = build_scene(scenes.all_builds(), {"cart", "pricing"})
    assert (few.total, few.text) == (2, "2 builds: 1 over; median 11:39")
    assert build_scene({}, None).total == 0


def test_a_scene_changes_with_what_it_shows_and_with_nothing_else():
    kept = [scenes.figures()]
    fleet = preview.calm()
    shown = WallProjection(fleet, BoardQuery(), NOW, TOLD, lambda: kept[0])
    quiet = shown.tick(NOW)
    assert (quiet.builds, quiet.day, quiet.figures) == (False, False, False)
    running = shown.tick(NOW + timedelta(seconds=5))
    assert (running.builds, running.figures) == (True, False)  # one build runs, so time alone moves it
    kept[0] = replace(scenes.figures(), again=1)
    assert shown.tick(NOW + timedelta(seconds=5)).figures
    assert shown.apply([fleet.put(rollout("new", ended=NOW))], NOW).day


def test_what_is_kept_up_is_what_is_made_anew():
    fleet = preview.busy(TOLD)
    shown = wall(fleet)
    steps = [
        fleet.put(workload("cart", "staging", FAILED, since=NOW)),
        fleet.put(workload("checkout-api", "production", state("4.19.0"))),
        fleet.put(rollout("new", ended=NOW)),
        fleet.put(workload("new", "production", WAITING, since=NOW)),
    ]
    change = shown.apply(steps, NOW)
    assert shown.wall == wall(fleet).wall
    assert {row.service for row in change.added.values()} == {"cart", "new"}
    assert {row.service for row in change.changed.values()} == {"checkout-api"}
    assert (len(change.removed), change.sentence, change.day) == (1, True, True)
    gone = shown.apply([fleet.drop("demo:production-new")], NOW)
    assert [len(gone.removed), gone.changed, gone.added] == [1, {}, {}]
    assert not shown.apply([Topic("workload", "nobody")], NOW).sentence


def test_time_alone_ends_the_glow_of_a_landing():
    fleet = StillFleet([workload("s", landed=before(minutes=59), since=before(minutes=59))], live())
    shown = wall(fleet)
    assert shown.wall.rows[0].word == "Just landed"
    later = NOW + timedelta(minutes=2)
    for row in live():
        fleet.put(replace(row, contact_at=later, seen_at=later))
    assert [row.word for row in shown.tick(later).changed.values()] == ["Good"]


def test_a_new_environment_is_everything_anew():
    fleet = StillFleet([workload("s")], live())
    shown = wall(fleet)
    assert shown.apply([fleet.put(workload("s", "qa", FAILED))], NOW).everything
    assert shown.wall == wall(fleet).wall


def test_a_narrowed_wall_shows_that_part_alone():
    assert told(wall(preview.busy(TOLD), "team=Payments")) == [("payments-worker", "production", "failed")]
