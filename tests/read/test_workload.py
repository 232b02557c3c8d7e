"""The page of one workload: its sentence, its road, its pods as squares, and its upkeep."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.freshness import Freshness
from app.domain.names import Topic
from app.domain.rollout import Attention, Phase, PodCondition, StepState, WaitKind, WaitsFor
from app.read.past import Told
from app.read.sides import DRAWN, LISTED
from app.read.workload import WorkloadPage
from app.read.workload_projection import WorkloadProjection
from tests import workloads
from tests.fleets import NOW, StillFleet, before, source, workload


def page(made: StillFleet) -> WorkloadPage:
    return workloads.page(made).page


def only(made: StillFleet):
    return next(row for row in made.workloads.values() if row.place.environment == "production")


@pytest.mark.parametrize(
    ("made", "attention", "text"),
    [
        (workloads.canary, Attention.WAITING, "4.19.0 waits at 25 % for a person. Go on from 25 % to 50 %?"),
        (
            workloads.stuck,
            Attention.FAILED,
            "2.31.0 failed: container worker exits at start with code 1, restarted 7 times. "
            "2.30.4 still serves everything.",
        ),
        (workloads.rolling, Attention.MOVING, "1.12.0 rolls out: 7 of 12 new pods are ready."),
        (
            workloads.blue_green,
            Attention.WAITING,
            "31.6.0 is ready as a preview and waits for a person. Switch from 31.5.2 to 31.6.0?",
        ),
        (workloads.calm, Attention.GOOD, "9.2.0 is good."),
        (
            workloads.unseen,
            Attention.UNKNOWN,
            "4.19.0 cannot be seen. It waited at 25 %. No answer since 14:27:40.",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_sentence_says_what_is_and_what_it_means(made, attention, text):
    shown = page(made())
    assert (shown.attention, shown.sentence.text) == (attention, text)


@pytest.mark.parametrize(
    ("made", "at", "caption"),
    [
        (workloads.canary, before(hours=1, minutes=42, seconds=7), "waiting, no time limit"),
        (workloads.stuck, before(minutes=11, seconds=4), "since it failed"),
        (workloads.rolling, before(minutes=5, seconds=12), "since it began; usually 3 min, by the last 2"),
        (workloads.unseen, before(seconds=268), "since it was heard"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_counts_is_counted(made, at, caption):
    clock = page(made()).clock
    assert clock
    assert (clock.at, clock.caption) == (at, caption)


def test_nothing_counts_at_rest():
    assert page(workloads.calm()).clock is None


def test_timed_pause_tells_when_it_goes_on():
    made = workloads.canary()
    row = only(made)
    until = NOW + timedelta(minutes=4)
    timed = replace(row.state, phase=Phase.PAUSED, waits_for=WaitsFor(WaitKind.TIMER, "then 50 %", until))
    made.put(replace(row, state=timed, attention=Attention.MOVING))
    shown = page(made)
    assert shown.clock
    assert (shown.clock.until, shown.road[2].until) == (until, until)


def test_road_of_a_canary_has_a_stop_for_each_weight_and_analysis_and_ends_at_a_hundred():
    road = page(workloads.canary()).road
    assert [(s.title, s.state) for s in road] == [
        ("5 %", StepState.DONE),
        ("Analysis", StepState.DONE),
        ("25 %", StepState.NOW),
        ("50 %", StepState.NEXT),
        ("Analysis", StepState.NEXT),
        ("100 %", StepState.NEXT),
    ]
    assert [(s.ended_at - s.started_at).seconds // 60 for s in road if s.started_at and s.ended_at] == [12, 5]
    assert (road[2].note, road[3].note) == ("waits for a person", "10 min")


def test_road_of_a_rolling_update_is_what_must_happen_to_pods():
    road = page(workloads.stuck()).road
    assert [(s.title, s.state, s.note) for s in road] == [
        ("New pods", StepState.NEXT, "2 of 6"),
        ("Ready", StepState.NOW, "0 of 6, 2 failing"),
        ("Old pods gone", StepState.NEXT, "6 left"),
        ("Done", StepState.NEXT, "deadline passed"),
    ]


def test_road_at_rest_is_not_drawn_for_what_has_no_steps():
    assert page(workloads.calm()).road == ()


def test_sides_are_what_serves_and_what_is_new():
    stable, canary = page(workloads.canary()).sides
    assert (stable.role, stable.squares.label, stable.attention) == ("Stable", "9 ready of 9", Attention.GOOD)
    assert (canary.role, canary.squares.drawn) == ("Canary", (("ready", 3),))
    assert canary.digest.startswith("sha256:e1b7724c")


def test_pods_that_are_wanted_but_not_made_are_drawn_too():
    _, new = page(workloads.stuck()).sides
    assert new.squares.drawn == (("failing", 2), ("unmade", 4))
    assert new.squares.label == "0 ready of 6, 2 failing, 4 not made"


def test_many_pods_are_drawn_in_one_measure_and_listed_worst_first():
    shown = page(workloads.many())
    assert {side.squares.each for side in shown.sides} == {9}
    assert all(sum(n for _, n in side.squares.drawn) <= DRAWN + 4 for side in shown.sides)
    assert (len(shown.rows), shown.more) == (LISTED, 550 - LISTED)
    assert [row.word for row in shown.rows[:7]] == ["Failing"] * 6 + ["Starting"]
    assert [row.rank for row in shown.rows] == sorted(row.rank for row in shown.rows)


def test_nothing_wears_a_state_when_it_cannot_be_seen():
    shown = page(workloads.unseen())
    worn = {shown.attention, *(s.attention for s in shown.sides), *(t.attention for t in shown.traffic)}
    assert worn | {row.attention for row in shown.rows} == {Attention.UNKNOWN}
    assert shown.heard_at == before(seconds=268)


def test_commands_show_the_same_and_look_at_a_failing_pod():
    assert page(workloads.stuck()).by_hand == (
        "kubectl -n payments-worker-production rollout status deployment/payments-worker",
        "kubectl -n payments-worker-production describe deployment/payments-worker",
        "kubectl -n payments-worker-production describe pod/payments-worker-r18x7d9c5b-00000",
        "kubectl -n payments-worker-production logs payments-worker-r18x7d9c5b-00000 --previous --tail 20",
    )
    assert page(workloads.canary()).by_hand[0].startswith("kubectl argo rollouts get rollout checkout-api -n")


def test_history_says_how_each_ended_and_where_the_name_began_anew():
    lines = page(workloads.canary()).history
    assert [(h.word, h.attention) for h in lines[:4]] == [
        ("Waits at 25 %", Attention.WAITING),
        ("Landed", Attention.GOOD),
        ("Rolled back", Attention.FAILED),
        ("Aborted", Attention.FAILED),
    ]
    assert lines[-1].why == "by 4.17.9"
    assert [(p.name, p.seconds, p.waits) for p in lines[0].parts] == [
        ("5 %", 720, True),
        ("analysis", 300, False),
        ("25 %", None, True),
    ]
    first, second = page(workloads.anew()).history
    assert (first.recreated, first.deleted_at, second.recreated) == (True, before(hours=1), False)


def test_a_changed_pod_changes_the_page_and_another_service_does_not():
    made = workloads.rolling()
    projection = workloads.page(made)
    row = only(made)
    ready = tuple(replace(p, condition=PodCondition.READY) for p in row.state.pods)
    assert projection.apply([made.put(replace(row, state=replace(row.state, pods=ready)))], NOW)
    assert not projection.apply([made.put(workload("other"))], NOW)
    assert not projection.tick(NOW)


def test_a_deleted_workload_stays_as_it_was_and_says_so_until_it_is_back():
    made = workloads.calm()
    projection = workloads.page(made)
    row = only(made)
    assert projection.apply([made.drop(row.key)], NOW)
    assert (projection.page.gone, projection.page.attention) == (True, Attention.UNKNOWN)
    assert projection.page.sentence.text.startswith("Deployment catalogue was deleted.")
    again = replace(row, key="demo:another-uid", seen_at=NOW + timedelta(seconds=1))
    assert projection.apply([made.put(again)], NOW)
    assert (projection.page.gone, projection.page.attention) == (False, Attention.GOOD)


def test_a_workload_nobody_knows_has_no_page():
    with pytest.raises(KeyError):
        WorkloadProjection(StillFleet(), workloads.ref(workloads.calm()), NOW)


@pytest.mark.parametrize("seed", range(5))
def test_keeping_up_equals_looking_anew(seed):
    dice = random.Random(seed)
    made = workloads.canary()
    ref, row, projection = workloads.ref(made), only(made), workloads.page(made)
    states = [only(m()).state for m in (workloads.canary, workloads.stuck, workloads.calm, workloads.many)]
    for n in range(30):
        now = NOW + timedelta(seconds=n)
        topics: list[Topic] = []
        match dice.randrange(4):
            case 0:
                what = dice.choice(states)
                topics.append(made.put(replace(row, state=what, seen_at=now)))
            case 1:
                heard = dice.choice((Freshness.LIVE, Freshness.STALE))
                topics.append(made.put(replace(source(kind="Pod", freshness=heard), seen_at=now)))
            case 2:
                topics.append(made.put(workload("checkout-api", dice.choice(("staging", "qa")))))
            case _:
                projection.tick(now)
        made.remember(ref, Told(total=n))
        projection.apply([*topics, Topic("workload", row.key)], now)
        assert projection.page == WorkloadProjection(made, ref, now).page
