"""The page of sources: worst first, in words, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.freshness import Freshness
from app.read.sources import SELF_REPORT, SourcesChange, SourcesProjection, covering
from tests.fleets import NOW, StillFleet, before, live, source


def test_sources_come_worst_first_and_the_troubled_before_the_rest():
    rows = [
        source("a", "Pod"),
        replace(source("b", "Pod"), unreadable=("ns/x: too large",)),
        source("c", "Pod", freshness=Freshness.DELAYED),
        source("d", "Pod", freshness=Freshness.STALE),
        source("e", "Pod", freshness=Freshness.UNKNOWN, heard=None),
    ]
    lines = SourcesProjection(StillFleet([], rows), NOW).sources.rows
    assert [line.cluster for line in lines] == ["e", "d", "c", "b", "a"]
    assert lines[3].unreadable == ("ns/x: too large",)


@pytest.mark.parametrize(
    ("freshness", "text"),
    [
        ([], "Shipboard listens to nothing yet."),
        ([Freshness.LIVE], "The one source is live."),
        ([Freshness.LIVE] * 3, "All 3 sources are live."),
        ([Freshness.STALE, Freshness.LIVE], "One source is stale. The other one is live."),
        (
            [
                Freshness.UNKNOWN,
                Freshness.STALE,
                Freshness.STALE,
                Freshness.DELAYED,
                Freshness.LIVE,
                Freshness.LIVE,
            ],
            "One source cannot be seen, two are stale, one is late. The other two are live.",
        ),
    ],
)
def test_the_sentence_says_how_fresh_the_sources_are(freshness, text):
    rows = [source(f"c{i}", freshness=f) for i, f in enumerate(freshness)]
    assert SourcesProjection(StillFleet([], rows), NOW).sources.sentence.text == text


def test_what_is_not_installed_says_so_comes_last_and_is_not_counted():
    rows = [replace(source("a", "Rollout"), installed=False), source("a", "Event"), source("b", "Pod")]
    shown = SourcesProjection(StillFleet([], rows), NOW).sources
    assert [(line.kind, line.word) for line in shown.rows] == [
        ("Pod", "live"),
        ("Event", "live"),
        ("Rollout", "not installed"),
    ]
    assert shown.sentence.text == "Both sources are live."


def test_what_was_not_installed_is_stale_when_nobody_reports_any_more():
    rows = [replace(source("a", "Rollout"), installed=False, seen_at=before(seconds=SELF_REPORT + 1))]
    (line,) = SourcesProjection(StillFleet([], rows), NOW).sources.rows
    assert line.word == "stale"


def test_workload_of_a_kind_that_is_not_installed_is_unknown():
    rows = [replace(source("a", "Rollout"), installed=False), source("a", "Pod")]
    freshness, lowest = covering(rows, frozenset({"Rollout", "Pod"}), "shop")
    assert (freshness, lowest and lowest.kind) == (Freshness.UNKNOWN, "Rollout")
    assert covering(rows, frozenset({"Pod"}), "shop")[0] is Freshness.LIVE


def test_a_cluster_is_as_fresh_as_its_worst_source():
    rows = [*live("eu"), source("eu", "Pod", "risk", Freshness.STALE, 48, "No answer."), *live("us")]
    listening = SourcesProjection(StillFleet([], rows), NOW).sources.sources
    assert [(c.cluster, c.freshness, c.message) for c in listening] == [
        ("eu", Freshness.STALE, "No answer."),
        ("us", Freshness.LIVE, ""),
    ]
    assert listening[0].contact_at == before(seconds=48)
    assert listening[1].contact_at is None


def test_what_no_workload_depends_on_comes_last_and_is_not_in_the_sentence():
    rows = [source("a", "Event", freshness=Freshness.UNKNOWN, heard=None), source("a", "Pod")]
    page = SourcesProjection(StillFleet([], rows), NOW).sources
    assert [(line.kind, line.optional) for line in page.rows] == [("Pod", False), ("Event", True)]
    assert page.sentence.text == "The one needed source is live."
    assert [c.freshness for c in page.sources] == [Freshness.LIVE]


def test_a_source_that_stopped_describing_itself_is_stale_whatever_it_said_last():
    projection = SourcesProjection(StillFleet([], live()), NOW)
    change = projection.tick(NOW + timedelta(seconds=SELF_REPORT + 1))
    assert (len(change.rows), change.sentence) == (len(live()), True)
    assert {line.freshness for line in projection.sources.rows} == {Freshness.STALE}
    assert all("collector" in line.message for line in projection.sources.rows)


def test_only_the_source_that_changed_is_told():
    fleet = StillFleet([], live())
    projection = SourcesProjection(fleet, NOW)
    topic = fleet.put(replace(source(), events=7))
    assert projection.apply([topic], NOW) == SourcesChange(rows=(topic.key,))
    assert projection.row(topic.key).events == 7
