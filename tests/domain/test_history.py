"""Two looks become transitions and rollouts, whatever happened between them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.history import Change, Rollout, end, fold
from app.domain.revisions import Revision
from app.domain.rollout import Health, Outcome, Phase, RolloutState, Step, StepState, WaitKind, WaitsFor

T0 = datetime(2026, 10, 1, 12, tzinfo=UTC)
ONE, TWO, THREE = (
    Revision(str(n), version=f"v{n}", created_at=T0 + timedelta(minutes=n - 60)) for n in (1, 2, 3)
)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def look(phase: Phase, revision: Revision | None = ONE, **more) -> RolloutState:
    return RolloutState(phase, Health.HEALTHY, revision=revision, **more)


def play(*looks: RolloutState) -> list[Change]:
    """Fold looks that are ten seconds apart."""
    changes: list[Change] = []
    for n, state in enumerate(looks):
        changes.append(fold("k", changes[-1].snapshot if changes else None, state, at(10 * n)))
    return changes


def ends(changes: list[Change]) -> list[tuple[str, Outcome]]:
    return [(r.to_key, r.outcome) for c in changes for r in c.rollouts if r.outcome]


def test_first_look_at_an_idle_workload_dates_it_by_its_revision():
    (change,) = play(look(Phase.IDLE))
    assert change.snapshot.since == ONE.created_at
    assert change.snapshot.landed_at is None
    assert (change.transition, change.rollouts) == (None, ())


def test_first_look_at_a_moving_workload_opens_a_rollout_at_its_own_start():
    (change,) = play(look(Phase.PROGRESSING, TWO, stable=ONE, started_at=at(-90)))
    (rollout,) = change.rollouts
    assert (rollout.started_at, rollout.from_version, rollout.to_version) == (at(-90), "v1", "v2")
    assert change.snapshot.since == at(-90)


def test_new_revision_opens_a_rollout_and_settling_promotes_it():
    changes = play(
        look(Phase.IDLE), look(Phase.PROGRESSING, TWO), look(Phase.PROMOTING, TWO), look(Phase.IDLE, TWO)
    )
    assert [len(c.rollouts) for c in changes] == [0, 1, 0, 1]
    assert ends(changes) == [("2", Outcome.PROMOTED)]
    assert changes[-1].rollouts[0].id == changes[1].rollouts[0].id
    assert changes[-1].snapshot.landed_at == at(30)
    assert [(c.transition.before, c.transition.after) for c in changes if c.transition] == [
        (Phase.IDLE, Phase.PROGRESSING),
        (Phase.PROGRESSING, Phase.PROMOTING),
        (Phase.PROMOTING, Phase.IDLE),
    ]


def test_older_revision_reached_is_a_rollback():
    changes = play(look(Phase.IDLE, TWO), look(Phase.PROGRESSING, ONE), look(Phase.IDLE, ONE))
    assert ends(changes) == [("1", Outcome.ROLLED_BACK)]
    assert changes[-1].snapshot.landed_at == at(20)


def test_another_revision_supersedes_the_one_that_moves():
    changes = play(
        look(Phase.IDLE), look(Phase.PROGRESSING, TWO, stable=ONE), look(Phase.PENDING, THREE, stable=ONE)
    )
    assert ends(changes) == [("2", Outcome.SUPERSEDED)]
    assert [r.to_key for r in changes[-1].rollouts] == ["2", "3"]
    assert changes[-1].rollouts[1].from_key == "1"


def test_going_back_while_moving_supersedes_and_rolls_back_at_once():
    changes = play(look(Phase.IDLE), look(Phase.PAUSED, TWO, stable=ONE), look(Phase.SUCCEEDED, ONE))
    assert ends(changes) == [("2", Outcome.SUPERSEDED), ("1", Outcome.ROLLED_BACK)]


def test_abort_ends_a_rollout_and_a_retry_is_another():
    moving, aborted = look(Phase.PROGRESSING, TWO, stable=ONE), look(Phase.ABORTED, TWO, stable=ONE)
    changes = play(look(Phase.IDLE), moving, aborted, moving, look(Phase.SUCCEEDED, TWO))
    assert ends(changes) == [("2", Outcome.ABORTED), ("2", Outcome.PROMOTED)]
    assert changes[2].snapshot.landed_at is None


def test_failure_that_mends_itself_is_one_rollout_that_took_longer():
    changes = play(
        look(Phase.IDLE), look(Phase.PROGRESSING, TWO), look(Phase.FAILED, TWO), look(Phase.IDLE, TWO)
    )
    assert ends(changes) == [("2", Outcome.FAILED), ("2", Outcome.PROMOTED)]
    (mended,) = changes[-1].rollouts
    assert mended.id == changes[1].rollouts[0].id
    assert (mended.started_at, mended.ended_at) == (changes[1].rollouts[0].started_at, at(30))


def test_instant_of_failure_after_an_undo_makes_no_second_rollout():
    changes = play(
        look(Phase.FAILED, TWO), look(Phase.FAILED), look(Phase.PROGRESSING), look(Phase.IDLE)
    )  # the old condition still says that the deadline passed
    assert {r.id for c in changes for r in c.rollouts} == {changes[1].rollouts[0].id}
    assert changes[-1].rollouts[0].outcome is Outcome.ROLLED_BACK


def test_failure_that_flaps_is_one_failed_rollout_with_its_last_end():
    moving, failed = look(Phase.PROGRESSING, TWO, stable=ONE), look(Phase.FAILED, TWO, stable=ONE)
    changes = play(look(Phase.IDLE), moving, failed, moving, failed)
    assert len({r.id for c in changes for r in c.rollouts}) == 1
    assert (changes[-1].rollouts[0].outcome, changes[-1].rollouts[0].ended_at) == (Outcome.FAILED, at(40))


def test_failed_rollout_is_not_superseded_by_what_comes_after():
    failed = look(Phase.FAILED, TWO, stable=ONE)
    changes = play(look(Phase.IDLE), failed, look(Phase.PROGRESSING, THREE, stable=ONE))
    assert [(r.to_key, r.outcome) for r in changes[-1].rollouts] == [("3", None)]


def test_first_look_at_an_idle_workload_takes_over_the_rollout_the_cluster_remembers():
    (change,) = play(look(Phase.IDLE, TWO, revisions=(TWO, ONE), started_at=at(-400), settled_at=at(-340)))
    (rollout,) = change.rollouts
    assert (rollout.outcome, rollout.from_version, rollout.to_version) == (Outcome.PROMOTED, "v1", "v2")
    assert (rollout.started_at, rollout.ended_at) == (at(-400), at(-340))
    assert change.snapshot.landed_at == change.snapshot.since == at(-340)
    assert change.transition is None


def test_first_look_at_a_failed_workload_takes_over_its_failure():
    state = look(Phase.FAILED, TWO, stable=ONE, started_at=at(-400), settled_at=at(-340))
    (change,) = play(state)
    assert [(r.outcome, r.ended_at) for r in change.rollouts] == [(Outcome.FAILED, at(-340))]
    assert (change.snapshot.since, change.snapshot.landed_at) == (at(-340), None)


@pytest.mark.parametrize(("settled", "kept"), [(None, (TWO, ONE)), (at(-9), (TWO,))])
def test_first_look_takes_over_nothing_without_an_end_or_an_older_revision(settled, kept):
    (change,) = play(look(Phase.IDLE, TWO, revisions=kept, settled_at=settled))
    assert (change.rollouts, change.snapshot.landed_at) == ((), None)


def test_rollout_keeps_the_cause_its_revision_tells():
    told = Revision("2", version="v2", cause="to 2", created_at=TWO.created_at)
    changes = play(look(Phase.IDLE), look(Phase.PROGRESSING, told))
    assert changes[-1].rollouts[0].cause == "to 2"


def test_rollout_first_seen_on_its_way_has_a_transition_for_the_step_it_is_at():
    steps = (Step("weight", "25 %", StepState.DONE, 25), Step("pause", "pause", StepState.NOW))
    state = look(Phase.AWAITING_APPROVAL, TWO, stable=ONE, steps=steps, step_index=1)
    (change,) = play(state)
    assert change.transition
    assert (change.transition.before, change.transition.label) == (Phase.UNKNOWN, "25 %")


def test_mending_a_failure_by_another_revision_opens_nothing_for_the_old_one():
    """The controller has not looked yet, so the revision shown is still the one that failed."""
    pending = look(Phase.PENDING, TWO, stable=ONE)
    looks = (
        look(Phase.PROGRESSING, TWO),
        look(Phase.FAILED, TWO),
        pending,
        look(Phase.PROGRESSING, THREE, stable=ONE),
    )
    changes = play(look(Phase.IDLE), *looks, look(Phase.IDLE, THREE))
    assert ends(changes) == [("2", Outcome.FAILED), ("3", Outcome.PROMOTED)]


def test_workload_seen_before_its_first_revision_was_made_has_a_rollout_all_the_same():
    changes = play(look(Phase.PENDING, None), look(Phase.PROGRESSING), look(Phase.IDLE))
    assert ends(changes) == [("1", Outcome.PROMOTED)]


def test_rollout_nobody_watched_is_opened_and_closed_in_one_look():
    new = Revision("9", version="v9", created_at=at(4))
    changes = play(look(Phase.IDLE), look(Phase.IDLE, new))
    (rollout,) = changes[-1].rollouts
    assert (rollout.outcome, rollout.started_at, rollout.ended_at) == (Outcome.PROMOTED, at(4), at(10))


def test_scaling_opens_no_rollout():
    assert ends(play(look(Phase.IDLE), look(Phase.PROGRESSING), look(Phase.IDLE))) == []


def test_move_first_seen_as_unknown_still_opens_a_rollout():
    changes = play(look(Phase.UNKNOWN, TWO), look(Phase.PROGRESSING, TWO, stable=ONE))
    assert [r.to_key for r in changes[-1].rollouts] == ["2"]


def test_unknown_and_back_keeps_the_age_of_what_landed():
    changes = play(
        look(Phase.PROGRESSING, TWO), look(Phase.IDLE, TWO), look(Phase.UNKNOWN, None), look(Phase.IDLE, TWO)
    )
    assert changes[-1].snapshot.since == changes[1].snapshot.landed_at == at(10)


def test_revision_without_a_key_is_no_other_one():
    blind = Revision("", number=2, version="2")
    changes = play(
        look(Phase.IDLE, TWO), look(Phase.IDLE, blind), look(Phase.PROGRESSING, blind), look(Phase.IDLE, TWO)
    )
    assert ends(changes) == []
    assert changes[-1].snapshot.revision == changes[0].snapshot.revision


def test_pause_is_dated_by_the_source_when_it_tells():
    told = WaitsFor(WaitKind.PERSON, since=at(7))
    changes = play(look(Phase.PROGRESSING, TWO), look(Phase.PAUSED, TWO, waits_for=told))
    assert changes[-1].snapshot.since == at(7)


def test_same_phase_step_and_revision_keep_since_and_make_no_transition():
    first, second = play(look(Phase.PROGRESSING), look(Phase.PROGRESSING, message="other", progress=50))
    assert second.transition is None
    assert second.snapshot.since == first.snapshot.since


def test_next_step_is_a_transition():
    changes = play(look(Phase.PROGRESSING, step_index=0), look(Phase.PROGRESSING, step_index=1))
    assert changes[-1].transition
    assert changes[-1].transition.step == 1


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.PROGRESSING])
def test_deleted_workload_closes_what_is_open(phase):
    (change,) = play(look(phase))
    closed = end(change.snapshot, at(60))
    assert (closed.outcome if closed else None) is (Outcome.ABORTED if phase is Phase.PROGRESSING else None)


revisions = st.sampled_from([None, ONE, TWO, THREE])
looks = st.builds(
    look,
    st.sampled_from(Phase),
    revisions,
    stable=revisions,
    step_index=st.none() | st.integers(0, 2),
    started_at=st.none() | st.integers(-300, 300).map(at),
    settled_at=st.none() | st.integers(-300, 300).map(at),
    revisions=st.sampled_from([(), (TWO, ONE)]),
)


@given(st.lists(looks, max_size=12))
def test_any_run_of_looks_ends_each_rollout_once_but_for_failures_and_leaves_at_most_one_open(run):
    open_now: dict[str, Rollout] = {}
    closed: set[str] = set()
    for n, change in enumerate(play(*run)):
        for rollout in change.rollouts:
            assert rollout.id not in closed
            if rollout.ended_at is None:
                open_now[rollout.id] = rollout
            else:
                assert rollout.started_at <= rollout.ended_at
                open_now.pop(rollout.id, None)
                if rollout.outcome is not Outcome.FAILED:
                    closed.add(rollout.id)
        kept = change.snapshot.rollout
        assert list(open_now.values()) == ([kept] if kept and kept.outcome is None else [])
        assert change.snapshot.since <= at(10 * n)


@given(st.lists(looks, min_size=1, max_size=6), looks)
def test_seeing_the_same_twice_changes_nothing(run, last):
    *_, once, twice = play(*run, last, last)
    assert twice.snapshot == once.snapshot
    assert (twice.transition, twice.rollouts) == (None, ())


@pytest.mark.parametrize(
    ("images", "version", "asked", "kind"),
    [
        (("cart:v1",), "v1", 5, "restart"),
        (("cart:v1",), "v1", -50, "restart"),  # the clock of who asked is behind
        (("cart:v1",), "v1", -3000, "deployment"),  # a change of settings, long after a restart
        (("cart:v1",), "v1", None, "deployment"),
        (("cart:v1", "proxy:v2"), "v1", 5, "deployment"),
        (("cart:v2",), "v2", 5, "deployment"),
        ((), "v1", 5, "restart"),  # what ran before is gone, its images with it
    ],
)
def test_restart_is_told_from_a_deployment_and_from_a_change_of_settings(images, version, asked, kind):
    old = Revision("1", version="v1", images=("cart:v1",) if images else (), created_at=at(-3600))
    new = Revision("2", version=version, images=images, created_at=at(5))
    restarted = None if asked is None else at(asked + 5)
    moves = look(Phase.PROGRESSING, new, stable=old, restarted_at=restarted)
    changes = play(look(Phase.IDLE, old), moves, look(Phase.IDLE, new, restarted_at=restarted))
    assert {rollout.kind for change in changes for rollout in change.rollouts} == {kind}
    scaled = play(look(Phase.IDLE, old), look(Phase.PROGRESSING, old), look(Phase.IDLE, old))
    assert not [rollout for change in scaled for rollout in change.rollouts]
