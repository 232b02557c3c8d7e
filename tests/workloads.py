"""Workloads in every state one may be found in, with a past, for pictures and tests of their page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.course import Sample
from app.domain.freshness import Freshness
from app.domain.names import WorkloadRef
from app.domain.revisions import Revision, Weight
from app.domain.rollout import (
    Attention,
    Caution,
    CautionKind,
    Check,
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
)
from app.domain.stages import Stage, Typical
from app.read.past import PastRollout, Told
from app.read.rows import WorkloadRow
from app.read.workload_projection import WorkloadProjection
from tests.fleets import KINDS, NOW, StillFleet, before, live, rollout, source, workload

R, F, S, E = PodCondition.READY, PodCondition.FAILING, PodCondition.STARTING, PodCondition.ENDING
DIGEST = "@sha256:e1b7724c9f0a4c6d8b21e5f7a9c3d1b0e4f6a8c2d5b7e9f1a3c5d7e9f1b303fa"


def revision(
    app: str, version: str, number: int, pods: tuple[int, int], made: datetime, *roles: str, cause: str = ""
) -> Revision:
    """A revision with so many pods wanted and ready."""
    wanted, ready = pods
    image = f"registry.example/shop/{app}:{version}{DIGEST if number % 2 else ''}"
    return Revision(f"r{number}", number, (image,), version, cause, made, roles, wanted, ready, ready)


def pods(
    app: str, key: str, new: bool, *conditions: PodCondition, reason: str = "", message: str = ""
) -> tuple[Pod, ...]:
    """Pods of one revision; `reason` and `message` are those of pods that are not ready."""
    return tuple(
        Pod(
            f"{app}-{key}x7d9c5b-{i:05x}",
            key,
            new,
            how,
            "" if how is R else reason,
            "" if how is R else message,
            7 if how is F else 0,
            f"node-{i % 5}",
            before(minutes=12 + i),
        )
        for i, how in enumerate(conditions)
    )


def past(row: WorkloadRow, *lines: tuple[str, str, Outcome | None, float, float, str]) -> Told:
    """A past of (from, to, outcome, hours ago, minutes it took, cause), newest first."""
    found = []
    for i, (old, new, outcome, hours, minutes, cause) in enumerate(lines):
        started = before(hours=hours)
        ended = started + timedelta(minutes=minutes) if outcome else None
        made = replace(
            rollout(f"h{i}", row.place.service, ended=ended, started=started),
            workload=row.key,
            outcome=outcome,
            from_version=old,
            to_version=new,
            cause=cause,
            strategy=row.state.strategy,
        )
        found.append(PastRollout(made, (), round(minutes * 60) if outcome else None, 0 if outcome else None))
    took = sorted(p.seconds for p in found if p.seconds and p.rollout.outcome is Outcome.PROMOTED)
    usual = Typical(took[len(took) // 2], len(took)) if took else None
    return Told(tuple(found), 212, usual, known=True)


def fleet(row: WorkloadRow, told: Told = Told(), *others: WorkloadRow, stale: bool = False) -> StillFleet:  # noqa: B008
    """A fleet of one workload that has a past, and others beside it."""
    heard = [
        source(kind=k, freshness=Freshness.STALE, heard=268, message="No answer since 14:27:40.")
        for k in (*KINDS, "Rollout")
    ]
    made = StillFleet([row, *others], heard if stale else live())
    made.remember(row.ref, told)
    return made


def beside(row: WorkloadRow, version: str) -> tuple[WorkloadRow, ...]:
    """The same service in two other environments."""
    new, *_ = row.state.revisions
    done = replace(
        calm_state(new), revisions=(replace(new, version=version),), revision=replace(new, version=version)
    )
    return tuple(
        workload(row.place.service, e, done, kind=row.ref.kind, since=before(hours=h))
        for e, h in (("staging", 6), ("test", 7))
    )


def calm_state(new: Revision, *older: Revision) -> RolloutState:
    """At rest on `new`."""
    app = "app"
    wanted = new.wanted or 3
    rest = replace(new, wanted=wanted, ready=wanted, available=wanted)
    return RolloutState(
        Phase.IDLE,
        Health.HEALTHY,
        strategy=Strategy.ROLLING,
        revision=rest,
        revisions=(rest, *older),
        counts=PodCounts(wanted, wanted, wanted, wanted, wanted),
        pods=pods(app, new.key, True, *[R] * wanted),
        progress=100,
    )


STEPS = (
    Step("weight", "5 %", StepState.DONE, weight=5),
    Step("pause", "pause 10 min", StepState.DONE, seconds=600),
    Step("analysis", "analysis", StepState.DONE),
    Step("weight", "25 %", StepState.DONE, weight=25),
    Step("pause", "pause", StepState.NOW),
    Step("weight", "50 %", StepState.NEXT, weight=50),
    Step("pause", "pause 10 min", StepState.NEXT, seconds=600),
    Step("analysis", "analysis", StepState.NEXT),
)


def canary() -> StillFleet:
    """A canary that waits for a person at 25 %."""
    old = revision("checkout-api", "4.18.2", 40, (9, 9), before(days=3), "stable")
    new = revision(
        "checkout-api", "4.19.0", 41, (3, 3), before(hours=2), "canary", cause="Retry address lookup once"
    )
    state = RolloutState(
        Phase.AWAITING_APPROVAL,
        Health.SUSPENDED,
        "Waits at 25 % for a person; next is 50 %",
        Strategy.CANARY,
        new,
        old,
        (
            new,
            old,
            revision("checkout-api", "4.18.1", 39, (0, 0), before(days=3, hours=2)),
            revision("checkout-api", "4.18.0", 38, (0, 0), before(days=5)),
        ),
        STEPS,
        4,
        Weight(25, 24),
        PodCounts(12, 3, 12, 12, 12),
        WaitsFor(WaitKind.PERSON, "Promote to go on to 50 %", since=before(hours=1, minutes=42, seconds=7)),
        45,
        pods=(*pods("checkout-api", "r41", True, R, R, R), *pods("checkout-api", "r40", False, *[R] * 9)),
        started_at=before(hours=2, minutes=1),
        checks=(
            Check("error rate", "successful", "0.36 %", "result < 1.0 %", 0, 1),
            Check("95th percentile", "successful", "205 ms", "result < 400 ms", 0, 1),
        ),
    )
    row = workload(
        "checkout-api",
        "production",
        state,
        kind="Rollout",
        team="Checkout",
        since=before(hours=1, minutes=42),
    )
    row = replace(row, rollout_started_at=state.started_at)
    told = past(
        row,
        ("4.18.2", "4.19.0", None, 2 + 1 / 60, 0, "Retry address lookup once"),
        ("4.18.1", "4.18.2", Outcome.PROMOTED, 71, 22, ""),
        ("4.18.1", "4.18.0", Outcome.ROLLED_BACK, 73, 6, ""),
        ("4.18.0", "4.18.1", Outcome.ABORTED, 74, 31, "Bump the HTTP client"),
        ("4.17.9", "4.18.0", Outcome.PROMOTED, 124, 24, ""),
        ("4.17.8", "4.17.9", Outcome.PROMOTED, 142, 23, ""),
        ("4.17.7", "4.17.8", Outcome.SUPERSEDED, 222, 41, ""),
    )
    began = before(hours=2, minutes=1)

    def at(minutes: float) -> datetime:
        return began + timedelta(minutes=minutes)

    seen = (
        Stage("5 %", Phase.PROGRESSING, 0, began, at(2)),
        Stage("5 %", Phase.PAUSED, 1, at(2), at(12)),
        Stage("analysis", Phase.VERIFYING, 2, at(12), at(17)),
        Stage("25 %", Phase.PROGRESSING, 3, at(17), at(19)),
        Stage("25 %", Phase.AWAITING_APPROVAL, 4, at(19), None),
    )
    running, *rest = told.rollouts
    went = ((0, 0, 12, 0, 0), (1, 1, 12, 5, 0), (2, 1, 11, 5, 5), (17, 1, 11, 25, 5), (18, 2, 10, 25, 17))
    course = [Sample(at(m), new, old, 12, 0, 0, 1, asked, got) for m, new, old, asked, got in went]
    course.append(Sample(at(19), 3, 9, 12, 0, 0, 1, 25, 24))
    told = replace(told, rollouts=(replace(running, stages=seen), *rest), course=tuple(course))
    return fleet(row, told, *beside(row, "4.19.0"))


def stuck() -> StillFleet:
    """A Deployment whose new pods exit at start, past its deadline."""
    old = revision("payments-worker", "2.30.4", 17, (6, 6), before(days=2), "old")
    new = revision(
        "payments-worker", "2.31.0", 18, (2, 0), before(minutes=14), "new", cause="Sign outgoing webhooks"
    )
    text = "Container worker exits at start with code 1, restarted 7 times"
    state = RolloutState(
        Phase.FAILED,
        Health.DEGRADED,
        f"{text}. No progress within its deadline of 3 min",
        Strategy.ROLLING,
        new,
        old,
        (new, old, revision("payments-worker", "2.30.3", 16, (0, 0), before(days=4))),
        counts=PodCounts(6, 2, 6, 6, 8),
        waits_for=WaitsFor(WaitKind.PERSON, "Fix forward or roll back"),
        progress=11,
        pods=(
            *pods("payments-worker", "r18", True, F, F, reason="CrashLoopBackOff", message=text),
            *pods("payments-worker", "r17", False, *[R] * 6),
        ),
        problems=(
            Problem("crash", "CrashLoopBackOff", text, 2, before(minutes=13),
                    "KeyError: 'PAYMENTS_HMAC_KEY' (settings.py, line 41)"),
            Problem("deadline", "ProgressDeadlineExceeded", "No progress within its deadline of 3 min", 0,
                    before(minutes=11, seconds=4)),
        ),
        started_at=before(minutes=14),
        cautions=(Caution(CautionKind.NO_PROBE, "It has no readiness probe: ready means only that it runs"),),
    )  # fmt: skip
    row = workload(
        "payments-worker", "production", state, team="Payments", since=before(minutes=11, seconds=4)
    )
    told = past(
        row,
        ("2.30.4", "2.31.0", Outcome.FAILED, 14 / 60, 3, "Sign outgoing webhooks"),
        ("2.30.3", "2.30.4", Outcome.PROMOTED, 50, 2, ""),
        ("2.30.2", "2.30.3", Outcome.PROMOTED, 100, 2, ""),
        ("2.30.1", "2.30.2", Outcome.PROMOTED, 150, 3, ""),
    )
    return fleet(row, told, *beside(row, "2.31.0"))


def rolling() -> StillFleet:
    """A Deployment half way."""
    old = revision("search-indexer", "1.11.3", 8, (4, 4), before(days=1), "old")
    new = revision("search-indexer", "1.12.0", 9, (9, 7), before(minutes=5), "new")
    state = RolloutState(
        Phase.PROGRESSING,
        Health.PROGRESSING,
        "7 of 12 new pods are ready",
        Strategy.ROLLING,
        new,
        old,
        (new, old),
        counts=PodCounts(12, 9, 11, 11, 13),
        waits_for=WaitsFor(WaitKind.CONTROLLER, "the cluster to replace pods"),
        progress=58,
        pods=(
            *pods("search-indexer", "r9", True, *[R] * 7, S, S, reason="ContainerCreating"),
            *pods("search-indexer", "r8", False, *[R] * 4, E),
        ),
        started_at=before(minutes=5, seconds=12),
        deadline_at=NOW + timedelta(minutes=9),
    )
    row = replace(
        workload("search-indexer", "production", state, team="Search", since=before(minutes=5, seconds=12)),
        rollout_started_at=before(minutes=5, seconds=12),
    )
    told = past(
        row,
        ("1.11.3", "1.12.0", None, 5.2 / 60, 0, ""),
        ("1.11.2", "1.11.3", Outcome.PROMOTED, 26, 3.2, ""),
        ("1.11.1", "1.11.2", Outcome.PROMOTED, 60, 2.9, ""),
    )
    return fleet(row, replace(told, total=3), *beside(row, "1.12.0"))


def blue_green() -> StillFleet:
    """A preview that waits to be switched to."""
    old = revision("storefront-web", "31.5.2", 90, (4, 4), before(days=6), "stable", "active")
    new = revision("storefront-web", "31.6.0", 91, (4, 4), before(minutes=10), "preview")
    state = RolloutState(
        Phase.AWAITING_APPROVAL,
        Health.SUSPENDED,
        "Preview is ready; waits for a person before the switch",
        Strategy.BLUE_GREEN,
        new,
        old,
        (new, old),
        (
            Step("preview", "preview", StepState.DONE),
            Step("switch", "switch", StepState.NOW),
            Step("analysis", "analysis", StepState.NEXT),
        ),
        1,
        counts=PodCounts(4, 4, 8, 8, 8),
        waits_for=WaitsFor(WaitKind.PERSON, "Promote to switch", since=before(minutes=8, seconds=51)),
        progress=50,
        pods=(
            *pods("storefront-web", "r91", True, *[R] * 4),
            *pods("storefront-web", "r90", False, *[R] * 4),
        ),
        started_at=before(minutes=10),
    )
    row = workload(
        "storefront-web", "production", state, kind="Rollout", team="Web", since=before(minutes=8, seconds=51)
    )
    return fleet(row, past(row, ("31.5.2", "31.6.0", None, 1 / 6, 0, "")), *beside(row, "31.6.0"))


def calm() -> StillFleet:
    """At rest, with what came before."""
    new = revision("catalogue", "9.2.0", 22, (3, 3), before(hours=3), "new", cause="Facets by brand")
    old = revision("catalogue", "9.1.7", 21, (0, 0), before(days=2), "old")
    row = workload(
        "catalogue",
        "production",
        calm_state(new, old),
        since=before(hours=3),
        landed=before(hours=3),
        team="Shop",
    )
    told = past(
        row,
        ("9.1.7", "9.2.0", Outcome.PROMOTED, 3.05, 2.6, "Facets by brand"),
        ("9.1.6", "9.1.7", Outcome.PROMOTED, 50, 2.2, ""),
    )
    return fleet(row, replace(told, total=2), *beside(row, "9.2.0"))


def anew() -> StillFleet:
    """Deleted and created anew under the same name, an hour ago."""
    made = calm()
    (row,) = [r for r in made.workloads.values() if r.place.environment == "production"]
    told = past(
        row,
        ("9.1.7", "9.2.0", Outcome.PROMOTED, 0.5, 2.6, ""),
        ("9.1.6", "9.1.7", Outcome.PROMOTED, 50, 2.2, ""),
    )
    first, second = told.rollouts
    again = replace(first, recreated=True, deleted_at=before(hours=1))
    row = replace(row, landed_at=before(minutes=28), since=before(minutes=28))
    return fleet(row, replace(told, total=2, rollouts=(again, second)))


def many() -> StillFleet:
    """Five hundred pods, some of which do not come up."""
    old = revision("edge-cache", "7.4.0", 50, (210, 210), before(days=9), "old")
    new = revision("edge-cache", "7.5.0", 51, (340, 290), before(minutes=22), "new")
    state = RolloutState(
        Phase.PROGRESSING,
        Health.DEGRADED,
        "Image registry.example/shop/edge-cache:7.5.0 cannot be pulled on 6 pods: the registry limits the rate",
        Strategy.ROLLING,
        new,
        old,
        (new, old),
        counts=PodCounts(500, 340, 500, 500, 550),
        waits_for=WaitsFor(WaitKind.CONTROLLER, "the cluster to replace pods"),
        progress=61,
        pods=(
            *pods("edge-cache", "r51", True, *[R] * 290, *[S] * 44, *[F] * 6, reason="ImagePullBackOff",
                  message="toomanyrequests: too many requests"),
            *pods("edge-cache", "r50", False, *[R] * 210),
        ),
        problems=(
            Problem("image", "ImagePullBackOff", "The image cannot be pulled: the registry limits the rate", 6,
                    before(minutes=4), "toomanyrequests: too many requests"),
        ),
        started_at=before(minutes=22),
        deadline_at=NOW + timedelta(minutes=4),
    )  # fmt: skip
    row = workload("edge-cache", "production", state, team="Edge", since=before(minutes=22))
    row = replace(row, rollout_started_at=state.started_at)
    return fleet(row, past(row, ("7.4.0", "7.5.0", None, 22 / 60, 0, "")))


def unseen() -> StillFleet:
    """A canary whose cluster does not answer."""
    made = canary()
    row = next(r for r in made.workloads.values() if r.attention is Attention.WAITING)
    past_ = made.past(row.ref)
    return fleet(row, past_.told if past_ else Told(), stale=True)


def page(made: StillFleet, environment: str = "production") -> WorkloadProjection:
    """The page of the fleet's workload."""
    return WorkloadProjection(made, ref(made, environment), NOW)


def ref(made: StillFleet, environment: str = "production") -> WorkloadRef:
    """Where the fleet's workload is."""
    return next(r.ref for r in made.workloads.values() if r.place.environment == environment)
