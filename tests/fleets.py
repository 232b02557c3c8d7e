"""Fleets made by hand: a database's worth of rows without a database, for rules, templates and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from app.domain.delivery import Delivery
from app.domain.freshness import Freshness
from app.domain.names import Place, Topic, WorkloadRef
from app.domain.revisions import Revision, Weight
from app.domain.rollout import (
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
from app.read.builds import Builds
from app.read.fleet import Fleet
from app.read.marks import Marks
from app.read.origins import Origins
from app.read.past import Past, Told
from app.read.rows import RolloutRow, SourceRow, WorkloadRow

NOW = datetime(2026, 11, 23, 14, 32, 8, tzinfo=UTC)
KINDS = ("Deployment", "ReplicaSet", "Pod")


def before(**span: float) -> datetime:
    """An instant so long before NOW."""
    return NOW - timedelta(**span)


class StillFleet(Fleet):
    """A fleet that changes only by hand."""

    def __init__(
        self,
        workloads: Iterable[WorkloadRow] = (),
        sources: Iterable[SourceRow] = (),
        rollouts: Iterable[RolloutRow] = (),
    ) -> None:
        self.delivery, self.by_hand, self._exempt, self._gates = Delivery(), (), {}, {}
        self._workloads: dict[str, WorkloadRow] = {row.key: row for row in workloads}
        self._sources: dict[str, SourceRow] = {row.key: row for row in sources}
        self._rollouts: dict[str, RolloutRow] = {row.id: row for row in rollouts}
        self._by_service: dict[str, frozenset[str]] = {}
        self._put_workloads((), dict(self._workloads))
        self._pasts = WeakValueDictionary()
        self.builds, self.origins, self.marks = Builds(), Origins(), Marks()
        self._kept = WeakValueDictionary()
        self.held: list[Past] = []

    def put(self, row: WorkloadRow | SourceRow | RolloutRow) -> Topic:
        """Add or replace a row; the topic that tells of it."""
        if isinstance(row, WorkloadRow):
            self._put_workloads((row.key,), {row.key: row})
            return Topic("workload", row.key)
        if isinstance(row, SourceRow):
            self._sources[row.key] = row
            return Topic("source", row.key)
        self._rollouts[row.id] = row
        return Topic("rollout", row.id)

    def drop(self, key: str) -> Topic:
        """Take a workload out; the topic that tells of it."""
        self._put_workloads((key,), {})
        return Topic("workload", key)

    def remember(self, ref: WorkloadRef, told: Told) -> None:
        """Give the name `ref` a past."""
        past = self.past(ref) or Past(ref, told)
        past.told = told
        self._pasts[ref] = past
        self.held.append(past)


def source(
    cluster: str = "demo",
    kind: str = "Pod",
    namespace: str = "",
    freshness: Freshness = Freshness.LIVE,
    heard: float | None = 1,
    message: str = "",
) -> SourceRow:
    """A source, last heard so many seconds before NOW (None: never)."""
    return SourceRow(
        cluster,
        kind,
        namespace,
        freshness,
        None if heard is None else before(seconds=heard),
        NOW,
        message,
    )


def refused() -> SourceRow:
    """A source that was never heard: nobody answers."""
    row = source(freshness=Freshness.UNKNOWN, heard=None, message="Connection refused.")
    return replace(row, errors=3)


def live(*clusters: str) -> list[SourceRow]:
    """All sources of clusters, all LIVE."""
    return [source(c, kind) for c in clusters or ("demo",) for kind in (*KINDS, "Rollout")]


def state(
    version: str = "1.0.0",
    phase: Phase = Phase.IDLE,
    health: Health = Health.HEALTHY,
    *,
    pods: tuple[int, int, int, int] = (0, 0, 0, 3),
    stable: str = "",
    weight: int | None = None,
    **more: object,
) -> RolloutState:
    """A workload's state. `pods` counts new and ready, new and starting, failing, old ones."""
    ready, starting, failing, old = pods
    kinds = (
        [(True, PodCondition.READY)] * ready
        + [(True, PodCondition.STARTING)] * starting
        + [(True, PodCondition.FAILING)] * failing
        + [(False, PodCondition.READY)] * old
    )
    wanted = max(1, sum(pods) - failing - starting) if failing or starting else sum(pods)
    given: dict[str, object] = {
        "strategy": Strategy.ROLLING,
        "revision": Revision(f"r-{version}", version=version),
        "stable": Revision(f"r-{stable}", version=stable) if stable else None,
        "weight": None if weight is None else Weight(weight, weight),
        "counts": PodCounts(wanted, ready + starting + failing, ready + old, ready + old, sum(pods)),
        "pods": tuple(Pod(f"p{i}", "", new, how) for i, (new, how) in enumerate(kinds)),
    }
    return RolloutState(phase, health, **(given | more))  # type: ignore[arg-type]


def workload(
    service: str,
    environment: str = "production",
    what: RolloutState | None = None,
    *,
    since: datetime = NOW - timedelta(hours=5),
    landed: datetime | None = None,
    team: str = "",
    cluster: str = "demo",
    name: str = "",
    namespace: str = "",
    kind: str = "Deployment",
) -> WorkloadRow:
    """A workload's row; its key is made of cluster, environment and name."""
    what = what or state()
    name = name or service
    ref = WorkloadRef(cluster, namespace or f"{service}-{environment}"[:60], kind, name)
    return WorkloadRow(
        key=f"{cluster}:{environment}-{name}",
        ref=ref,
        place=Place(service, environment, team),
        engine="deployment",
        state=what,
        attention=attention(what),
        since=since,
        seen_at=NOW,
        landed_at=landed,
    )


def rollout(
    ident: str,
    service: str = "cart",
    environment: str = "production",
    ended: datetime | None = None,
    outcome: Outcome | None = Outcome.PROMOTED,
    started: datetime = NOW - timedelta(minutes=10),
    cluster: str = "demo",
) -> RolloutRow:
    """A rollout of the day; running when `ended` is None."""
    return RolloutRow(
        id=ident,
        workload=f"{cluster}:{environment}-{service}",
        place=Place(service, environment),
        strategy=Strategy.ROLLING,
        from_version="1.0.0",
        to_version="1.0.1",
        started_at=started,
        ended_at=ended,
        outcome=outcome if ended else None,
    )


def canary(now_at: int, *weights: int) -> tuple[Step, ...]:
    """Steps of a canary with a pause after each weight; `now_at` is the weight it stands at."""
    steps: list[Step] = []
    for w in weights:
        stands = StepState.DONE if w < now_at else StepState.NOW if w == now_at else StepState.NEXT
        steps += [
            Step("weight", f"{w} %", StepState.DONE if w <= now_at else StepState.NEXT, weight=w),
            Step("pause", "pause", stands),
        ]
    return tuple(steps)


WAITS = WaitsFor(WaitKind.PERSON, "Go on from 25 % to 50 %?", since=before(hours=1, minutes=42, seconds=7))
CRASH = Problem("crash", "CrashLoopBackOff", "Exits at start: PAYMENTS_HMAC_KEY is not set.", 2)


def good(
    service: str, *versions: str, team: str = "", environments: tuple[str, ...], hours: float
) -> list[WorkloadRow]:
    """A service at rest in several environments."""
    return [
        workload(service, e, state(v), since=before(hours=hours * (i + 1)), team=team)
        for i, (e, v) in enumerate(zip(environments, versions, strict=True))
    ]


def storefront(environments: tuple[str, ...] = ("test", "staging", "production")) -> list[WorkloadRow]:
    """Fourteen services, eight of them busy: the fleet of the mock-ups, over the last of `environments`."""
    calm, last = environments[:-1], environments[-1]
    busy: list[tuple[str, str, RolloutState, datetime]] = [
        (
            "payments-worker",
            "Payments",
            state(
                "2.31.0",
                Phase.FAILED,
                Health.DEGRADED,
                pods=(0, 0, 2, 6),
                stable="2.30.4",
                message="Exits at start: PAYMENTS_HMAC_KEY is not set.",
                problems=(CRASH,),
            ),
            before(minutes=11),
        ),
        (
            "checkout-api",
            "Checkout",
            state(
                "4.19.0",
                Phase.AWAITING_APPROVAL,
                Health.SUSPENDED,
                pods=(3, 0, 0, 9),
                weight=25,
                stable="4.18.2",
                strategy=Strategy.CANARY,
                steps=canary(25, 5, 25, 50),
                waits_for=WAITS,
                message="Go on from 25 % to 50 %?",
            ),
            before(hours=1, minutes=42, seconds=7),
        ),
        (
            "pricing",
            "Commerce",
            state(
                "2.8.0",
                Phase.PAUSED,
                Health.SUSPENDED,
                pods=(2, 0, 0, 4),
                stable="2.7.9",
                paused=True,
                message="Paused by hand with 2 of 6 pods new. It goes on when somebody resumes it.",
                waits_for=WaitsFor(WaitKind.PERSON, "Resume the rollout of 2.8.0?"),
            ),
            before(minutes=26, seconds=14),
        ),
        (
            "storefront-web",
            "Web",
            state(
                "31.6.0",
                Phase.AWAITING_APPROVAL,
                Health.SUSPENDED,
                pods=(4, 0, 0, 4),
                stable="31.5.2",
                strategy=Strategy.BLUE_GREEN,
                steps=(Step("preview", "preview", StepState.NOW), Step("switch", "switch", StepState.NEXT)),
                message="The preview is ready. Switch traffic to 31.6.0?",
                waits_for=WaitsFor(WaitKind.PERSON, "Switch traffic to 31.6.0?"),
            ),
            before(minutes=8, seconds=51),
        ),
        (
            "search-indexer",
            "Search",
            state(
                "1.12.0",
                Phase.PROGRESSING,
                Health.PROGRESSING,
                pods=(7, 2, 0, 3),
                progress=58,
                stable="1.11.3",
                message="7 of 12 pods are new.",
            ),
            before(minutes=4),
        ),
        (
            "recommendations",
            "Search",
            state(
                "0.93.1",
                Phase.VERIFYING,
                Health.PROGRESSING,
                pods=(1, 0, 0, 9),
                weight=5,
                stable="0.92.0",
                strategy=Strategy.CANARY,
                steps=canary(5, 5, 20, 60),
                message="Analysis runs.",
            ),
            before(minutes=6),
        ),
    ]
    rows: list[WorkloadRow] = []
    for service, team, what, since in busy:
        rows += [
            workload(
                service,
                e,
                state(what.revision.version if what.revision else ""),
                team=team,
                since=before(hours=2 + i),
            )
            for i, e in enumerate(calm)
        ]
        rows.append(workload(service, last, what, since=since, team=team))
    moving = state("7.0.2", Phase.PROGRESSING, Health.PROGRESSING, pods=(2, 1, 0, 1), progress=66)
    rows += good(
        "identity", *["7.0.2"] * len(calm), "7.0.1", team="Platform", environments=environments, hours=9
    )
    rows.append(workload("identity", calm[-1], moving, since=before(minutes=2), team="Platform"))
    rows += good(
        "fraud-scoring-feature-service",
        *["12.4.0-rc.2"] * len(calm),
        "12.3.8",
        team="Risk",
        environments=environments,
        hours=50,
    )
    rows += good("cart", *["3.11.4"] * len(environments), environments=environments, hours=1)
    rows.append(workload("cart", last, state("3.11.4"), since=before(minutes=12), landed=before(minutes=12)))
    for service, version, hours in (
        ("catalogue", "9.2.0", 3),
        ("invoicing", "1.44.2", 5),
        ("notifications", "6.0.3", 24),
        ("shipping-rates", "2.20.0", 4),
        ("warehouse-sync", "5.7.1", 100),
    ):
        rows += good(service, *[version] * len(environments), environments=environments, hours=hours)
    rows.append(workload("catalogue", last, state("9.1.7"), since=before(days=2)))
    return rows


def storefront_sources() -> list[SourceRow]:
    """Live but for one namespace, where pods may not be listed."""
    return [
        *live(),
        source(
            kind="Pod",
            namespace="fraud-scoring-feature-service-production",
            freshness=Freshness.UNKNOWN,
            heard=240,
            message="Not permitted to list pods in risk-prod. Bind the role shipboard-read there.",
        ),
    ]


def a_day(environments: tuple[str, ...] = ("test", "staging", "production")) -> list[RolloutRow]:
    """Sixty rollouts of the last 24 hours, two of them failed, one rolled back, two running."""
    rows = [
        rollout(f"r{i}", environment=environments[i % len(environments)], ended=before(minutes=m))
        for i, m in enumerate(i * 53 % 1439 for i in range(55))
        if not 400 < m < 940
    ]
    odd = ((Outcome.ROLLED_BACK, 1240), (Outcome.FAILED, 310), (Outcome.FAILED, 11))
    rows += [
        rollout(f"x{i}", environment=environments[-1 - i % 2], ended=before(minutes=m), outcome=o)
        for i, (o, m) in enumerate(odd)
    ]
    return [*rows, rollout("m1", environment=environments[-1]), rollout("m2", started=before(minutes=4))]
