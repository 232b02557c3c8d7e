"""The five figures: by the definitions, with intervals from the books, unknown without rows."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.dora import Deployment, Ending, Incident, Judged, figures, judge, weeks
from app.domain.intervals import UNKNOWN, middle, middle_of, rate, share

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def deployed(
    hours: float, ending: Ending = Ending.LANDED, service: str = "cart", back: bool = False, commits: int = 0
) -> Deployment:
    """A deployment that ended so many hours ago, with commits of one, two … hours before."""
    at = NOW - hours * HOUR
    times = tuple(at - (n + 1) * HOUR for n in range(commits))
    return Deployment(
        f"{service}-{hours}", service, "production", "1", at - HOUR / 6, at, ending, back, times
    )


def told(*deployments: Deployment, incidents: tuple[Incident, ...] = (), days: int = 30):
    return figures(judge(deployments, incidents, NOW), NOW - timedelta(days=days), NOW)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(1, 4, 0.6, 80.6), (2, 20, 1.2, 31.7), (0, 30, 0.0, 11.6), (30, 30, 88.4, 100.0)],
)
def test_a_share_has_the_interval_of_clopper_and_pearson(hits, of, low, high):
    found = share(hits, of)
    assert found.low is not None
    assert found.high is not None
    assert (round(found.low * 100, 1), round(found.high * 100, 1)) == (low, high)


def test_a_rate_has_the_interval_of_garwood():
    found = rate(10, 10)
    assert found.low == pytest.approx(0.4795, abs=1e-4)
    assert found.high == pytest.approx(1.8390, abs=1e-4)
    assert rate(0, 10).low == 0


@given(st.integers(0, 900), st.integers(1, 900))
def test_a_share_lies_in_its_interval_and_is_unknown_of_nothing(hits, of):
    found = share(min(hits, of), of)
    low, value, high = (bound for bound in (found.low, found.value, found.high) if bound is not None)
    assert 0 <= low <= value <= high <= 1
    assert share(0, 0) == UNKNOWN


@given(st.lists(st.floats(0, 1e6), max_size=260), st.integers(0, 5))
def test_a_median_lies_in_its_interval_and_open_rows_only_raise_it(values, open_):
    closed, found = middle(values), middle(values, open_)
    assert found.n == len(values) + open_
    if values:
        assert closed.value == median(values)
    if closed.low is not None and closed.high is not None and closed.value is not None:
        assert closed.low <= closed.value <= closed.high
    if found.value is not None and closed.value is not None:
        assert found.value >= closed.value
    if len(values) < 6:
        assert closed.low is closed.high is None


def test_without_deployments_everything_is_unknown_not_zero():
    found = told()
    assert found.lead == found.frequency == found.recovery == found.fail == found.rework == UNKNOWN


def test_lead_time_is_the_median_over_commits_that_landed():
    found = told(deployed(48, commits=3), deployed(60, Ending.FAILED, commits=2))
    assert (found.lead.value, found.lead.n) == (7200.0, 3)


def test_going_back_is_no_change_and_fails_what_it_went_back_from():
    found = told(deployed(50), deployed(48, back=True), deployed(30))
    assert (found.fail.n, found.fail.of) == (1, 2)
    assert found.frequency.n == 2
    assert (found.rework.n, found.rework.of) == (1, 3)  # the way back


def test_a_deployment_younger_than_a_day_is_in_no_fail_rate_whatever_became_of_it():
    found = told(deployed(2, Ending.FAILED), deployed(3), deployed(48))
    assert (found.fail.n, found.fail.of, found.undecided) == (0, 1, 2)


def test_recovery_runs_to_what_landed_next_and_stays_open_without():
    found = told(deployed(50, Ending.FAILED), deployed(49), deployed(40, Ending.ABORTED))
    assert (found.recovery.n, found.recovery.open) == (2, 1)
    outcomes = judge([deployed(50, Ending.FAILED), deployed(49)], (), NOW)
    restored, failed = outcomes[0].restored_at, outcomes[0].failed_at
    assert restored is not None
    assert failed is not None
    assert restored - failed == HOUR


def test_an_incident_fails_the_deployment_it_names_and_ends_when_resolved():
    start = NOW - 47 * HOUR
    one = deployed(48)
    incident = Incident("i", "cart", "production", "", start, start + HOUR, one.id)
    (outcome,) = judge([one], [incident], NOW)
    assert (outcome.judged, outcome.failed_at, outcome.restored_at) == (Judged.FAILED, start, start + HOUR)
    found = told(one, incidents=(incident, Incident("j", "cart", "production", "", start, None, one.id)))
    assert (found.fail.n, found.recovery.open) == (1, 1)
    unnamed = Incident("k", "cart", "production", "", start, start + HOUR)
    assert told(one, incidents=(unnamed,)).fail.n == 0


@given(
    st.lists(
        st.tuples(st.integers(1, 600), st.sampled_from(list(Ending)), st.booleans(), st.sampled_from("abc")),
        max_size=30,
        unique_by=lambda t: (t[0], t[3]),
    ),
    st.randoms(),
)
def test_figures_do_not_depend_on_the_order_rows_come_in(rows, dice):
    some = [deployed(hours, ending, service, back) for hours, ending, back, service in rows]
    mixed = list(some)
    dice.shuffle(mixed)
    assert judge(some, (), NOW) == judge(mixed, (), NOW)
    found = told(*some)
    assert found.fail.n <= found.fail.of
    assert found.rework.n <= found.rework.of
    assert found.frequency.n + found.recovery.open <= len(some) + found.frequency.n


def test_weeks_follow_one_another_to_the_end():
    found = weeks(NOW, 12)
    assert found[-1][1] == NOW
    assert all(a[1] == b[0] for a, b in pairwise(found))


@given(st.lists(st.lists(st.integers(0, 10**13), max_size=300).map(sorted), max_size=6), st.integers(0, 9))
def test_a_median_of_several_rows_is_that_of_all_in_one(rows, open_):
    assert middle_of(rows, open_) == middle([n / 1_000_000 for row in rows for n in row], open_)
