"""What changed since an instant, for whoever looks again: what landed, failed or went back, and what fails now. Pure
but for `ended_since`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.instants import minute_from
from app.domain.names import WorkloadRef
from app.domain.rollout import Attention
from app.store import mapping
from app.store.tables import ROLLOUT, WORKLOAD

from .board import TickKind
from .day import KINDS
from .fleet import Fleet
from .past import rollout_of
from .query import BoardQuery, version_of
from .restless import as_of
from .rows import RolloutRow

MOST = 200
"""Most rollouts listed; `text` counts them all."""
_READ = 2_000
_WORDS = {TickKind.LANDED: "landed", TickKind.FAILED: "failed", TickKind.ROLLED_BACK: "rolled back"}
Ended = tuple[RolloutRow, WorkloadRef]
"""A rollout that ended, and whose it was."""


@dataclass(frozen=True, slots=True)
class Change:
    """A rollout that ended, and where it is shown as it was then."""

    at: datetime
    kind: TickKind
    service: str
    environment: str
    before: str
    version: str
    href: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A workload that began to fail, and does."""

    since: datetime
    service: str
    environment: str
    version: str
    message: str
    href: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Newest first. `text` is all of it in a line, empty when nothing changed; `more` of the ended are not listed."""

    since: datetime
    text: str
    ended: tuple[Change, ...]
    failing: tuple[Trouble, ...]
    more: int = 0


def changes(
    fleet: Fleet, query: BoardQuery, since: datetime, now: datetime, ended: Iterable[Ended]
) -> Changes:
    """What `query` takes of `ended` after `since`, and of what began to fail in `fleet`, which then is told once."""
    failing = sorted(_failing(fleet, query, since, now), key=lambda t: (t.since, t.href), reverse=True)
    told = {trouble.href for trouble in failing}
    found = [change for one in ended if (change := _change(*one, query, since))]
    found = [c for c in found if c.kind is not TickKind.FAILED or c.href.partition("?")[0] not in told]
    found.sort(key=lambda change: (change.at, change.href), reverse=True)
    return Changes(
        since, _text(found, failing), tuple(found[:MOST]), tuple(failing), max(0, len(found) - MOST)
    )


def remembered(fleet: Fleet) -> Iterable[Ended]:
    """What ended within the fleet's day, of workloads that are there."""
    known: Mapping[str, WorkloadRef] = {key: row.ref for key, row in fleet.workloads.items()}
    return [
        (row, known[row.workload])
        for row in fleet.rollouts.values()
        if row.ended_at and row.workload in known
    ]


async def ended_since(connection: AsyncConnection, since: datetime) -> list[Ended]:
    """What ended after `since`; the latest 2,000."""
    names = ("cluster", "namespace", "kind", "name")
    rows = await connection.execute(
        select(ROLLOUT, *(WORKLOAD.c[name].label(f"its_{name}") for name in names))
        .join(WORKLOAD, WORKLOAD.c.key == ROLLOUT.c.workload)
        .where(ROLLOUT.c.ended_at > since)
        .order_by(ROLLOUT.c.ended_at.desc(), ROLLOUT.c.id)
        .limit(_READ)
    )
    return [(rollout_of(row), _whose(row)) for row in rows]


def _whose(row: mapping.AnyRow) -> WorkloadRef:
    return WorkloadRef(row.its_cluster, row.its_namespace, row.its_kind, row.its_name)


def _change(rollout: RolloutRow, ref: WorkloadRef, query: BoardQuery, since: datetime) -> Change | None:
    at, place = rollout.ended_at, rollout.place
    if at is None or at <= since or rollout.outcome not in KINDS or not query.takes_rollout(rollout):
        return None
    return Change(
        at,
        KINDS[rollout.outcome],
        place.service,
        place.environment,
        rollout.from_version,
        rollout.to_version,
        f"/workloads/{quote(str(ref))}?at={minute_from(at):%Y-%m-%dT%H:%MZ}",
    )


def _failing(fleet: Fleet, query: BoardQuery, since: datetime, now: datetime) -> Iterable[Trouble]:
    for known in fleet.workloads.values():
        row = as_of(known, now)
        place = row.place
        if row.attention is not Attention.FAILED or row.since <= since:
            continue
        asked = not query.environment or place.environment in query.environment
        if asked and query.takes(row) and query.finds([row]):
            href = f"/workloads/{quote(str(row.ref))}"
            said = row.state.message
            yield Trouble(row.since, place.service, place.environment, version_of(row), said, href)


def _text(ended: list[Change], failing: list[Trouble]) -> str:
    """ "3 landed, 1 rolled back, 1 fails since 13:10"."""
    counts = Counter(change.kind for change in ended)
    said = [f"{counts[kind]:,} {word}" for kind, word in _WORDS.items() if counts[kind]]
    if failing:
        first = min(trouble.since for trouble in failing)
        said.append(f"{len(failing):,} {'fails' if len(failing) == 1 else 'fail'} since {first:%H:%M}")
    return ", ".join(said)
