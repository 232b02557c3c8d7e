"""The day strip names what its marks stand for, and forgets what is taken back."""

from app.read.day import DayStrip
from tests.fleets import NOW, before, rollout


def test_a_mark_names_its_rollouts_and_counts_the_rest():
    strip = DayStrip("production")
    for i in range(5):
        assert strip.put(f"r{i}", rollout(f"r{i}", f"svc-{i}", ended=before(minutes=9)))
    (tick,) = strip.day(NOW).ticks
    assert (tick.count, tick.what) == (
        5,
        "svc-0 1.0.1 in production, svc-1 1.0.1 in production, svc-2 1.0.1 in production, and 2 more",
    )
    assert not strip.put("r1", rollout("r1", "svc-1", ended=before(minutes=9)))
    for i in range(5):
        strip.put(f"r{i}", None)
    assert strip.day(NOW).ticks == ()
