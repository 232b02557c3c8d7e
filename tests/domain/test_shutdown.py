"""How old pods ended stays told, and is counted once, until something else is asked for."""

from datetime import UTC, datetime

from app.domain.revisions import Revision
from app.domain.rollout import Caution, CautionKind, Health, Phase, RolloutState
from app.domain.shutdown import NAMED, kept

AT = datetime(2026, 11, 23, 14, 32, tzinfo=UTC)


def killed(*names: str, at: datetime = AT) -> Caution:
    return Caution(CautionKind.KILLED, "Old pods were killed", len(names), at, names)


def look(*cautions: Caution, revision: str = "new") -> RolloutState:
    return RolloutState(Phase.IDLE, Health.HEALTHY, revision=Revision(revision), cautions=cautions)


def test_proof_outlives_the_pods_it_is_about():
    hollow = Caution(CautionKind.NO_PROBE, "No probe")
    assert kept([killed("a"), hollow], "new", look()).cautions == (killed("a"),)


def test_pods_are_counted_once_however_often_they_are_seen():
    state = look(killed("a"))
    for seen in (("a", "b"), ("b",), ("b", "c"), ()):
        after = look(*[killed(*seen, at=AT.replace(minute=40))] if seen else [])
        state = kept(state.cautions, "new", after)
    assert state.cautions == (killed("a", "b", "c"),)


def test_another_revision_begins_anew():
    assert kept([killed("a")], "old", look()).cautions == ()


def test_a_look_that_tells_no_revision_forgets_nothing():
    blind = RolloutState(Phase.UNKNOWN, Health.UNKNOWN)
    assert kept([killed("a")], "new", blind).cautions == (killed("a"),)


def test_names_are_bounded_and_the_count_is_not():
    state = look()
    for number in range(NAMED + 10):
        state = kept(state.cautions, "new", look(killed(f"p{number}")))
    (caution,) = state.cautions
    assert (caution.pods, len(caution.who)) == (NAMED + 10, NAMED)
