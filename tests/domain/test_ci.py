"""Looks at CI converge: in any order, however often, the same looks make the same thing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.ci import CiOutcome, CiPhase, RunSeen, Status, thing
from app.domain.converge import Mark, Thing, join, joined, mark

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
times = st.integers(0, 5).map(lambda n: BEGIN + timedelta(minutes=n))
words = st.sampled_from(["a", "b", "c"])
statuses = st.builds(Status, st.sampled_from(CiPhase), st.none() | st.sampled_from(CiOutcome), words)
marks = st.builds(Mark, st.integers(0, 2), st.integers(0, 3))
looks = st.builds(
    RunSeen,
    provider=st.just("github"),
    host=st.just("github.com"),
    project=st.just("1"),
    run=st.just("7"),
    attempt=st.just(1),
    repo=words,
    mark=marks,
    pipeline=st.none() | words,
    url=st.none() | words,
    created_at=st.none() | times,
    status=st.none() | statuses,
).map(thing)
EARLIEST = frozenset({"created_at"})


def join_(left: Thing, right: Thing) -> Thing:
    return join(left, right, EARLIEST)


@given(looks, looks, looks)
def test_join_is_commutative_associative_and_idempotent(a: Thing, b: Thing, c: Thing) -> None:
    assert join_(a, b) == join_(b, a)
    assert join_(join_(a, b), c) == join_(a, join_(b, c))
    assert join_(a, a) == a


@given(st.lists(looks, max_size=8).flatmap(lambda many: st.tuples(st.just(many), st.permutations(many * 2))))
def test_looks_make_the_same_in_any_order_and_number(case: tuple[list[Thing], list[Thing]]) -> None:
    many, shuffled = case
    assert joined(shuffled, EARLIEST) == joined(many, EARLIEST)


def run(phase: CiPhase, outcome: CiOutcome | None = None, minute: int = 0, **more: object) -> RunSeen:
    status = Status(phase, outcome)
    at = BEGIN + timedelta(minutes=minute)
    return RunSeen(
        provider="github",
        host="github.com",
        project="1",
        run="7",
        attempt=1,
        repo="github.com/acme/cart",
        mark=mark(status.rank, at),
        status=status,
        **more,  # type: ignore[arg-type]
    )


def test_run_that_ended_does_not_run_again_however_late_a_look_is() -> None:
    ended = thing(run(CiPhase.DONE, CiOutcome.SUCCESS, 5))
    late = thing(run(CiPhase.RUNNING, minute=9, url="u"))
    found = join(ended, late)
    assert found["status"].value == Status(CiPhase.DONE, CiOutcome.SUCCESS)
    assert found["url"].value == "u", "what only the late look tells is taken"


def test_run_may_wait_and_go_on_more_than_once() -> None:
    seen = [run(CiPhase.RUNNING, minute=1), run(CiPhase.BLOCKED, minute=2), run(CiPhase.RUNNING, minute=3)]
    assert joined(map(thing, seen[:2]))["status"].value.phase is CiPhase.BLOCKED
    assert joined(map(thing, seen))["status"].value.phase is CiPhase.RUNNING


def test_status_without_a_word_of_the_provider_has_ours() -> None:
    assert Status(CiPhase.DONE, CiOutcome.SUCCESS).raw == "success"
    assert Status(CiPhase.QUEUED).raw == "queued"


def test_attempts_are_runs_of_their_own() -> None:
    first = run(CiPhase.DONE, CiOutcome.FAILURE)
    again = RunSeen(**{name: getattr(first, name) for name in first.__slots__} | {"attempt": 2})
    assert first.key != again.key
