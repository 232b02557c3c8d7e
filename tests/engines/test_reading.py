"""The small ways of reading: durations, numbers, dates that may not exist."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.engines import reading, shapes

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [(None, None), (300, 300), ("300", 300), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("90s", 90),
     ("500ms", 0), ("", None), ("soon", None), ("5m later", None), ("5 m", None)],
)  # fmt: skip
def test_pause_is_read_as_argo_writes_it(written: int | str | None, expected: int | None) -> None:
    assert reading.seconds(written) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (300, "5 min"), (90, "1 min 30 s"), (5400, "1 h 30 min"), (3661, "1 h 1 min")],
)
def test_duration_is_spelled_in_at_most_two_units(seconds: int, words: str) -> None:
    assert reading.spell(seconds) == words


@pytest.mark.parametrize(
    ("text", "expected"), [("12", 12), ("", None), (None, None), ("²", None), ("-1", None), ("9" * 30, None)]
)
def test_number_is_read_only_from_plain_digits(text: str | None, expected: int | None) -> None:
    assert reading.number(text) == expected


def test_absent_replicas_are_one_and_zero_stays_zero() -> None:
    assert (reading.wanted(None), reading.wanted(0)) == (1, 0)


def test_deadline_is_the_last_progress_plus_the_limit() -> None:
    moving = shapes.Condition(type="Progressing", status="True", last_update_time=NOW)
    stuck = shapes.Condition(type="Progressing", status="False", last_update_time=NOW)

    assert reading.deadline(moving, None) == datetime(2026, 1, 5, 9, 10, tzinfo=UTC)
    assert reading.deadline(moving, 30) == datetime(2026, 1, 5, 9, 0, 30, tzinfo=UTC)
    assert reading.deadline(moving, reading.NO_DEADLINE) is None
    assert reading.deadline(stuck, 30) is None
    assert reading.deadline(None, 30) is None


def test_date_that_does_not_exist_is_none() -> None:
    assert reading.after(NOW, 2**62) is None
    assert reading.after(None, 5) is None


def test_version_is_the_first_image_of_a_template() -> None:
    template = shapes.Template(
        spec=shapes.PodSpec(
            containers=[
                shapes.Container(name="web", image="web:2.31.1"),
                shapes.Container(name="proxy", image="p:1"),
            ],
            init_containers=[shapes.Container(name="migrate", image="m:9")],
        )
    )

    assert reading.version(template) == "2.31.1"
    assert reading.images(template) == ("web:2.31.1", "p:1")
    assert reading.version(None) == ""


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(1, 3, 33), (0, 0, 0), (5, 0, 0), (7, 3, 100), (-1, 3, 0), (3, 3, 100)]
)
def test_percent_stays_between_nothing_and_all(part: int, whole: int, percent: int) -> None:
    assert reading.percent(part, whole) == percent
