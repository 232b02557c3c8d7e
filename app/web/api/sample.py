"""A small fleet for the examples of the documentation, so that they are made by the code they document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from app.domain.facts import SourceObserved
from app.domain.freshness import Freshness
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision, Weight
from app.domain.rollout import (
    Condition,
    Health,
    Outcome,
    Phase,
    Pod,
    PodCondition,
    PodCounts,
    Problem,
    RolloutState,
    Step,
    StepState,
    Strategy,
    WaitKind,
    WaitsFor,
    attention,
)
from app.domain.stages import Stage, Typical
from app.read.builds import Builds
from app.read.fleet import Fleet
from app.read.marks import Marks
from app.read.origins import Origins
from app.read.past import LogTail, Past, PastEvent, PastRollout, Told
from app.read.rows import RolloutRow, WorkloadRow

NOW = datetime(2026, 11, 23, 14, 32, 8, tzinfo=UTC)
_STARTED = NOW - timedelta(minutes=26)
_STABLE = Revision("6b8f", 41, ("registry.example/checkout:2.6.0",), "2.6.0", "", None, ("stable",), 4, 4, 4)
_CANARY = Revision(
    "7c9d", 42, ("registry.example/checkout:2.7.0",), "2.7.0", "", _STARTED, ("canary",), 1, 0, 0
)
_STATE = RolloutState(
    phase=Phase.AWAITING_APPROVAL,
    health=Health.SUSPENDED,
    message="Waits for a person at 25 %.",
    strategy=Strategy.CANARY,
    revision=_CANARY,
    stable=_STABLE,
    revisions=(_CANARY, _STABLE),
    steps=(
        Step("weight", "25 %", StepState.DONE, weight=25),
        Step("pause", "pause", StepState.NOW),
        Step("weight", "100 %", StepState.NEXT, weight=100),
    ),
    step_index=1,
    weight=Weight(25, 25),
    counts=PodCounts(4, 1, 4, 4, 5),
    waits_for=WaitsFor(WaitKind.PERSON, "somebody to promote or abort it", None, _STARTED),
    progress=33,
    pods=(
        Pod("checkout-7c9d-x2x7p", "7c9d", True, PodCondition.FAILING, "CrashLoopBackOff", "", 3, "node-2"),
    ),
    problems=(Problem("crash", "CrashLoopBackOff", "The container exits with code 1.", 1, _STARTED),),
    started_at=_STARTED,
    conditions=(Condition("Progressing", "Unknown", "RolloutPaused", "Rollout is paused", _STARTED),),
)
WORKLOAD = WorkloadRow(
    key="east:0d3f6e0a",
    ref=WorkloadRef("east", "shop", "Rollout", "checkout"),
    place=Place("checkout", "production", "payments"),
    engine="argo-rollouts",
    state=_STATE,
    attention=attention(_STATE),
    since=_STARTED,
    seen_at=NOW,
    rollout_started_at=_STARTED,
)
ROLLOUT = RolloutRow(
    id="01JD9Q",
    workload=WORKLOAD.key,
    place=WORKLOAD.place,
    strategy=Strategy.CANARY,
    from_version="2.5.1",
    to_version="2.6.0",
    started_at=NOW - timedelta(hours=5),
    ended_at=NOW - timedelta(hours=4),
    outcome=Outcome.PROMOTED,
)
_RUNNING = RolloutRow(
    id="01JD9R",
    workload=WORKLOAD.key,
    place=WORKLOAD.place,
    strategy=Strategy.CANARY,
    from_version="2.6.0",
    to_version="2.7.0",
    started_at=_STARTED,
    from_revision=_STABLE.key,
    to_revision=_CANARY.key,
)
PAST_ROLLOUT = PastRollout(ROLLOUT, (), 3600, 0)
PAST = Past(
    WORKLOAD.ref,
    Told(
        (
            PastRollout(_RUNNING, (Stage("25 %", Phase.AWAITING_APPROVAL, 1, _STARTED, None),), None, None),
            PAST_ROLLOUT,
        ),
        total=2,
        typical=Typical(3600, 1),
        known=True,
        events=(
            PastEvent(
                True,
                "Pod/checkout-7c9d-x2x7p",
                "BackOff",
                "Back-off restarting failed container",
                4,
                _STARTED,
                NOW,
            ),
        ),
        logs=(LogTail("checkout-7c9d-x2x7p", "app", "FATAL no database", NOW),),
    ),
)
SOURCES = {
    source.key: source
    for source in (
        SourceObserved("east", kind, "", Freshness.LIVE, NOW, NOW, objects=5, lists=1, watches=1)
        for kind in ("Rollout", "ReplicaSet", "Pod")
    )
}
FLEET = cast(
    "Fleet",
    SimpleNamespace(
        workloads={WORKLOAD.key: WORKLOAD},
        sources=SOURCES,
        rollouts={ROLLOUT.id: ROLLOUT},
        by_service={"checkout": frozenset({WORKLOAD.key})},
        gates={},
        freezes=(),
        at=lambda ref: WORKLOAD,
        past=lambda ref: PAST,
        builds=Builds(),
        origins=Origins(),
        marks=Marks(),
    ),
)
