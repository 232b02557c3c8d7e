"""What an analysis makes of its measurements, by the rules and in the words of Argo Rollouts."""

from __future__ import annotations

from typing import Any

import pytest

from app.demo.analysis import assessed, judged


@pytest.mark.parametrize(
    ("conditions", "value", "expected"),
    [
        ({}, 0.0, "Successful"),
        ({"successCondition": "result >= 0.9"}, 0.9, "Successful"),
        ({"successCondition": "result >= 0.9"}, 0.8, "Failed"),
        ({"failureCondition": "result < 0.5"}, 0.5, "Successful"),
        ({"failureCondition": "result[0] < 0.5"}, 0.4, "Failed"),
        ({"failureCondition": "result < 0.5", "successCondition": "result > 0.9"}, 0.7, "Inconclusive"),
    ],
)
def test_measurement_is_judged_by_both_conditions(
    conditions: dict[str, str], value: float, expected: str
) -> None:
    assert judged(conditions, value) == expected


@pytest.mark.parametrize(
    ("metric", "counted", "expected"),
    [
        ({"count": 2}, {"count": 1}, "Running"),
        ({"count": 2}, {"count": 2}, "Successful"),
        ({}, {"count": 1}, "Successful"),
        ({"interval": "1s"}, {"count": 99}, "Running"),
        ({"count": 2, "failureLimit": 1}, {"count": 1, "failed": 1}, "Running"),
        ({"count": 9, "failureLimit": 1}, {"count": 2, "failed": 2}, "Failed"),
        ({"count": 9}, {"count": 1, "inconclusive": 1}, "Inconclusive"),
        ({"count": 9}, {"consecutiveError": 4, "error": 9}, "Running"),
        ({"count": 9}, {"consecutiveError": 5}, "Error"),
    ],
)
def test_metric_is_decided_by_count_and_limits(metric: Any, counted: Any, expected: str) -> None:
    result = {**counted, "measurements": [{"value": "1"}]}

    assert assessed({"name": "ok", **metric}, result)[0] == expected
