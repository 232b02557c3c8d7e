"""Whether a workload could go back now: what the last rehearsal said, how long the last one took, what is proven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollout import Outcome
from app.store.tables import READINESS, ROLLOUT

DECAYS = timedelta(days=30)
"""How long a drill proves anything."""
FRESH = timedelta(minutes=30)
"""How long a rehearsal is believed; they come every ten minutes."""


class Proof(StrEnum):
    """What a drill has shown."""

    NONE = "none"  # there was none
    GOOD = "good"
    DECAYED = "decayed"  # it is too long ago


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the dry run at `checked_at` said of a rollback to `version`: `accepted`, or the `rule` that blocks it and
    `said`, why. `took` is how many seconds the last real one needed, which ended at `took_at`; `drilled_at`, `drilled`
    (seconds) and `drill_version` are of the last drill."""

    accepted: bool
    rule: str
    said: str
    version: str
    checked_at: datetime
    took: int | None = None
    took_at: datetime | None = None
    drilled_at: datetime | None = None
    drilled: int | None = None
    drill_version: str = ""

    def proof(self, now: datetime) -> Proof:
        """What the last drill is worth."""
        if self.drilled_at is None:
            return Proof.NONE
        return Proof.GOOD if now - self.drilled_at <= DECAYS else Proof.DECAYED

    def fresh(self, now: datetime) -> bool:
        """Whether the rehearsal is young enough to be believed."""
        return now - self.checked_at <= FRESH


async def readiness(connection: AsyncConnection, keys: Iterable[str]) -> Readiness | None:
    """What is known of the workload that has one of `keys`, the newest; None before its first rehearsal."""
    mine = list(keys)
    newest = READINESS.c.checked_at.desc()
    query = select(READINESS).where(READINESS.c.workload.in_(mine)).order_by(newest).limit(1)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    back = (
        select(ROLLOUT.c.started_at, ROLLOUT.c.ended_at)
        .where(
            ROLLOUT.c.workload.in_(mine),
            ROLLOUT.c.back,
            ROLLOUT.c.outcome == Outcome.ROLLED_BACK.value,
            ROLLOUT.c.ended_at.is_not(None),
        )
        .order_by(ROLLOUT.c.ended_at.desc())
        .limit(1)
    )
    last = (await connection.execute(back)).first()
    took = round((last.ended_at - last.started_at).total_seconds()) if last else None
    return Readiness(
        row.accepted,
        row.rule,
        row.said,
        row.version,
        row.checked_at,
        took,
        last.ended_at if last else None,
        row.drilled_at,
        row.drill_seconds,
        row.drill_version,
    )
