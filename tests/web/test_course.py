"""A rollout's course as numbers for SVG, and the region that draws it."""

import re
from dataclasses import replace
from datetime import timedelta

from app.domain.course import Sample
from app.read.past import PastRollout
from app.web.course import FINE, course
from app.web.plots import weekly
from tests import scenes, workloads
from tests.e2e import preview
from tests.fleets import NOW, before, rollout


def past(minutes: float = 10, ended: bool = True) -> PastRollout:
    row = rollout("r", started=before(minutes=minutes), ended=NOW if ended else None)
    return PastRollout(row, (), round(minutes * 60) if ended else None, 0)


def at(minutes: float, new: int, old: int, measured: int | None = None) -> Sample:
    return Sample(before(minutes=minutes), new, old, 4, 0, 0, 2, measured, measured)


def test_areas_stand_on_each_other_and_end_with_the_rollout():
    found = course(past(), [at(10, 0, 4), at(5, 2, 3), at(0, 4, 0), at(-5, 9, 9)], NOW + timedelta(hours=1))
    assert found
    assert (found.top, found.since, found.until, found.weight) == (5, before(minutes=10), NOW, "")
    assert found.new == "M0.0 60.0H50.0V36.8H100.0V13.6H100V60H0.0z"
    assert found.old.startswith("M0.0 13.6H50.0V2.0H100.0V13.6")
    assert [pair.title for pair in found.pairs] == ["Ready pods", "Restarts"]
    assert (found.pairs[1].new_last, found.pairs[1].old_last, found.pairs[1].top) == (0, 2, 2)


def test_traffic_is_compared_only_where_it_is_split():
    found = course(past(ended=False), [at(10, 0, 4, 0), at(5, 1, 3, 25)], NOW)
    assert found
    assert found.weight == "M0.0 60.0H50.0V45.5H100"
    assert [(p.new_last, p.old_last, p.unit) for p in found.pairs[2:]] == [(25, 75, " %")]


def test_what_was_hardly_seen_is_not_drawn():
    assert course(past(), [at(5, 1, 3)], NOW) is None
    assert course(past(ended=False), [], NOW) is None
    assert course(past(ended=False), [at(5, 1, 3)], NOW)
    assert course(past(0, ended=False), [at(0, 1, 3), at(0, 2, 2)], NOW) is None


def test_of_many_looks_each_moment_can_be_pointed_at():
    found = course(past(), [at(10 - i / 60, i % 4, 4) for i in range(600)], NOW)
    assert found
    assert len(found.moments) <= 100 / FINE + 2
    assert all(b.x - a.x >= FINE for a, b in zip(found.moments[1:], found.moments[2:], strict=False))


def test_the_page_draws_it_with_words_marks_and_a_table():
    page = preview.workload_page(workloads.canary())
    region = re.search(r'<section class="course".*?</section>', page, re.DOTALL)
    assert region
    text = region[0]
    assert 'aria-label="Pods and traffic over time. From 0 new and 12 old pods ready' in text
    marks = re.findall(r'<text class="lab".*?</text>', text)
    assert [re.sub("<.*?>", "", mark) for mark in marks] == [
        "5 %",
        "25 %",
    ]
    assert "Canary against stable" in text
    assert text.count("<tr>") == 1 + 6
    assert 'id="course"' in preview.workload_page(workloads.calm())  # there for the stream to fill


def test_a_rollout_that_is_over_is_not_compared_with_what_it_replaced():
    fleet = workloads.canary()
    (row,) = (row for row in fleet.workloads.values() if row.place.environment == "production")
    told = fleet.past(row.ref).told  # type: ignore[union-attr]
    done = replace(row.state, stable=None)
    again = workloads.fleet(replace(row, state=done), told)
    assert (
        "against"
        not in re.sub("<style.*?</style>", "", preview.workload_page(again)).partition('id="pods"')[0]
    )


def test_a_week_of_a_figure_is_told_in_words():
    dora = scenes.figures()
    assert weekly(dora.weeks, NOW, "lead")[-1] == "Week to Nov 23: 3:05 h:min, n = 19"
    assert weekly(dora.weeks, NOW, "frequency")[0] == "Week to Sep 7: 70 deployments"
    assert weekly(dora.weeks, NOW, "fail")[1] == "Week to Sep 14: 8.3 %, 2 of 24"
