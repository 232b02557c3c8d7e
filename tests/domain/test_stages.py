"""Transitions become stages with lengths; the median of the latest landings is what is usual."""

from datetime import UTC, datetime, timedelta

from app.domain.history import Transition
from app.domain.rollout import Outcome, Phase
from app.domain.stages import Stage, Typical, stages, stood, typical

T0 = datetime(2026, 10, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def went(
    minutes: float, after: Phase, step: int | None = None, label: str = "", key: str = "2"
) -> Transition:
    return Transition(at(minutes), Phase.IDLE, after, key, f"v{key}", step, "", label)


CANARY = [
    went(-9, Phase.IDLE, key="1"),
    went(0.1, Phase.PROGRESSING, 0, "5 %"),
    went(1, Phase.PAUSED, 1, "5 %"),
    went(11, Phase.PROGRESSING, 2, "25 %"),
    went(12, Phase.AWAITING_APPROVAL, 3, "25 %"),
]


def test_stages_follow_one_another_and_the_last_one_runs():
    found = stages(at(0), None, "2", CANARY)
    assert [(s.label, s.step, s.started_at, s.ended_at) for s in found] == [
        ("5 %", 0, at(0), at(1)),
        ("5 %", 1, at(1), at(11)),
        ("25 %", 2, at(11), at(12)),
        ("25 %", 3, at(12), None),
    ]


def test_rollout_that_is_over_ends_its_last_stage():
    found = stages(at(0), at(90), "2", [*CANARY, went(90, Phase.IDLE), went(99, Phase.PROGRESSING)])
    assert found[-1].ended_at == at(90)
    assert len(found) == 4


def test_stages_of_another_revision_or_out_of_sight_are_left_out():
    others = [went(3, Phase.PROGRESSING, key="3"), went(4, Phase.UNKNOWN)]
    assert stages(at(0), None, "2", others) == ()


def test_coming_back_into_sight_at_the_same_step_is_the_same_stage():
    moved = went(1, Phase.PROGRESSING), went(2, Phase.UNKNOWN), went(5, Phase.PROGRESSING)
    assert stages(at(0), None, "2", moved) == (Stage("", Phase.PROGRESSING, None, at(0), None),)


def test_standing_still_is_pauses_and_questions_alone():
    assert stood(stages(at(0), None, "2", CANARY), at(20)) == timedelta(minutes=10 + 8)


def test_usual_is_the_median_of_the_last_ten_that_landed():
    lengths = [(Outcome.PROMOTED, timedelta(minutes=m)) for m in (3, 5, 100)]
    assert typical([(Outcome.FAILED, timedelta(hours=9)), *lengths]) == Typical(300, 3)
    older = [(Outcome.PROMOTED, timedelta(days=1))] * 50
    assert typical([(Outcome.PROMOTED, timedelta(minutes=2))] * 10 + older) == Typical(120, 10)
    assert typical([(Outcome.ABORTED, timedelta(minutes=1))]) is None
