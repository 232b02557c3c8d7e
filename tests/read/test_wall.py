"""The wall's rows, its sentence and what it keeps up: no problem is left out, and nothing is said twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.freshness import Freshness
from app.domain.rollout import Attention, Health, Outcome, Phase
from app.live import Topic
from app.read.query import BoardQuery
from app.read.wall import LATEST, REASON, WallProjection, latest, wall_sentence
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


def test_the_latest_are_those_that_ended_last_and_count():
    rows = [rollout(f"r{i}", ended=before(minutes=i)) for i in range(9)]
    rows += [rollout("s", ended=before(seconds=1), outcome=Outcome.SUPERSEDED), rollout("m")]
    found = latest(rows, BoardQuery())
    assert [r.at for r in found] == [before(minutes=i) for i in range(LATEST)]
    assert {r.word for r in found} == {"Landed"}


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
