"""Conditions in words: what a controller states of an object as type, status and reason, as a sentence. Pure.

Sources: the deployment controller's and Argo Rollouts' condition reasons, Flagger's `Promoted`. What is not
known here is said as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..domain.rollout import Condition


@dataclass(frozen=True, slots=True)
class ConditionLine:
    """A condition as stated, and what it means as a `sentence`. `of` is empty for the workload's own object, else
    "Kind/name"."""

    sentence: str
    type: str
    status: str
    reason: str
    message: str
    since: datetime | None
    of: str


def condition_lines(conditions: Iterable[Condition]) -> tuple[ConditionLine, ...]:
    """Each condition, in the order in which it is stated."""
    return tuple(
        ConditionLine(_sentence(c), c.type, c.status, c.reason, c.message, c.since, c.of) for c in conditions
    )


def _sentence(c: Condition) -> str:
    known = _BY_REASON.get((c.type, c.status, c.reason)) or _BY_STATUS.get((c.type, c.status))
    if known:
        return known
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", c.type).capitalize()
    return {"True": f"{words}: yes.", "False": f"{words}: no."}.get(c.status, f"{words}: not known.")


_BY_STATUS = {
    ("Available", "True"): "Enough pods are available.",
    ("Available", "False"): "Fewer pods are available than its strategy allows.",
    ("Progressing", "True"): "The controller makes progress.",
    ("Progressing", "False"): "The controller makes no progress.",
    ("Progressing", "Unknown"): "It is not judged whether there is progress.",
    ("ReplicaFailure", "True"): "Pods cannot be made or deleted.",
    ("ReplicaFailure", "False"): "Pods can be made and deleted.",
    ("Paused", "True"): "It is paused.",
    ("Paused", "False"): "It is not paused.",
    ("Completed", "True"): "All pods run the newest revision.",
    ("Completed", "False"): "Not all pods run the newest revision.",
    ("Healthy", "True"): "All that is asked for is there and available.",
    ("Healthy", "False"): "Not all that is asked for is there and available.",
    ("InvalidSpec", "True"): "Its spec is not valid, so nothing is done.",
    ("InvalidSpec", "False"): "Its spec is valid.",
    ("Promoted", "True"): "The newest version is promoted.",
    ("Promoted", "False"): "The newest version was not promoted.",
    ("Promoted", "Unknown"): "The newest version is not promoted yet.",
}
_BY_REASON = {
    ("Progressing", "True", "NewReplicaSetCreated"): "A ReplicaSet was made for the newest revision.",
    ("Progressing", "True", "FoundNewReplicaSet"): "The newest revision has a ReplicaSet already.",
    ("Progressing", "True", "ReplicaSetUpdated"): "Pods of the newest revision are coming up.",
    ("Progressing", "True", "NewReplicaSetAvailable"): "The newest revision was rolled out whole.",
    ("Progressing", "False", "ProgressDeadlineExceeded"): "There was no progress within its deadline.",
    ("Progressing", "False", "RolloutAborted"): "It was aborted.",
    ("Progressing", "Unknown", "DeploymentPaused"): "It is paused, so its deadline does not run.",
    ("Progressing", "Unknown", "DeploymentResumed"): "It was resumed; its deadline runs again.",
    ("Progressing", "Unknown", "RolloutPaused"): "It is paused, so its deadline does not run.",
    ("Progressing", "Unknown", "RolloutResumed"): "It was resumed; its deadline runs again.",
    ("Progressing", "True", "RolloutRetried"): "It was aborted and is tried again.",
    ("ReplicaFailure", "True", "FailedCreate"): "Pods cannot be made.",
    ("ReplicaFailure", "True", "FailedDelete"): "Pods cannot be deleted.",
    ("Promoted", "Unknown", "Waiting"): "Flagger waits for a person before the analysis.",
    ("Promoted", "Unknown", "WaitingPromotion"): "Flagger waits for a person before the promotion.",
    ("Promoted", "Unknown", "Progressing"): "Flagger analyses the newest version.",
    ("Promoted", "Unknown", "Promoting"): "Flagger copies the newest version to the primary.",
    ("Promoted", "Unknown", "Finalising"): "Flagger sends all traffic back to the primary.",
    ("Promoted", "False", "Failed"): "The analysis failed; the primary serves the version before.",
    ("Promoted", "True", "Initialized"): "Flagger has made the primary and waits for a change.",
    ("Promoted", "True", "Succeeded"): "The analysis passed and the newest version is promoted.",
}
