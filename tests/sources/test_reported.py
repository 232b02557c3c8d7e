"""Events are told once, again when they count up, and never in other than sound numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.facts import EventObserved
from app.engines.port import Kin
from app.sources.reported import MOST, TOGETHER, ReportedEvents
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
            "type": "Warning",
            "reason": "BackOff",
            "message": "Back-off",
            "lastTimestamp": last,
            **more,
        }
    )


def kin(*events: Any) -> Kin:
    return Kin(warnings={"p": events})


def test_warning_is_told_once_and_again_when_the_count_rises() -> None:
    reported = ReportedEvents("east")
    (first,) = reported.news("r", kin(event(count=1)), NOW)
    assert (first.key, first.workload, first.about, first.times) == ("east:e", "east:r", "Pod/web-1", 1)
    assert not reported.news("r", kin(event(count=1)), NOW)
    (again,) = reported.news("r", kin(event(version="2", age=5, series={"count": 7})), NOW)
    assert (again.key, again.times, again.last_at) == ("east:e", 7, NOW - timedelta(seconds=5))


def test_warning_is_told_again_after_it_was_forgotten() -> None:
    reported = ReportedEvents("east")
    reported.news("r", kin(event()), NOW)
    reported.forget("r")
    assert reported.news("r", kin(event()), NOW)


def test_only_the_newest_are_told_oldest_first() -> None:
    told = ReportedEvents("east").news("r", kin(*(event(f"e{n}", age=n) for n in range(MOST + 5))), NOW)
    assert [w.uid for w in told] == [f"e{n}" for n in reversed(range(MOST))]


@pytest.mark.parametrize(("count", "times"), [(0, 1), (-3, 1), (10**12, 2**31 - 1)])
def test_count_fits_the_database(count: int, times: int) -> None:
    (told,) = ReportedEvents("east").news("r", kin(event(count=count)), NOW)
    assert told.times == times


def test_time_ahead_or_of_no_zone_is_now() -> None:
    ahead = event(age=-90, firstTimestamp="2026-10-01T10:00:00")
    (told,) = ReportedEvents("east").news("r", kin(ahead), NOW)
    assert (told.first_at, told.last_at) == (NOW, NOW)


def noted(*events: Any) -> Kin:
    found: dict[str, list[Any]] = {}
    for each in events:
        found.setdefault(each.involved_object.uid, []).append(each)
    return Kin(notices=found)


def killing(pod: str, *, age: float = 60, **more: Any) -> Any:
    about = {"kind": "Pod", "name": pod, "uid": pod}
    said: dict[str, Any] = {
        "type": "Normal",
        "reason": "Killing",
        "message": "Stopping container web",
        "involvedObject": about,
    }
    first = (NOW - timedelta(seconds=age)).isoformat()
    return event(f"k-{pod}", age=age, firstTimestamp=first, **said, **more)


def test_what_is_said_of_the_root_is_told_one_by_one() -> None:
    about = {"kind": "Deployment", "name": "web", "uid": "r"}
    scaled = [
        event(f"s{n}", age=60 - n, type="Normal", reason="ScalingReplicaSet", involvedObject=about)
        for n in range(3)
    ]
    told = ReportedEvents("east").news("r", noted(*scaled), NOW)
    assert [(t.uid, t.about, t.warning) for t in told] == [
        (f"s{n}", "Deployment/web", False) for n in range(3)
    ]


def test_what_is_said_of_many_pods_is_one_event_that_counts_on_when_they_are_gone() -> None:
    reported = ReportedEvents("east")
    (one,) = reported.news("r", noted(killing("a", age=70)), NOW)
    assert (one.about, one.times) == ("Pod/a", 1)
    (more,) = reported.news("r", noted(killing("b"), killing("c", age=50)), NOW)
    assert (more.key, more.about, more.times) == (one.key, "Pod/c and others", 3)
    assert (more.first_at, more.last_at) == (NOW - timedelta(seconds=70), NOW - timedelta(seconds=50))
    assert not reported.news("r", noted(killing("b"), killing("c", age=50)), NOW)
    (again,) = reported.news("r", noted(killing("c", age=50, count=3)), NOW)
    assert (again.key, again.times) == (one.key, 5)


def test_what_is_said_of_pods_much_later_is_another_event() -> None:
    told = ReportedEvents("east").news("r", noted(killing("a", age=2 * TOGETHER), killing("b", age=1)), NOW)
    assert [t.about for t in told] == ["Pod/a", "Pod/b"]


def test_event_of_pods_has_the_same_key_after_a_restart() -> None:
    first, second = (
        ReportedEvents("east").news("r", noted(killing("a"), killing("b")), NOW) for _ in range(2)
    )
    assert [f.key for f in first] == [f.key for f in second]


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
        await f.heard.until(lambda: f.heard.of(EventObserved))
        (told,) = f.heard.of(EventObserved)
        (shown,) = f.heard.workloads.values()
        assert (told.workload, told.about, told.times) == (shown.key, f"Pod/{about['name']}", 3)
