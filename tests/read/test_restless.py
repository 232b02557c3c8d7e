"""Between two crashes nothing is good."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.rollout import Attention, Caution, CautionKind, Phase, Pod, PodCondition
from app.read.board import BoardRow
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.restless import as_of
from app.read.rows import WorkloadRow
from app.read.telling import sentence
from app.read.workload_projection import WorkloadProjection
from app.read.workloads import Verdicts, item
from tests.fleets import NOW, StillFleet, before, live, state, workload

WORDS = "Exits at start with code 1"
BACK_OFF = (10, 20, 40, 80, 160, 300, 300)
"""Seconds for which a kubelet waits before the restarts 1, 2 and so on. Source: kubelet, container back-off."""


def crashed(ago: float, restarts: int = 3, phase: Phase = Phase.IDLE) -> WorkloadRow:
    """A workload that landed an hour ago, one of whose pods crashed and has been started again."""
    pods = (
        Pod("web-0", "", True, PodCondition.READY, "Error", f"{WORDS} ({restarts} restarts)", restarts),
        Pod("web-1", "", True, PodCondition.READY),
    )
    again = Caution(
        CautionKind.RESTARTS, "1 pod is ready after restarts.", 1, before(seconds=ago), evidence="web: 1"
    )
    seen = replace(state(phase=phase), pods=pods, cautions=(again,))
    return workload("web", what=seen, landed=before(minutes=50))


def cell(row: BoardRow):
    (found,) = (c for c in row.cells if c)
    return found


def test_what_crashed_a_moment_ago_is_neither_good_nor_landed() -> None:
    fleet = StillFleet([crashed(ago=5)], live())
    shown = cell(BoardProjection(fleet, BoardQuery(), NOW).row("web"))
    assert (shown.attention, shown.landed, shown.word) == (Attention.FAILED, False, "Degraded")
    assert shown.message == f"{WORDS} (3 restarts); runs again for now"
    page = WorkloadProjection(fleet, crashed(ago=5).ref, NOW).page
    assert (page.attention, page.landed, page.problems[0].category) == (Attention.FAILED, False, "crash")
    assert page.problems[0].evidence == "web: 1"
    listed = item(crashed(ago=5), Verdicts(live(), NOW))
    assert (listed.attention, listed.message) == (Attention.FAILED, shown.message)


@pytest.mark.parametrize(("restarts", "waited"), [*enumerate(BACK_OFF, 1)])
def test_trouble_lasts_over_every_back_off(restarts: int, waited: int) -> None:
    started = as_of(crashed(ago=waited + 5, restarts=restarts), NOW)
    assert started.attention is Attention.FAILED


@pytest.mark.parametrize("restarts", [1, 5, 400])
def test_what_ran_for_ten_minutes_since_is_good_with_a_caution(restarts: int) -> None:
    row = crashed(ago=600, restarts=restarts)
    assert as_of(row, NOW) is row
    assert row.attention is Attention.GOOD


@pytest.mark.parametrize(
    ("stable", "said"),
    [("", "1.0.0 does not stay up: exits at"), ("0.9", "1.0.0 does not come up: exits at")],
)
def test_release_that_landed_and_crashes_does_not_stay_up(stable: str, said: str) -> None:
    row = crashed(ago=5, phase=Phase.PROGRESSING)
    before_it = state(stable=stable).stable
    row = replace(row, state=replace(row.state, stable=before_it), rollout_started_at=before(minutes=5))
    told = sentence(as_of(row, NOW), Attention.FAILED, None).text
    assert told.startswith(said)


def test_rollout_whose_pods_come_and_go_is_failing() -> None:
    assert as_of(crashed(ago=5, phase=Phase.PROGRESSING), NOW).attention is Attention.FAILED


def test_board_and_lists_see_by_time_alone_that_it_has_calmed_down() -> None:
    fleet = StillFleet([crashed(ago=5, restarts=1)], live())
    board = BoardProjection(fleet, BoardQuery(), NOW)
    verdicts = Verdicts(live(), NOW, fleet.workloads.values())
    later = NOW + timedelta(minutes=2)
    for source in live():
        fleet.put(replace(source, seen_at=later))
    assert board.tick(later).rows == ("web",)
    assert cell(board.row("web")).attention is Attention.GOOD
    assert cell(board.row("web")).word == "Good, restarted"
    assert Verdicts(live(), NOW + timedelta(seconds=20), fleet.workloads.values()) == verdicts
    assert Verdicts(live(), NOW + timedelta(seconds=80), fleet.workloads.values()) != verdicts
