"""Since when a pipeline is over its budget or red, by the definition, on any history."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.budget import QUEUE, Timed, Verdict, broken, lanes, over, typical, verdict
from app.domain.ci import CiOutcome, CiPhase

T0 = datetime(2026, 11, 25, 12, tzinfo=UTC)
VERDICTS = st.sampled_from(list(Verdict))


def run(n: int, seconds: float | None = 300.0, verdict: Verdict = Verdict.GREEN, **stages: float) -> Timed:
    at = T0 - timedelta(hours=n)
    return Timed(f"r{n}", f"{n:040x}", "", "ada", at, verdict, verdict is Verdict.GREEN, seconds, stages)


def test_over_names_the_first_run_that_was_late_and_the_stage_that_grew_most():
    runs = [
        run(0, 700, integration=400, unit=200),
        run(1, 660, integration=390, unit=190),
        run(2, 500, integration=200, unit=195),
    ]
    found = over(runs)
    assert found is not None
    assert (found.since.run, found.stage, found.grew, found.runs, found.seen) == (
        "r1",
        "integration",
        190,
        2,
        True,
    )


def test_over_passes_runs_by_that_failed_or_still_run():
    runs = [run(0, None, Verdict.RUNS), run(1, 1200, Verdict.RED), run(2, 700), run(3, 500)]
    found = over(runs)
    assert found is not None
    assert found.since.run == "r2"


def test_over_without_anything_before_it_blames_the_longest_stage_and_says_so():
    found = over([run(0, 900, queue=500.0, unit=300)])
    assert found is not None
    assert (found.stage, found.seen) == (QUEUE, False)


@given(st.lists(st.tuples(st.integers(1, 1200), VERDICTS), max_size=12))
def test_over_is_a_run_of_late_ones_from_the_newest_that_went_through(told):
    runs = [run(n, seconds, verdict) for n, (seconds, verdict) in enumerate(told)]
    through = [one for one in runs if one.through]
    found = over(runs)
    assert (found is None) == (not through or (through[0].seconds or 0) <= 600)
    if found:
        assert all((one.seconds or 0) > 600 for one in through[: found.runs])
        assert through[found.runs - 1] is found.since
        assert found.seen == (len(through) > found.runs)
        assert not found.seen or (through[found.runs].seconds or 0) <= 600


@given(st.lists(VERDICTS, max_size=12))
def test_broken_is_by_the_first_red_after_the_last_green(verdicts):
    runs = [run(n, 300, verdict) for n, verdict in enumerate(verdicts)]
    told = [one for one in runs if one.verdict in (Verdict.GREEN, Verdict.RED)]
    found = broken(runs)
    assert (found is not None) == bool(told and told[0].verdict is Verdict.RED)
    if found:
        assert [one.verdict for one in told[: found.runs]] == [Verdict.RED] * found.runs
        assert told[found.runs - 1] is found.by
        assert found.seen == (len(told) > found.runs)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=20))
def test_lanes_never_hold_two_at_one_time(told):
    spans = sorted((float(start), float(start + length)) for start, length in told)
    places = lanes(spans)
    for i, (start, _) in enumerate(spans):
        for j in range(i):
            assert places[i] != places[j] or spans[j][1] <= start
    assert all(place in set(range(len(set(places)))) for place in places)


def test_verdict_of_every_outcome_is_told_and_a_cancelled_run_says_nothing():
    assert verdict(CiPhase.RUNNING, None) is Verdict.RUNS
    assert verdict(CiPhase.BLOCKED, None) is Verdict.RUNS
    said = {outcome: verdict(CiPhase.DONE, outcome) for outcome in CiOutcome}
    assert {o for o, v in said.items() if v is Verdict.RED} == {"failure", "error", "timed_out"}
    assert {o for o, v in said.items() if v is Verdict.GREEN} == {"success", "partial"}
    assert said[CiOutcome.CANCELLED] is Verdict.NOTHING


def test_typical_is_the_median_of_those_that_went_through():
    assert typical([run(0, 100), run(1, 900, Verdict.RED), run(2, 200), run(3, 600)]) == 200
    assert typical([run(0, None, Verdict.RUNS)]) is None
