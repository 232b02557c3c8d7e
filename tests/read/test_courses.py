"""Roads of what has no steps of its own: by ordinal, by node, by side and by share."""

from __future__ import annotations

import pytest

from app.domain.revisions import Revision, Weight
from app.domain.rollout import (
    Health,
    Pace,
    Phase,
    Pod,
    PodCondition,
    PodCounts,
    RolloutState,
    Step,
    StepState,
    Strategy,
    WaitKind,
    WaitsFor,
)
from app.domain.stages import Stage
from app.read.courses import ONE_BY_ONE, pace
from app.read.road import road
from tests.fleets import NOW

DONE, AT, NEXT = StepState.DONE, StepState.NOW, StepState.NEXT
READY, STARTING, FAILING, ENDING = (
    PodCondition.READY,
    PodCondition.STARTING,
    PodCondition.FAILING,
    PodCondition.ENDING,
)
PERSON = WaitsFor(WaitKind.PERSON)


def drawn(
    engine: str, state: RolloutState, stages: tuple[Stage, ...] = ()
) -> list[tuple[str, StepState, str]]:
    return [(s.title, s.state, s.note) for s in road(engine, state, stages)]


def pod(name: str, new: bool = True, condition: PodCondition = READY, node: str = "") -> Pod:
    return Pod(name, "new" if new else "old", new, condition, node=node)


def state(phase: Phase = Phase.PROGRESSING, *pods: Pod, wanted: int = 0, **more) -> RolloutState:
    strategy = more.pop("strategy", Strategy.ROLLING)
    updated = sum(p.new for p in pods)
    counts = more.pop("counts", None) or PodCounts(wanted or len(pods), updated, total=len(pods))
    return RolloutState(phase, Health.PROGRESSING, strategy=strategy, pods=pods, counts=counts, **more)


def test_ordinals_are_visited_from_the_highest_down():
    pods = (pod("db-2"), pod("db-1", condition=STARTING), pod("db-0", new=False))
    assert drawn("statefulset", state(Phase.PROGRESSING, *pods, pace=Pace(ordered=True))) == [
        ("Pod 2", DONE, "updated"),
        ("Pod 1", AT, "starts"),
        ("Pod 0", NEXT, "waits its turn"),
    ]


def test_ordinal_whose_pod_is_missing_is_being_made():
    pods = (pod("db-2"), pod("db-0", new=False))
    assert drawn("statefulset", state(Phase.PROGRESSING, *pods, wanted=3, pace=Pace(ordered=True)))[1] == (
        "Pod 1",
        AT,
        "being made",
    )


def test_partition_is_where_an_ordinal_road_waits_for_a_person():
    pods = (pod("db-3"), pod("db-2"), pod("db-1", new=False), pod("db-0", new=False))
    held = state(
        Phase.PAUSED,
        *pods,
        strategy=Strategy.PARTITIONED,
        pace=Pace(ordered=True, partition=2),
        waits_for=PERSON,
    )
    assert drawn("statefulset", held) == [
        ("Pod 3", DONE, "updated"),
        ("Pod 2", DONE, "updated"),
        ("Pod 1", AT, "held by partition 2"),
        ("Pod 0", NEXT, "then this one"),
    ]


def test_many_ordinals_that_a_partition_holds_are_one_stop():
    pods = [pod(f"db-{n}", new=False) for n in range(ONE_BY_ONE + 4)]
    held = state(Phase.PAUSED, *pods, strategy=Strategy.PARTITIONED, pace=Pace(ordered=True, partition=9))
    assert drawn("statefulset", held)[1:] == [("Pods 8–0", NEXT, "held by partition 9")]


def test_ordinals_may_begin_elsewhere():
    pods = (pod("db-6"), pod("db-5", new=False))
    titles = [
        title for title, *_ in drawn("statefulset", state(Phase.PROGRESSING, *pods, pace=Pace(first=5)))
    ]
    assert titles == ["Pod 6", "Pod 5"]


def test_many_ordinals_share_stops():
    pods = [pod(f"db-{n}", new=n > 40) for n in range(60)]
    stops = drawn("statefulset", state(Phase.PROGRESSING, *pods, pace=Pace(ordered=True)))
    assert len(stops) == ONE_BY_ONE
    assert stops[0] == ("Pods 59–50", DONE, "all 10 updated")
    assert stops[1] == ("Pods 49–40", AT, "9 of 10 updated")
    assert {s for _, s, _ in stops[2:]} == {NEXT}


def test_parallel_ordinals_are_all_visited_at_once():
    pods = [pod(f"db-{n}", condition=STARTING) for n in range(3)]
    assert {s for _, s, _ in drawn("statefulset", state(Phase.PROGRESSING, *pods))} == {AT}


def test_pods_that_may_not_be_looked_at_leave_the_counts():
    counted = state(counts=PodCounts(3, 1, total=3))
    assert drawn("statefulset", counted)[0][0] == "New pods"


def test_nodes_are_drawn_one_by_one_where_they_are_few():
    pods = (
        pod("agent-a", new=False, node="n3"),
        pod("agent-b", new=False, condition=ENDING, node="n2"),
        pod("agent-c", node="n1"),
        pod("agent-d", new=False, node="n4"),
        pod("agent-e", condition=STARTING, node="n4"),
    )
    assert drawn("daemonset", state(Phase.PROGRESSING, *pods)) == [
        ("n1", DONE, "updated"),
        ("n2", AT, "ends"),
        ("n4", AT, "starts"),
        ("n3", NEXT, "waits its turn"),
    ]


@pytest.mark.parametrize(
    ("surge", "titles"),
    [("", ["Old pods gone", "Updated nodes", "Ready"]), ("1", ["Updated nodes", "Ready", "Old pods gone"])],
)
def test_many_nodes_are_counted_in_the_order_of_their_strategy(surge, titles):
    pods = [pod(f"agent-{n}", new=n < 4, node=f"n{n}") for n in range(ONE_BY_ONE + 1)]
    stops = drawn("daemonset", state(Phase.PROGRESSING, *pods, pace=Pace(surge=surge)))
    assert [title for title, *_ in stops] == titles
    assert ("Old pods gone", AT if not surge else NEXT, "3 left") in stops


@pytest.mark.parametrize(("engine", "name"), [("statefulset", "db-1"), ("daemonset", "agent-x")])
def test_pods_replaced_by_hand_wait_to_be_deleted(engine, name):
    pods = (pod("db-0", node="a"), pod(name, new=False, node="b"))
    held = state(Phase.AWAITING_APPROVAL, *pods, strategy=Strategy.ON_DELETE, waits_for=PERSON)
    assert next(s for s in drawn(engine, held) if s[1] is AT)[2] == "delete it to update it"


def sides(phase: Phase, at: int | None, **more) -> RolloutState:
    states = (DONE, AT, NEXT)
    labels = () if at is None else ("preview", "switch")
    steps = tuple(
        Step(x, x, states[1 if i == at else 0 if i < (at or 0) else 2]) for i, x in enumerate(labels)
    )
    return state(phase, steps=steps, strategy=Strategy.MANUAL_SWITCH, **more)


def test_switch_goes_from_one_side_to_the_other():
    counts = PodCounts(3, 3, 1, 1, 3)
    coming = drawn("service-switch", sides(Phase.PROGRESSING, 0, counts=counts))
    assert [s for _, s, _ in coming] == [AT, NEXT, NEXT]
    assert coming[0][2] == "1 of 3 ready"
    asked = drawn("service-switch", sides(Phase.AWAITING_APPROVAL, 1, counts=counts, waits_for=PERSON))
    assert asked[1] == ("Switch", AT, "waits for a person")
    moved = drawn("service-switch", sides(Phase.PROMOTING, None, counts=counts, weight=Weight(100, 60)))
    assert [s for _, s, _ in moved] == [DONE, DONE, AT]
    assert moved[2][2] == "60 % there"
    assert drawn("service-switch", sides(Phase.IDLE, None)) == []


def test_native_canary_holds_its_share_until_a_person_promotes_it():
    new = Revision("new", ready=1, wanted=1)
    held = state(
        Phase.AWAITING_APPROVAL,
        strategy=Strategy.CANARY,
        revision=new,
        weight=Weight(20, 18),
        waits_for=PERSON,
    )
    assert drawn("native-canary", held) == [
        ("Canary up", DONE, "1 of 1 ready"),
        ("20 %", AT, "waits for a person"),
        ("100 %", NEXT, "when a person promotes it"),
    ]


def analysed(phase: Phase, at: int | None) -> RolloutState:
    planned = [("weight", "10 %", 10, 30), ("weight", "50 %", 50, 30), ("promotion", "promote", None, None)]
    steps = tuple(
        Step(kind, label, NEXT if at is None or i > at else AT if i == at else DONE, share, seconds)
        for i, (kind, label, share, seconds) in enumerate(planned)
    )
    return state(phase, strategy=Strategy.CANARY, steps=steps, waits_for=WaitsFor(WaitKind.ANALYSIS))


def test_flagger_ends_with_the_promotion_and_says_how_long_each_share_is_checked():
    assert drawn("flagger", analysed(Phase.VERIFYING, 0)) == [
        ("10 %", AT, "analysis runs"),
        ("50 %", NEXT, "30 s of checks"),
        ("Promotion", NEXT, ""),
    ]


def test_flagger_that_failed_went_back_and_one_at_rest_is_all_done_if_it_was_seen():
    assert drawn("flagger", analysed(Phase.FAILED, None))[-1] == ("Back", AT, "the version before serves")
    assert drawn("flagger", analysed(Phase.IDLE, None)) == []
    seen = (Stage("10 %", Phase.VERIFYING, 0, NOW, NOW),)
    assert {s for _, s, _ in drawn("flagger", analysed(Phase.IDLE, None), seen)} == {DONE}


@pytest.mark.parametrize(
    ("engine", "set_", "words"),
    [
        ("statefulset", Pace(ordered=True), "From the highest ordinal down, one pod at a time"),
        (
            "statefulset",
            Pace(ordered=True, unavailable="2"),
            "From the highest ordinal down, up to 2 at a time",
        ),
        ("statefulset", Pace(), "All pods at once"),
        ("daemonset", Pace(), "An old pod ends first, on up to 1 node at a time"),
        ("daemonset", Pace(surge="10%"), "A new pod beside the old one, on up to 10% of the nodes at a time"),
        ("deployment", Pace(), ""),
    ],
)
def test_pace_in_words(engine, set_, words):
    assert pace(state(pace=set_), engine) == words
