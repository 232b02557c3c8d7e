"""Times and counts as people read them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.freshness import Freshness
from app.domain.rollout import Attention
from app.read.words import opens
from app.web.formats import ago, beat, broken, hours_before, iso, phase, share, timer, unbroken
from tests.fleets import NOW, before


@pytest.mark.parametrize(
    ("span", "short", "fine", "running"),
    [
        ({"seconds": -3}, "0 s", "0 s", "0:00"),
        ({"seconds": 59}, "59 s", "59 s", "0:59"),
        ({"minutes": 8, "seconds": 51}, "8 min", "8 min", "8:51"),
        ({"minutes": 59, "seconds": 59}, "59 min", "59 min", "59:59"),
        ({"hours": 1, "minutes": 42, "seconds": 7}, "1 h", "1 h 42 min", "1:42:07"),
        ({"days": 2, "hours": 3, "minutes": 12}, "2 d", "2 d", "2 d 03:12"),
    ],
)
def test_ages_are_told_in_the_unit_that_matters(span, short, fine, running):
    at = before(**span)
    assert (ago(at, NOW), ago(at, NOW, fine=True), timer(at, NOW)) == (short, fine, running)


def test_an_instant_lies_on_the_day_strip_between_its_ends():
    assert [share(before(hours=h), NOW) for h in (30, 24, 12, 0, -1)] == [
        "0.00",
        "0.00",
        "50.00",
        "100.00",
        "100.00",
    ]


def test_hours_are_labelled_where_their_label_fits():
    assert [iso(h)[11:16] for h in hours_before(NOW)] == [
        "18:00",
        "21:00",
        "00:00",
        "03:00",
        "06:00",
        "09:00",
        "12:00",
    ]


@pytest.mark.parametrize("late", [0, 1, 4, 5])
def test_a_heartbeat_has_another_letter_than_the_one_before_even_when_late(late):
    for second in range(60):
        at = NOW + timedelta(seconds=second)
        assert beat(at) != beat(at + timedelta(seconds=5 + late))


def test_only_good_and_live_are_healthy():
    states = [*Attention, *Freshness]
    assert [s for s in states if phase(s) == "healthy"] == [Attention.GOOD, Freshness.LIVE]


def test_a_figure_is_never_parted_from_its_unit():
    assert (
        unbroken("Waits at 25 % for 6 h 05 min in 3 days")
        == "Waits at 25\u00a0% for 6\u00a0h 05\u00a0min in 3 days"
    )


def test_a_long_name_breaks_at_its_joints_and_stays_escaped():
    assert broken("ghcr.io/a<b/pay:1.32.4") == "ghcr.io/<wbr>a&lt;b/<wbr>pay<wbr>:1.32.4"


def test_a_name_is_not_capitalised_where_a_sentence_begins():
    assert opens("everything in staging") == "Everything in staging"
    assert opens("payments-* in production") == "payments-* in production"
