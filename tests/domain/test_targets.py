"""What may be gone back to, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain.revisions import Revision
from app.domain.rollout import Health, Outcome, Phase, RolloutState
from app.domain.targets import RULE, Record, ranked

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def rev(key: str, days: int = 0) -> Revision:
    return Revision(key, version=f"v{key}", created_at=NOW - timedelta(days=days))


def state(*kept: Revision, stable: Revision | None = None) -> RolloutState:
    return RolloutState(
        Phase.IDLE, Health.HEALTHY, revision=kept[0] if kept else None, stable=stable, revisions=kept
    )


def keys(*targets: object) -> list[str]:
    return [t.revision.key for t in targets]  # type: ignore[attr-defined]


def test_what_was_live_last_comes_first_whatever_is_newest():
    four, three, two, one = rev("4", 1), rev("3", 2), rev("2", 3), rev("1", 4)
    record = Record(landed={"1": NOW - timedelta(hours=1), "2": NOW - timedelta(days=2)})
    found = ranked(["3", "2", "1"], state(four, three, two, one), record)
    assert keys(*found) == ["1", "2", "3"]
    assert found[0].landed_at == NOW - timedelta(hours=1)
    assert not any(t.blocked_by for t in found)
    assert found[2].note == "It was there before Shipboard looked."


def test_what_serves_still_comes_before_what_landed_later():
    new, stable, other = rev("3"), rev("2", 1), rev("1", 2)
    found = ranked(["2", "1"], state(new, stable, other, stable=stable), Record(landed={"1": NOW}))
    assert keys(*found) == ["2", "1"]


def test_what_never_became_healthy_here_is_no_target_and_says_why():
    new, bad, good = rev("3"), rev("2", 1), rev("1", 2)
    record = Record(landed={"1": NOW}, ended={"2": (Outcome.FAILED, NOW - timedelta(days=1))})
    found = ranked(["2", "1"], state(new, bad, good), record)
    assert keys(*found) == ["1", "2"]
    (blocker,) = found[1].blocked_by
    assert blocker.rule == RULE
    assert blocker.message == "v2 never became healthy here: it failed on Nov 24."
    assert blocker.clears


def test_one_attempt_that_landed_outweighs_those_that_failed():
    record = Record(landed={"1": NOW - timedelta(days=9)}, ended={"1": (Outcome.ABORTED, NOW)})
    (found,) = ranked(["1"], state(rev("2"), rev("1", 10)), record)
    assert not found.blocked_by


def test_what_was_made_under_our_eyes_and_never_seen_live_is_no_target():
    record = Record(since=NOW - timedelta(days=5))
    young, old = ranked(["2", "1"], state(rev("3"), rev("2", 1), rev("1", 9)), record)[::-1]
    assert (young.revision.key, old.revision.key) == ("2", "1")
    assert young.blocked_by
    assert not old.blocked_by


def test_freeing_broken_pods_of_the_version_asked_for_comes_first():
    """An ordered set offers its own revision where broken pods are to be deleted; that is no way back."""
    now, before = rev("2"), rev("1", 1)
    record = Record(landed={"1": NOW}, ended={"2": (Outcome.FAILED, NOW)})
    found = ranked(["2", "1"], state(now, before, stable=before), record)
    assert keys(*found) == ["2", "1"]
    assert not found[0].blocked_by


def test_keys_that_name_no_revision_are_left_to_the_engine():
    assert ranked(["green"], state(rev("1")), Record()) == ()
