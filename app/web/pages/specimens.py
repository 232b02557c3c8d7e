"""A fleet that does not exist, with a workload in every state: what the pattern book is drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

from app.domain.course import Sample
from app.domain.facts import SourceObserved
from app.domain.freshness import Freshness
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision, Weight
from app.domain.rollout import (
    Caution,
    CautionKind,
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
from app.domain.stages import Stage
from app.read.builds import Builds
from app.read.fleet import Fleet
from app.read.marks import Marks
from app.read.origins import Origins
from app.read.past import Past, PastRollout, Told
from app.read.rows import RolloutRow, WorkloadRow

ENVIRONMENTS = ("staging", "production")
_KINDS = ("Deployment", "ReplicaSet", "Pod", "Rollout")


def fleet(now: datetime) -> Fleet:
    """The fleet, as if all of it had happened lately."""
    rows = {row.key: row for row in _workloads(now)}
    ended = (Outcome.PROMOTED, Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.PROMOTED)
    rollouts = {
        str(i): RolloutRow(
            str(i),
            "east:good-production",
            Place("good", ENVIRONMENTS[i % 2]),
            Strategy.ROLLING,
            "1.3.9",
            "1.4.0",
            now - timedelta(hours=i * 3 + 1, minutes=12),
            now - timedelta(hours=i * 3 + 1),
            outcome,
        )
        for i, outcome in enumerate(ended * 2)
    }
    services: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows.values():
        services[row.place.service].add(row.key)
    pasts = {name: _past(rows[f"east:{name}-production"], now) for name in ("waits", "moves")}
    never = Past(ref("good"), Told())
    return cast(
        "Fleet",
        SimpleNamespace(
            workloads=rows,
            sources={source.key: source for source in _sources(now)},
            rollouts=rollouts,
            gates={},
            freezes=(),
            by_service={name: frozenset(keys) for name, keys in services.items()},
            at=lambda at: next(row for row in rows.values() if row.ref == at),
            past=lambda at: pasts.get(at.name, never),
            builds=Builds(),
            origins=Origins(),
            marks=Marks(),
        ),
    )


_LOOKS = ((0, 0, 8, 0, 0), (2, 1, 7, 0, 5), (11, 1, 7, 1, 25), (13, 2, 6, 0, 25))
"""Of one whose traffic is split: after how many minutes, new ready, old ready, failing, asked for in percent."""
_STEPS = ((0, 2, ""), (2, 11, "5 %"), (11, 0, "25 %"))
"""From and to which minute (0: it lasts), and what it is called."""


def _past(row: WorkloadRow, now: datetime) -> Past:
    """What runs since half an hour: by steps where its traffic is split, else pod by pod."""
    began, split = now - timedelta(minutes=30), row.state.weight is not None

    def after(minutes: int) -> datetime:
        return began + timedelta(minutes=minutes)

    course = tuple(
        Sample(after(minute), new, old, new + old + failing, failing, minute // 10, 1, asked, measured)
        for minute, new, old, failing, asked, measured in (
            [(*look, max(0, look[4] - 20 * look[3])) for look in _LOOKS]
            if split
            else [(3 * i, i, 12 - i, int(i == 4), None, None) for i in range(8)]
        )
    )
    stages = tuple(
        Stage(label, Phase.PROGRESSING, i, after(since), after(until) if until else None)
        for i, (since, until, label) in enumerate(_STEPS)
        if split
    )
    running = RolloutRow(
        row.place.service, row.key, row.place, row.state.strategy, "1.3.9", "1.4.0", began, None, None
    )
    return Past(
        row.ref, Told((PastRollout(running, stages, None, None),), total=1, known=True, course=course)
    )


def _sources(now: datetime) -> Iterable[SourceObserved]:
    told = {
        "east": (Freshness.LIVE, 1, ""),
        "west": (Freshness.STALE, 260, "No answer: connection refused."),
        "north": (Freshness.DELAYED, 14, ""),
    }
    for cluster, (freshness, age, message) in told.items():
        for kind in _KINDS:
            heard = now - timedelta(seconds=age)
            yield SourceObserved(
                cluster, kind, "", freshness, heard, now, message, objects=1204, lists=3, watches=17
            )
    yield SourceObserved(
        "east", "Pod", "risk-prod", Freshness.UNKNOWN, None, now, "Not permitted to list pods in risk-prod."
    )


def _workloads(now: datetime) -> Iterable[WorkloadRow]:
    def ago(minutes: float) -> datetime:
        return now - timedelta(minutes=minutes)

    crash = Problem(
        "crash", "CrashLoopBackOff", "Exits at start: API_KEY is not set.", 2, ago(11), "no API_KEY"
    )
    steps = tuple(
        Step("weight", f"{weight} %", how, weight=weight)
        for weight, how in (
            (5, StepState.DONE),
            (25, StepState.NOW),
            (50, StepState.NEXT),
            (100, StepState.NEXT),
        )
    )
    states: dict[str, tuple[RolloutState, float]] = {
        "fails": (
            _state(
                "1.4.0",
                "1.3.9",
                (0, 1, 2, 3),
                Phase.FAILED,
                Health.DEGRADED,
                crash.message,
                problems=(crash,),
            ),
            11,
        ),
        "waits": (
            _state(
                "1.4.0",
                "1.3.9",
                (2, 0, 0, 6),
                Phase.AWAITING_APPROVAL,
                Health.SUSPENDED,
                "Waits for a person at 25 %.",
                strategy=Strategy.CANARY,
                steps=steps,
                step_index=1,
                weight=Weight(25, 24),
                waits_for=WaitsFor(WaitKind.PERSON, "Go on from 25 % to 50 %?", None, ago(102)),
            ),
            102,
        ),
        "moves": (
            _state(
                "1.4.0", "1.3.9", (7, 2, 0, 3), Phase.PROGRESSING, Health.PROGRESSING, "7 of 12.", progress=58
            ),
            4,
        ),
        "holds": (
            _state(
                "1.4.0",
                "1.3.9",
                (1, 0, 0, 9),
                Phase.PAUSED,
                Health.SUSPENDED,
                "",
                strategy=Strategy.CANARY,
                steps=steps,
                step_index=1,
                weight=Weight(25, 25),
                waits_for=WaitsFor(WaitKind.TIMER, "Pause of 10 min", now + timedelta(minutes=6)),
            ),
            4,
        ),
        "hollow": (
            _state("1.4.0", cautions=(Caution(CautionKind.NO_PROBE, "No readiness probe."),)),
            700,
        ),
        "good": (_state("1.4.0"), 3000),
        "landed": (_state("1.4.0"), 12),
        "off": (_state("1.4.0", pods=(0, 0, 0, 0)), 9000),
    }
    for name, (state, since) in states.items():
        yield _workload(name, "staging", _state("1.4.0"), ago(since + 300), now)
        row = _workload(name, "production", state, ago(since), now)
        yield replace(row, landed_at=ago(12)) if name == "landed" else row
    yield _workload("unseen", "production", _state("1.4.0"), ago(40), now, "west")
    yield _workload("mixed", "production", _state("1.4.0"), ago(40), now)
    yield _workload("mixed", "production", states["fails"][0], ago(9), now, "north")


def _state(
    version: str,
    stable: str = "",
    pods: tuple[int, int, int, int] = (3, 0, 0, 0),
    phase: Phase = Phase.IDLE,
    health: Health = Health.HEALTHY,
    message: str = "",
    **more: object,
) -> RolloutState:
    """`pods` counts new and ready, new and starting, failing, old ones."""
    ready, starting, failing, old = pods
    kinds = (PodCondition.READY, PodCondition.STARTING, PodCondition.FAILING, PodCondition.READY)
    drawn = [(i < 3, kind) for i, (kind, n) in enumerate(zip(kinds, pods, strict=True)) for _ in range(n)]
    new = Revision(
        "b",
        42,
        (f"registry.example/shop:{version}",),
        version,
        wanted=ready + starting + failing,
        ready=ready,
    )
    before = Revision(
        "a", 41, (f"registry.example/shop:{stable}",), stable, wanted=old, ready=old, available=old
    )
    given: dict[str, object] = {
        "strategy": Strategy.ROLLING,
        "revision": new,
        "stable": before if stable else None,
        "revisions": (new, before) if stable else (new,),
        "counts": PodCounts(
            sum(pods) - starting - failing, ready + starting + failing, ready + old, ready + old, sum(pods)
        ),
        "pods": tuple(
            Pod(f"shop-{i}", "b" if fresh else "a", fresh, how, "", "", 0, "")
            for i, (fresh, how) in enumerate(drawn)
        ),
    }
    return RolloutState(phase, health, message, **(given | more))  # type: ignore[arg-type]


def ref(service: str, environment: str = "production", cluster: str = "east") -> WorkloadRef:
    """Where a workload of it is found."""
    return WorkloadRef(cluster, environment, "Deployment", service)


def _workload(
    service: str, environment: str, state: RolloutState, since: datetime, now: datetime, cluster: str = "east"
) -> WorkloadRow:
    return WorkloadRow(
        key=f"{cluster}:{service}-{environment}",
        ref=ref(service, environment, cluster),
        place=Place(service, environment, "Team"),
        engine="deployment",
        state=state,
        attention=attention(state),
        since=since,
        seen_at=now,
        rollout_started_at=since if state.stable else None,
    )
