"""What a vote is bound to: all that matters of the evidence, and nothing that does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.evidence import (
    Change,
    Changed,
    Evidence,
    Holds,
    Person,
    Proof,
    Rollback,
    Scan,
    Severity,
    difference,
    graced,
    plain,
    weighed,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GRACE = timedelta(minutes=2)


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


BASE = Evidence(
    Proof(Holds.YES, "green", ago(hours=1)),
    Proof(Holds.YES, "20 passed", ago(hours=1)),
    Scan(Severity.LOW, "1 low", ago(hours=1)),
    Proof(Holds.YES, "signed", ago(hours=1)),
    ago(hours=2),
    "all 3 pods ready",
    Rollback("1.0", True, ago(days=9), timedelta(seconds=14)),
    (Person("author", "ada"), Person("starter", "bob")),
    (Change("a" * 40, "one"),),
    (),
    (),
    (("cart:2", "sha256:" + "a" * 64),),
)


@pytest.mark.parametrize(
    "change",
    [
        {"ci": replace(BASE.ci, at=NOW)},
        {"scan": replace(BASE.scan, at=NOW)},
        {"people": tuple(reversed(BASE.people or ()))},
        {"left_out": (Change("b" * 40, "newer"),)},
        {"soak": "2 of 3 pods ready", "soak_broke_at": NOW},
        {"rollback": replace(BASE.rollback, drilled_at=NOW, drilled=GRACE, drilled_in="staging")},
    ],
)
def test_what_does_not_matter_changes_no_digest(change):
    other = replace(BASE, **change)
    assert weighed(plain(other)) == weighed(plain(BASE))
    assert difference(plain(BASE), plain(other)) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"ci": replace(BASE.ci, said="1 failed")},
        {"scan": replace(BASE.scan, worst=Severity.HIGH)},
        {"people": (Person("author", "eve"),)},
        {"lost": (Change("c" * 40, "hotfix"),)},
        {"digests": (("cart:2", "sha256:" + "b" * 64),)},
        {"configuration": (Changed("env A", "", "present"),)},
        {"soaking_since": NOW},
        {"rollback": replace(BASE.rollback, kept=False)},
    ],
)
def test_what_matters_changes_it_and_is_told(change):
    other = replace(BASE, **change)
    assert weighed(plain(other)) != weighed(plain(BASE))
    assert len(difference(plain(BASE), plain(other))) == 1


@pytest.mark.parametrize(
    ("broke", "since", "there", "kept", "broken"),
    [
        (None, ago(hours=2), True, ago(hours=2), None),  # nothing happened
        (None, None, True, ago(hours=2), NOW),  # a pod goes
        (ago(seconds=60), None, True, ago(hours=2), ago(seconds=60)),  # and is not back yet
        (ago(seconds=60), ago(seconds=5), True, ago(hours=2), None),  # it is back in time
        (ago(seconds=120), None, True, None, None),  # it is not back in time
        (ago(seconds=300), ago(seconds=100), True, ago(seconds=100), None),  # nor seen until it was too late
        (None, ago(seconds=10), True, ago(hours=2), None),  # gone and back between two looks
        (None, ago(seconds=600), True, ago(seconds=600), None),  # while nobody looked
        (None, ago(seconds=10), False, ago(seconds=10), None),  # another version by now
        (None, None, False, None, None),
    ],
)
def test_restart_that_heals_within_the_grace_does_not_begin_the_soak_anew(broke, since, there, kept, broken):
    before = replace(BASE, soak_broke_at=broke)
    found = graced(before, since, "as seen", there, GRACE, NOW)
    assert (found[0], found[2]) == (kept, broken)
    assert found[1].startswith("as seen")
    assert graced(Evidence(), since, "as seen", there, GRACE, NOW) == (since, "as seen", None)
    assert graced(before, since, "as seen", there, timedelta(), NOW) == (since, "as seen", None)
