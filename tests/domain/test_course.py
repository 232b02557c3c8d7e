"""What is kept of a look while a rollout runs."""

from dataclasses import replace

from app.domain.course import sample
from tests import workloads
from tests.fleets import NOW


def test_a_look_is_counted_pod_by_pod_and_by_its_traffic():
    (row,) = (row for row in workloads.canary().workloads.values() if row.place.environment == "production")
    one = sample(row.state, NOW)
    assert (one.new, one.old, one.wanted, one.failing) == (3, 9, 12, 0)
    assert (one.asked, one.measured) == (25, 24)
    blind = sample(replace(row.state, pods=(), weight=None), NOW)
    assert (blind.new, blind.old, blind.asked) == (3, 9, None)
    assert one.same(replace(one, at=one.at.replace(year=2027)))
    assert not one.same(blind)


def test_pods_that_fail_and_start_again_are_counted_on_their_side():
    (row,) = (row for row in workloads.stuck().workloads.values() if row.place.environment == "production")
    one = sample(row.state, NOW)
    assert (one.new, one.old, one.failing, one.new_restarts, one.old_restarts) == (0, 6, 2, 14, 0)
