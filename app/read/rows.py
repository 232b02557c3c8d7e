"""Rows of the database as the read side sees them: one frozen dataclass a table, with the domain's own types inside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..domain.facts import SourceObserved
from ..domain.names import Place, WorkloadRef
from ..domain.rollout import Attention, Outcome, RolloutKind, RolloutState, Strategy


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """A workload as last observed.

    `since` is when it entered its present phase and step, `landed_at` when its last successful rollout ended (None:
    not since Shipboard watches), `rollout_started_at` when the running one began (None: nothing moves).
    """

    key: str
    ref: WorkloadRef
    place: Place
    engine: str
    state: RolloutState
    attention: Attention
    since: datetime
    seen_at: datetime
    landed_at: datetime | None = None
    rollout_started_at: datetime | None = None


SourceRow = SourceObserved
"""A source as it last described itself: the fact is the row."""


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout, running (`ended_at` and `outcome` None) or over. Revisions are keys (uid or template hash);
    `back`: to something older; `cause` is what the new revision says of itself. Of the old pods, at least so many had
    to be `killed`, or `overran` the time they were given to stop."""

    id: str
    workload: str
    place: Place
    strategy: Strategy
    from_version: str
    to_version: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    from_revision: str = ""
    to_revision: str = ""
    back: bool = False
    cause: str = ""
    killed: int = 0
    overran: int = 0
    kind: RolloutKind = RolloutKind.DEPLOYMENT
