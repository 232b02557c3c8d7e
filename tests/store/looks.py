"""Looks at workloads, for tests of the store and of what reads it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from app.domain.facts import EventObserved, LogRead, WorkloadObserved
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, Pod, PodCondition, PodCounts, RolloutState, Strategy
from app.store.db import Database

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def revision(key: str, age: float = 3600) -> Revision:
    """A revision made `age` seconds before NOW; its version is "v" and its key."""
    made = NOW - timedelta(seconds=age)
    return Revision(key, 1, (f"registry.example/app:{key}",), f"v{key}", created_at=made, wanted=3, ready=3)


def state(
    phase: Phase = Phase.IDLE, key: str = "1", *, stable: Revision | None = None, **more
) -> RolloutState:
    """A state of the given phase that asks for revision `key`."""
    health = Health.HEALTHY if phase is Phase.IDLE else Health.PROGRESSING
    wanted = more.pop("revision", None) or revision(key)
    return RolloutState(phase, health, strategy=Strategy.ROLLING, revision=wanted, stable=stable, **more)


def pod(number: int) -> Pod:
    """A ready pod."""
    return Pod(
        f"payments-7d9c5b8f6d-{number:05}", "7d9c5b8f6d", True, PodCondition.READY, node="node-7", since=NOW
    )


def workload(
    number: int, seen: RolloutState | None = None, *, pods: int = 0, at: datetime = NOW
) -> WorkloadObserved:
    """A look at the workload number `number`, whose uid is "u" and the number; three are one service."""
    kept = seen or state(
        revisions=tuple(revision(str(n)) for n in range(3)),
        counts=PodCounts(pods, pods, pods, pods, pods),
        pods=tuple(pod(n) for n in range(pods)),
    )
    ref = WorkloadRef("east", f"team-{number % 7}", "Deployment", f"service-{number}")
    return WorkloadObserved(
        ref, f"u{number}", Place(f"service-{number // 3}", "production"), "deployment", kept, at
    )


def warning(number: int, event: str = "e1", *, times: int = 1, at: datetime = NOW) -> EventObserved:
    """A warning about a pod of the workload number `number`, seen last at `at`."""
    words = f"Back-off, {event}"
    return EventObserved("east", event, f"u{number}", True, "Pod/web-1", "BackOff", words, times, NOW, at, at)


def log(number: int, words: str = "FATAL", *, container: str = "web", at: datetime = NOW) -> LogRead:
    """The log of a container of the workload number `number`, read at `at`."""
    return LogRead("east", f"u{number}", "web-1", container, words, at)


@asynccontextmanager
async def opened(url: str, *, new: bool = False) -> AsyncIterator[Database]:
    """The database at `url`, closed at the end."""
    database = await Database.open(url, new=new)
    try:
        yield database
    finally:
        await database.close()
