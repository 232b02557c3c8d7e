"""Warnings are told once, again when they count up, and never in other than sound numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.facts import WarningObserved
from app.engines.port import Kin
from app.sources.warned import MOST, Warned
from tests.engines.objects import decode

from .bench import LEAKY, following

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def event(uid: str = "e", version: str = "1", age: float = 60, **more: Any) -> Any:
    last = (NOW - timedelta(seconds=age)).isoformat()
    return decode(
        {
            "kind": "Event",
            "metadata": {"uid": uid, "resourceVersion": version},
            "involvedObject": {"kind": "Pod", "name": "web-1", "uid": "p"},
            "reason": "BackOff",
            "message": "Back-off",
            "lastTimestamp": last,
            **more,
        }
    )


def kin(*events: Any) -> Kin:
    return Kin(warnings={"p": events})


def test_warning_is_told_once_and_again_when_the_count_rises() -> None:
    warned = Warned("east")
    (first,) = warned.news("r", kin(event(count=1)), NOW)
    assert (first.key, first.workload, first.about, first.times) == ("east:e", "east:r", "Pod/web-1", 1)
    assert not warned.news("r", kin(event(count=1)), NOW)
    (again,) = warned.news("r", kin(event(version="2", age=5, series={"count": 7})), NOW)
    assert (again.key, again.times, again.last_at) == ("east:e", 7, NOW - timedelta(seconds=5))


def test_warning_is_told_again_after_it_was_forgotten() -> None:
    warned = Warned("east")
    warned.news("r", kin(event()), NOW)
    warned.forget("r")
    assert warned.news("r", kin(event()), NOW)


def test_only_the_newest_are_told_oldest_first() -> None:
    told = Warned("east").news("r", kin(*(event(f"e{n}", age=n) for n in range(MOST + 5))), NOW)
    assert [w.uid for w in told] == [f"e{n}" for n in reversed(range(MOST))]


@pytest.mark.parametrize(("count", "times"), [(0, 1), (-3, 1), (10**12, 2**31 - 1)])
def test_count_fits_the_database(count: int, times: int) -> None:
    (told,) = Warned("east").news("r", kin(event(count=count)), NOW)
    assert told.times == times


def test_time_ahead_or_of_no_zone_is_now() -> None:
    ahead = event(age=-90, firstTimestamp="2026-10-01T10:00:00")
    (told,) = Warned("east").news("r", kin(ahead), NOW)
    assert (told.first_at, told.last_at) == (NOW, NOW)


@LEAKY
@pytest.mark.anyio
async def test_collector_copies_warnings_with_the_look_and_again_if_they_did_not_arrive() -> None:
    async with following(fill=1) as f:
        await f.settled()
        pod = next(e.obj for e in f.server.store.rows("pods"))
        about = {k: pod["metadata"][k] for k in ("name", "uid", "namespace")}
        body = {
            "metadata": {"name": "odd", "namespace": about["namespace"]},
            "involvedObject": {"kind": "Pod", **about},
            "type": "Warning",
            "reason": "Odd",
            "message": "it is odd",
            "count": 3,
            "lastTimestamp": "2026-10-01T10:00:00Z",
        }
        f.heard.fail = 10**6
        f.server.store.create("events", body, quiet=True)
        await f.heard.until(lambda: f.collector.cache.count("Event"))
        left = f.heard.fail
        await f.heard.until(lambda: f.heard.fail < left - 1)  # one began before, so this one had the warning
        f.heard.fail = 0
        await f.heard.until(lambda: f.heard.of(WarningObserved))
        (told,) = f.heard.of(WarningObserved)
        (shown,) = f.heard.workloads.values()
        assert (told.workload, told.about, told.times) == (shown.key, f"Pod/{about['name']}", 3)
