"""Conditions are said in plain words, and what is not known as it stands."""

import pytest

from app.domain.rollout import Condition
from app.read.conditions import condition_lines


@pytest.mark.parametrize(
    ("stated", "sentence", "good"),
    [
        (Condition("Available", "True", "MinimumReplicasAvailable"), "Enough pods are available.", True),
        (
            Condition("Progressing", "False", "ProgressDeadlineExceeded"),
            "There was no progress within its deadline.",
            False,
        ),
        (Condition("ReplicaFailure", "True", "FailedCreate"), "Pods cannot be made.", False),
        (
            Condition("Progressing", "Unknown", "DeploymentPaused"),
            "It is paused, so its deadline does not run.",
            None,
        ),
        (Condition("Promoted", "Unknown", "Progressing"), "Flagger analyses the newest version.", None),
        (Condition("QuotaOfTeam", "False", "Odd"), "Quota of team: no.", None),
        (Condition("Odd", "maybe"), "Odd: not known.", None),
    ],
)
def test_condition_is_a_sentence(stated, sentence, good):
    (line,) = condition_lines([stated])
    assert (line.sentence, line.good) == (sentence, good)
    assert (line.type, line.status, line.reason) == (stated.type, stated.status, stated.reason)
