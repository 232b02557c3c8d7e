"""Conditions are said in plain words, and what is not known as it stands."""

import pytest

from app.domain.rollout import Condition
from app.read.conditions import condition_lines


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (Condition("Available", "True", "MinimumReplicasAvailable"), "Enough pods are available."),
        (
            Condition("Progressing", "False", "ProgressDeadlineExceeded"),
            "There was no progress within its deadline.",
        ),
        (Condition("ReplicaFailure", "True", "FailedCreate"), "Pods cannot be made."),
        (
            Condition("Progressing", "Unknown", "DeploymentPaused"),
            "It is paused, so its deadline does not run.",
        ),
        (Condition("Promoted", "Unknown", "Progressing"), "Flagger analyses the newest version."),
        (Condition("QuotaOfTeam", "False", "Odd"), "Quota of team: no."),
        (Condition("Odd", "maybe"), "Odd: not known."),
    ],
)
def test_condition_is_a_sentence(stated, sentence):
    (line,) = condition_lines([stated])
    assert line.sentence == sentence
    assert (line.type, line.status, line.reason) == (stated.type, stated.status, stated.reason)
