"""Freezes hold when the clock on the wall says so, whatever the time zone does, and not without an end unless told."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.freezes import Freeze, Window, at_wall, coming, exempting, holding

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Auckland")
moments = st.tuples(
    st.integers(0, 6), st.times(max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))
)
instants = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
windows = st.builds(Window, moments, moments, st.sampled_from(ZONES)).filter(lambda w: w.start != w.end)


def on_the_wall(window: Window, now: datetime) -> bool:
    """The same question put to the clock on the wall: the oracle, exact except around changes of the clock."""
    local = now.astimezone(ZoneInfo(window.zone))
    here = (local.weekday(), local.time())
    if window.start < window.end:
        return window.start <= here < window.end
    return here >= window.start or here < window.end


@given(windows, instants)
def test_window_holds_as_the_clock_on_the_wall_says(window, now):
    begins, ends = window.around(now)
    assert begins < ends
    assert now < ends
    offsets = {(now + timedelta(days=d)).astimezone(ZoneInfo(window.zone)).utcoffset() for d in range(-8, 16)}
    if len(offsets) == 1:
        assert (begins <= now) == on_the_wall(window, now)


@given(windows, instants)
def test_a_window_that_does_not_hold_begins_when_it_says(window, now):
    freeze = Freeze("f", "why", window=window)
    starts = freeze.begins(now)
    assert starts is not None
    assert freeze.holds(max(starts, now))
    if not freeze.holds(now):
        assert starts > now
        assert not freeze.holds(starts - timedelta(seconds=1))
    else:
        ends = freeze.ends(now)
        assert ends is not None
        assert ends > now


def test_friday_afternoon_to_monday_morning_is_read():
    window = Window.parse("Fri 15:00 – Mon 08:00", "Europe/Berlin")
    assert window == Window.parse("friday 15:00 to monday 8:00".replace("8:00", "08:00"), "Europe/Berlin")
    begins, ends = window.around(datetime(2026, 11, 28, 12, tzinfo=UTC))
    assert (begins, ends) == (datetime(2026, 11, 27, 14, tzinfo=UTC), datetime(2026, 11, 30, 7, tzinfo=UTC))
    assert str(window) == "Fri 15:00 – Mon 08:00 Europe/Berlin"


def test_window_over_the_change_of_the_clock_ends_by_the_new_time():
    window = Window.parse("Sat 12:00 - Mon 08:00", "Europe/Berlin")
    begins, ends = window.around(datetime(2026, 10, 25, 0, tzinfo=UTC))
    assert ends - begins == timedelta(hours=45)


@pytest.mark.parametrize(
    "text", ["", "Fri", "Fri 25:00 - Mon 08:00", "Fry 15:00 - Mon 08:00", "Fri 15:00 - Fri 15:00"]
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(ValueError):
        Window.parse(text)
    with pytest.raises(ValueError, match="time zone"):
        Window.parse("Fri 15:00 - Mon 08:00", "Mars/Olympus")


def test_only_what_covers_the_place_holds_there():
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    weekend = Freeze("a", "weekend", "production", "payments-*", Window.parse("Fri 15:00 - Mon 08:00"))
    by_hand = Freeze("b", "incident", "production", since=now, until=now + timedelta(hours=1), by="Ada")
    both = (weekend, by_hand)
    assert [f.id for f in holding(both, "production", "payments-worker", now)] == ["a", "b"]
    assert [f.id for f in holding(both, "production", "cart", now)] == ["b"]
    assert holding(both, "staging", "payments-worker", now) == ()
    assert coming(both, "production", "payments-worker", now) is None
    assert coming(
        (weekend,), "production", "payments-worker", datetime(2026, 11, 25, tzinfo=UTC)
    ) == datetime(2026, 11, 27, 15, tzinfo=UTC)


def test_exempt_services_go_on_and_the_others_wait():
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    weekend = Freeze("a", "weekend", "production", window=Window.parse("Fri 15:00 - Mon 08:00"))
    (held,) = exempting([weekend], {"a": ("pay*",), "other": ("*",)})
    assert holding([held], "production", "payments", now) == ()
    assert [f.id for f in holding([held], "production", "cart", now)] == ["a"]


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-12-20T15:00", "Europe/Berlin", datetime(2026, 12, 20, 14, tzinfo=UTC)),
        ("2026-06-20T15:00", "Europe/Berlin", datetime(2026, 6, 20, 13, tzinfo=UTC)),
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-03-29T02:30", "Europe/Berlin", None),
        ("tomorrow", "UTC", None),
        ("2026-12-20T15:00", "Mars/Olympus", None),
    ],
)
def test_time_on_the_wall_is_one_instant_or_none(text, zone, instant):
    if instant:
        assert at_wall(text, zone) == instant
    else:
        with pytest.raises(ValueError):
            at_wall(text, zone)
