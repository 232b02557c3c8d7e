"""The board's rules in words, and its upkeep: what an update leaves equals what a fresh look would find."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from app.domain.freshness import Freshness
from app.domain.gates import Gate, Origin, Subject
from app.domain.names import Topic
from app.domain.rollout import Attention, Health, Outcome, Phase, StepState, Strategy, WaitKind, WaitsFor
from app.read.board import BoardChange, Gap, Square, TickKind
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.rows import RolloutRow, SourceRow, WorkloadRow
from app.read.squares import SQUARES
from tests.fleets import (
    KINDS,
    NOW,
    StillFleet,
    a_day,
    before,
    canary,
    live,
    refused,
    rollout,
    source,
    state,
    storefront,
    storefront_sources,
    workload,
)

FAILED = state("2.0.0", Phase.FAILED, Health.DEGRADED, message="It crashes.")
ROLLING = state("2.0.0", Phase.PROGRESSING, Health.PROGRESSING, pods=(1, 1, 0, 2), progress=40)
WAITING = state(
    "2.0.0",
    Phase.AWAITING_APPROVAL,
    Health.SUSPENDED,
    weight=25,
    strategy=Strategy.CANARY,
    waits_for=WaitsFor(WaitKind.PERSON, "Go on?"),
)


def shown(
    *rows: WorkloadRow, query: str = "", told: tuple[str, ...] = (), **kept: list[SourceRow]
) -> BoardProjection:
    pairs = [(k, v) for k, _, v in (pair.partition("=") for pair in query.split("&") if pair)]
    return BoardProjection(StillFleet(rows, kept.get("sources", live())), BoardQuery.parse(pairs), NOW, told)


def only_cell(projection: BoardProjection):
    [row] = projection.board.rows
    [cell] = [c for c in row.cells if c]
    return cell


def names(projection: BoardProjection) -> list[str]:
    return [row.service for row in projection.board.rows]


def test_the_sentence_names_the_worst_first_and_ends_with_what_is_good():
    board = BoardProjection(StillFleet(storefront(), storefront_sources()), BoardQuery(), NOW).board
    assert board.sentence.text == (
        "One rollout failed, three wait for a person, three are moving, one cannot be seen. "
        "The other six are good."
    )


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([state()] * 14, "All 14 services are good. Nothing moves, nothing waits."),
        ([state()], "The one service is good. Nothing moves, nothing waits."),
        ([ROLLING], "One rollout is moving."),
        ([WAITING, WAITING, state()], "Two rollouts wait for a person. The other one is good."),
        ([state(health=Health.DEGRADED)] * 13, "13 services are failing."),
        ([state("1", Phase.UNKNOWN, Health.UNKNOWN)] * 2, "None of the 2 services can be seen."),
    ],
)
def test_the_sentence_counts_services(states, text):
    rows = [workload(f"s{i}", what=what) for i, what in enumerate(states)]
    assert shown(*rows).board.sentence.text == text


@pytest.mark.parametrize(
    ("waiting", "gates", "text"),
    [
        ((), ("a", "a", "b"), "Three decisions wait for a person. The other one is good."),
        ((), ("a", "b", "c"), "Three decisions wait for a person."),
        (("a",), ("a", "b"), "Three decisions wait for a person. The other one is good."),
        (("a", "b"), (), "Two rollouts wait for a person. The other one is good."),
    ],
)
def test_the_sentence_counts_what_waits_as_the_list_beside_it_does(waiting, gates, text):
    rows = [workload(s, what=WAITING if s in waiting else state()) for s in "abc"]
    fleet = StillFleet(rows, live())
    for n, service in enumerate(gates):
        subject = Subject(service, "production", "May it?")
        fleet._gates[f"g{n}"] = Gate(f"g{n}", f"k{n}", Origin.PIPELINE, subject, NOW, NOW)
    board = BoardProjection(fleet, BoardQuery(), NOW).board
    assert board.sentence.text == text
    assert len(board.waiting) == len(waiting) + len(gates)


def test_rows_come_worst_first_and_what_waits_longest_before_the_rest_of_it():
    rows = [
        workload("good"),
        workload("unseen", what=state("1", Phase.UNKNOWN, Health.UNKNOWN)),
        workload("moving-in-test", "test", ROLLING, since=before(minutes=1)),
        workload("moving", what=ROLLING, since=before(minutes=9)),
        workload("waiting-short", what=WAITING, since=before(minutes=2)),
        workload("waiting-long", "test", WAITING, since=before(hours=2)),
        workload("failed-early", what=FAILED, since=before(hours=2)),
        workload("failed-late", what=FAILED, since=before(hours=1)),
        workload("a-good-one"),
    ]
    assert names(shown(*rows)) == [
        "failed-late",
        "failed-early",
        "waiting-long",
        "waiting-short",
        "moving",
        "moving-in-test",
        "unseen",
        "a-good-one",
        "good",
    ]


def test_rank_sorts_as_text_like_the_rows():
    board = BoardProjection(StillFleet(storefront(), storefront_sources()), BoardQuery(), NOW).board
    ranks = [row.rank for row in board.rows]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_environments_stand_in_promotion_order():
    rows = [workload("s", e) for e in ("production", "staging", "dev", "qa", "zone-9")]
    assert [c.name for c in shown(*rows).board.environments] == [
        "zone-9",
        "dev",
        "qa",
        "staging",
        "production",
    ]


def test_the_order_told_by_settings_wins_and_untold_environments_come_first():
    board = shown(*(workload("s", e) for e in ("live", "rehearsal", "new")), told=("rehearsal", "live")).board
    assert [c.title for c in board.environments] == ["New", "Rehearsal", "Live"]


def test_a_timed_pause_is_moving_not_waiting():
    ends = NOW + timedelta(minutes=6)
    timed = state(
        "2",
        Phase.PAUSED,
        Health.SUSPENDED,
        weight=20,
        strategy=Strategy.CANARY,
        waits_for=WaitsFor(WaitKind.TIMER, "Pause", ends),
    )
    projection = shown(workload("s", what=timed))
    assert only_cell(projection).attention is Attention.MOVING
    assert only_cell(projection).word == "Holds at 20 %"
    assert only_cell(projection).until == ends
    assert projection.board.waiting == ()


@pytest.mark.parametrize("freshness", [Freshness.STALE, Freshness.UNKNOWN])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_never_good_while_one_of_its_sources_is_silent(kind, freshness):
    sources = [s for s in live() if s.kind != kind] + [source(kind=kind, freshness=freshness, heard=48)]
    cell = only_cell(shown(workload("s", what=state("1.4.0")), sources=sources))
    assert cell.attention is Attention.UNKNOWN
    assert (cell.version, cell.word, cell.was) == ("1.4.0", "Unknown", "It was good.")
    assert cell.heard_at == before(seconds=48)
    assert not cell.quiet
    assert not cell.landed


@pytest.mark.parametrize(
    ("said", "past"),
    [
        (replace(WAITING, waits_for=WaitsFor(WaitKind.TIMER, "Pause")), "It held at 25 %."),
        (WAITING, "It waited at 25 %."),
        (replace(WAITING, strategy=Strategy.BLUE_GREEN), "It waited as a preview."),
        (ROLLING, "It was rolling."),
        (FAILED, "It had failed."),
    ],
)
def test_what_is_not_seen_was_as_it_last_said(said, past):
    sources = [replace(s, freshness=Freshness.STALE) for s in live()]
    assert only_cell(shown(workload("s", what=said), sources=sources)).was == past


def test_a_late_source_still_counts_as_seen():
    sources = [replace(s, freshness=Freshness.DELAYED) for s in live()]
    assert only_cell(shown(workload("s"), sources=sources)).attention is Attention.GOOD


def test_a_kind_nobody_has_looked_at_leaves_the_cell_unknown():
    cell = only_cell(shown(workload("s"), sources=[s for s in live() if s.kind != "Pod"]))
    assert (cell.attention, cell.message) == (Attention.UNKNOWN, "Not looked at yet.")


def test_one_forbidden_namespace_hides_only_its_own_cells_and_says_why():
    told = "Not permitted to list pods in risk-prod."
    whole = f"{told} Pods is forbidden. Grant it."
    denied = source(kind="Pod", namespace="risk-prod", freshness=Freshness.UNKNOWN, heard=None, message=whole)
    sources = [*live(), denied]
    board = shown(workload("risk", namespace="risk-prod"), workload("cart"), sources=sources).board
    assert {r.service: r.attention for r in board.rows} == {"risk": Attention.UNKNOWN, "cart": Attention.GOOD}
    [cell] = board.rows[0].cells
    assert cell is not None
    assert (cell.message, cell.was) == (told, "")


def test_a_service_seen_in_part_is_not_said_to_be_unseen():
    told = "Not permitted to list pods in shop."
    hidden = source(kind="Pod", namespace="shop", freshness=Freshness.UNKNOWN, heard=None, message=told)
    rows = [
        workload(s, e, namespace=n) for s in "ab" for e, n in (("production", "shop"), ("staging", "try"))
    ]
    board = shown(*rows, sources=[*live(), hidden]).board
    assert board.sentence.text == "None of the 2 services can be seen in full."


def test_a_silent_source_of_another_kind_or_cluster_hides_nothing():
    sources = [
        *live(),
        source(kind="Rollout", namespace="x", freshness=Freshness.STALE),
        *(source("far", k, freshness=Freshness.STALE) for k in KINDS),
    ]
    assert only_cell(shown(workload("s"), sources=sources)).attention is Attention.GOOD


def test_a_kind_that_no_workload_depends_on_hides_nothing():
    told = "Not permitted to list events in all namespaces."
    sources = [
        *live(),
        source(kind="Event", freshness=Freshness.UNKNOWN, heard=None, message=told),
        source(kind="Service", freshness=Freshness.STALE),
    ]
    projection = shown(workload("s"), sources=sources)
    assert only_cell(projection).attention is Attention.GOOD
    assert [c.freshness for c in projection.board.sources] == [Freshness.LIVE]


@pytest.mark.parametrize(
    ("engine", "kind", "needs"),
    [
        ("statefulset", "StatefulSet", {"ControllerRevision", "Pod", "StatefulSet"}),
        ("flagger", "Canary", {"Canary", "Deployment", "Pod", "ReplicaSet"}),
        ("service-switch", "Service", {"Deployment", "Pod", "ReplicaSet", "Service"}),
        ("of a newer version", "Deployment", {"Deployment"}),
    ],
)
def test_a_cell_depends_on_what_its_engine_cannot_do_without(engine: str, kind: str, needs: set[str]):
    row = replace(workload("s", kind=kind), engine=engine)
    kinds = {*needs, "Deployment", "ReplicaSet", "Pod"}
    for silent in kinds:
        sources = [
            source(kind=k, freshness=Freshness.STALE if k == silent else Freshness.LIVE) for k in kinds
        ]
        hidden = only_cell(shown(row, sources=sources)).attention is Attention.UNKNOWN
        assert hidden is (silent in needs), silent


def test_sources_that_stop_reporting_go_stale_by_time_alone():
    projection = shown(workload("s"))
    assert projection.tick(NOW + timedelta(seconds=20)).rows == ()
    change = projection.tick(NOW + timedelta(seconds=40))
    assert (change.rows, change.sentence, change.sources) == (("s",), True, True)
    assert only_cell(projection).attention is Attention.UNKNOWN


def test_several_workloads_of_one_cell_show_the_worst_and_name_all():
    projection = shown(
        workload("shop", name="web"),
        workload("shop", name="worker", what=FAILED),
        workload("shop", name="cron"),
    )
    cell = only_cell(projection)
    assert (cell.attention, cell.version, cell.mixed) == (Attention.FAILED, "2.0.0", True)
    assert [m.label for m in cell.members] == ["worker", "cron", "web"]


def test_workloads_of_several_clusters_are_told_apart_by_cluster():
    rows = [workload("s", cluster=c) for c in ("eu", "us")]
    cell = only_cell(shown(*rows, sources=live("eu", "us")))
    assert [m.label for m in cell.members] == ["eu", "us"]
    assert not cell.mixed


def test_what_lies_between_environments_is_whether_the_version_differs():
    rows = [workload("s", e, state(v)) for e, v in (("dev", "2"), ("test", "2"), ("production", "1"))]
    [row] = shown(*rows).board.rows
    assert [c.gap for c in row.cells if c] == [Gap.NONE, Gap.SAME, Gap.DIFFERS]


def test_an_environment_a_service_does_not_run_in_is_an_empty_cell_and_compared_across():
    rows = [
        workload("other", "test"),
        workload("s", "dev", state("2")),
        workload("s", "production", state("1")),
    ]
    row = shown(*rows).row("s")
    assert row.cells[1] is None
    assert row.cells[2] is not None
    assert row.cells[2].gap is Gap.DIFFERS


def test_what_landed_glows_for_an_hour_and_then_is_quiet_without_any_news():
    landed = workload("s", landed=before(minutes=59), since=before(minutes=59))
    projection = shown(landed)
    assert only_cell(projection).landed
    fleet_sources = StillFleet([landed], live())
    kept = BoardProjection(fleet_sources, BoardQuery(), NOW)
    later = NOW + timedelta(minutes=2)
    for s in live():
        fleet_sources.put(replace(s, seen_at=later))
    assert kept.tick(later).rows == ("s",)
    assert only_cell(kept).quiet


@pytest.mark.parametrize(
    ("what", "word"),
    [
        (state(), "Good"),
        (ROLLING, "Rolling"),
        (WAITING, "Waits at 25 %"),
        (replace(WAITING, strategy=Strategy.BLUE_GREEN), "Preview"),
        (replace(WAITING, phase=Phase.PAUSED, weight=None), "Paused"),
        (FAILED, "Failed"),
        (replace(FAILED, phase=Phase.ABORTED), "Aborted"),
        (state(health=Health.MISSING), "Missing"),
        (state(health=Health.DEGRADED), "Degraded"),
        (replace(ROLLING, health=Health.DEGRADED), "Failing"),
        (state("1", Phase.VERIFYING, Health.PROGRESSING, weight=5), "Verifying 5 %"),
        (state("1", Phase.UNKNOWN, Health.UNKNOWN), "Unknown"),
        (state("1", Phase.ROLLED_BACK), "Rolled back"),
    ],
)
def test_a_cell_has_one_word_for_what_goes_on(what, word):
    assert only_cell(shown(workload("s", what=what))).word == word


def test_steps_are_drawn_by_weight_and_end_at_a_hundred():
    what = replace(WAITING, steps=canary(25, 5, 25, 50))
    cell = only_cell(shown(workload("s", what=what)))
    assert [(s.label, s.state) for s in cell.steps] == [
        ("5", StepState.DONE),
        ("25", StepState.NOW),
        ("50", StepState.NEXT),
        ("100", StepState.NEXT),
    ]


def test_pods_beyond_the_squares_are_drawn_in_shares_and_counted_in_words():
    what = state("2", Phase.PROGRESSING, Health.PROGRESSING, pods=(36, 1, 0, 83))
    pods = only_cell(shown(workload("s", what=what))).pods
    assert pods is not None
    assert SQUARES <= len(pods.squares) <= SQUARES + 2
    assert Square.STARTING in pods.squares
    assert pods.text.endswith("120 pods")


def test_what_waits_is_listed_oldest_first_with_what_is_asked():
    rows = [
        workload("young", what=WAITING, since=before(minutes=2)),
        workload("old", what=WAITING, since=before(hours=2), team="Checkout"),
    ]
    waits = shown(*rows).board.waiting
    assert [(w.service, w.ask, w.team) for w in waits] == [
        ("old", "Go on from 25 % to 100 %?", "Checkout"),
        ("young", "Go on from 25 % to 100 %?", ""),
    ]
    assert waits[0].since == before(hours=2)


def test_what_cannot_be_seen_does_not_ask_for_anybody():
    board = shown(
        workload("s", what=WAITING), sources=[source(kind=k, freshness=Freshness.STALE) for k in KINDS]
    ).board
    assert board.waiting == ()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=CART", ["cart"]),
        ("q=search+1.12", ["search-indexer"]),
        (
            "attention=failed&attention=waiting",
            ["payments-worker", "checkout-api", "pricing", "storefront-web"],
        ),
        ("team=Search", ["search-indexer", "recommendations"]),
        ("cluster=nowhere", []),
        ("environment=staging&attention=moving", ["identity"]),
    ],
)
def test_a_query_narrows_rows(query, expected):
    pairs = [(k, v.replace("+", " ")) for k, _, v in (p.partition("=") for p in query.split("&"))]
    projection = BoardProjection(StillFleet(storefront(), live()), BoardQuery.parse(pairs), NOW)
    assert names(projection) == expected


def test_a_narrowed_board_says_that_it_is_not_the_whole():
    board = shown(workload("a"), workload("b"), query="q=a").board
    assert board.sentence.text.endswith("1 of 2 services are shown.")
    assert board.total == 2


def test_queries_that_mean_the_same_are_the_same():
    one = BoardQuery.parse([("attention", "good"), ("attention", "failed"), ("q", "  a  b ")])
    two = BoardQuery.parse(
        [("q", "a b"), ("attention", "failed"), ("attention", "good"), ("other", "x"), ("team", "")]
    )
    assert one == two
    assert one.query_string() == "q=a+b&attention=failed&attention=good"
    assert one.toggled("attention", "good").query_string() == "q=a+b&attention=failed"
    assert one.without("q").without("attention") == BoardQuery()


def test_a_query_for_no_state_is_refused_with_the_states_there_are():
    with pytest.raises(ValueError, match=r"attention=faild is no state\. Use one of: failed, waiting"):
        BoardQuery.parse([("attention", "faild")])


@pytest.mark.parametrize(
    ("rows", "sources", "query", "kind"),
    [
        ([], [], "", "no_cluster"),
        (
            [],
            [source(heard=None, freshness=Freshness.UNKNOWN, message="Reading pods."), *live("b")],
            "",
            "looking",
        ),
        ([], [refused()], "", "unreachable"),
        ([], live(), "", "no_workloads"),
        ([workload("s")], live(), "q=other", "no_match"),
    ],
)
def test_an_empty_board_says_why(rows, sources, query, kind):
    empty = shown(*rows, sources=sources, query=query).board.empty
    assert empty is not None
    assert empty.kind == kind
    assert empty.what
    assert empty.why


def test_the_day_counts_how_rollouts_ended_and_leaves_out_what_was_superseded():
    rollouts = [
        rollout("a", ended=before(minutes=5)),
        rollout("b", "cart", "test", ended=before(hours=3), outcome=Outcome.ROLLED_BACK),
        rollout("c", ended=before(minutes=7), outcome=Outcome.ABORTED),
        rollout("d", ended=before(minutes=9), outcome=Outcome.SUPERSEDED),
        rollout("e"),
        rollout("old", ended=before(hours=25)),
    ]
    rows = [workload("cart", e) for e in ("test", "production")]
    day = BoardProjection(StillFleet(rows, live(), rollouts), BoardQuery(), NOW).board.day
    assert day.text == "4 rollouts, 3 to production, 1 failed, 1 rolled back, 1 moving"
    assert [t.kind for t in day.ticks] == [
        TickKind.ROLLED_BACK,
        TickKind.MOVING,
        TickKind.FAILED,
        TickKind.LANDED,
    ]


def test_one_changed_workload_touches_one_row():
    fleet = StillFleet(storefront(), live())
    projection = BoardProjection(fleet, BoardQuery(), NOW)
    kept = {row.service: row for row in projection.board.rows}
    change = projection.apply([fleet.put(workload("cart", what=FAILED))], NOW)
    assert change == BoardChange(rows=("cart",), sentence=True)
    assert all(row is kept[row.service] for row in projection.board.rows if row.service != "cart")


def test_a_heartbeat_of_a_source_touches_nothing():
    fleet = StillFleet(storefront(), live())
    projection = BoardProjection(fleet, BoardQuery(), NOW)
    beat = replace(source(), contact_at=NOW, seen_at=NOW, events=99)
    assert not projection.apply([fleet.put(beat)], NOW)


def test_a_new_environment_changes_the_columns():
    fleet = StillFleet([workload("s")], live())
    projection = BoardProjection(fleet, BoardQuery(), NOW)
    assert projection.apply([fleet.put(workload("s", "canary"))], NOW).environments
    assert [c.name for c in projection.board.environments] == ["canary", "production"]


def test_the_board_at_rest_is_the_same_bytes():
    fleet = StillFleet(storefront(), live(), a_day())
    projection = BoardProjection(fleet, BoardQuery(), NOW)
    at_rest = msgspec.json.encode(projection.board)
    later = NOW + timedelta(seconds=25)
    fresh = [fleet.put(replace(s, contact_at=later, seen_at=later)) for s in live()]
    projection.apply(fresh, later)
    projection.tick(later)
    assert msgspec.json.encode(projection.board) == at_rest
    assert msgspec.json.encode(BoardProjection(fleet, BoardQuery(), later).board) == at_rest


SERVICES = [f"s{i}" for i in range(6)]
STATES = [state("1"), state("2"), FAILED, ROLLING, WAITING, state("3", Phase.UNKNOWN, Health.UNKNOWN)]


def random_topic(fleet: StillFleet, dice: random.Random, now) -> Topic:
    sort = dice.random()
    if sort < 0.2:
        freshness = dice.choice([Freshness.LIVE] * 3 + list(Freshness))
        return fleet.put(
            replace(
                source(dice.choice("ab"), dice.choice(KINDS), dice.choice(["", "s1-test"])),
                freshness=freshness,
                seen_at=now,
            )
        )
    if sort < 0.35:
        ended = now if dice.random() < 0.7 else None
        row: RolloutRow = rollout(
            f"r{dice.randrange(9)}",
            dice.choice(SERVICES),
            dice.choice(["test", "production"]),
            ended,
            dice.choice(list(Outcome)),
        )
        return fleet.put(row)
    if sort < 0.5 and fleet.workloads:
        return fleet.drop(dice.choice(sorted(fleet.workloads)))
    name = dice.choice(SERVICES)
    row_ = workload(
        dice.choice([name, name, "moved"]),
        dice.choice(["test", "production", "dev"]),
        dice.choice(STATES),
        since=now - timedelta(minutes=dice.randrange(300)),
        cluster=dice.choice("ab"),
        name=name,
        landed=dice.choice([None, now - timedelta(minutes=dice.randrange(90))]),
        namespace=f"{name}-test",
    )
    return fleet.put(row_)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(
    "query",
    [
        BoardQuery(),
        BoardQuery(q="s", attention=(Attention.FAILED, Attention.UNKNOWN)),
        BoardQuery(environment=("test",), cluster=("a",)),
    ],
)
def test_keeping_up_equals_looking_anew(seed, query):
    dice = random.Random(seed)
    fleet = StillFleet([], [s for c in "ab" for s in live(c)])
    now = NOW
    kept = BoardProjection(fleet, query, now)
    for _ in range(25):
        before_rows = {row.service: row for row in kept.board.rows}
        sentence, waits, columns = kept.board.sentence, kept.board.waiting, kept.board.environments
        now += timedelta(seconds=dice.randrange(240))
        if dice.random() < 0.3:
            change = kept.tick(now)
        else:
            change = kept.apply([random_topic(fleet, dice, now) for _ in range(dice.randrange(1, 4))], now)
            kept.tick(now)
            continue
        fresh = BoardProjection(fleet, query, now)
        assert kept.board == fresh.board
        if not change.environments:
            after = {row.service: row for row in kept.board.rows}
            told = {*change.rows, *change.removed, *change.added}
            assert {
                s for s in before_rows.keys() | after.keys() if before_rows.get(s) != after.get(s)
            } == told
            assert (kept.board.sentence != sentence) <= change.sentence
            assert (kept.board.waiting != waits) == change.waiting
            assert kept.board.environments == columns
    assert kept.board == BoardProjection(fleet, query, now).board
