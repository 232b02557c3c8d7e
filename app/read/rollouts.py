"""The history of rollouts, newest first, read from the database page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select

from app.domain.rollout import Outcome, Strategy
from app.store.db import Database
from app.store.tables import ROLLOUT

from .past import rollout_of
from .rows import RolloutRow

Position = tuple[datetime, str]
"""Where a rollout stands in the list: when it started, its id."""


@dataclass(frozen=True, slots=True)
class RolloutQuery:
    """Which rollouts: any of the values of each list, all if it is empty. `running`: only those that are
    (not) over."""

    service: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    strategy: tuple[Strategy, ...] = ()
    outcome: tuple[Outcome, ...] = ()
    running: bool | None = None

    def takes(self, row: RolloutRow) -> bool:
        """Whether `row` is asked for; the same rule as `conditions`."""
        place = row.place
        asked = (
            (self.service, place.service),
            (self.environment, place.environment),
            (self.team, place.team),
            (self.cluster, row.workload.partition(":")[0]),
            (self.strategy, row.strategy),
            (self.outcome, row.outcome),
        )
        if any(wanted and value not in wanted for wanted, value in asked):
            return False
        return self.running is None or self.running == (row.ended_at is None)

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same rule as `takes`, for the database."""
        lists = (
            (ROLLOUT.c.service, self.service),
            (ROLLOUT.c.environment, self.environment),
            (ROLLOUT.c.team, self.team),
            (ROLLOUT.c.strategy, self.strategy),
            (ROLLOUT.c.outcome, self.outcome),
        )
        found: list[ColumnElement[bool]] = [column.in_(wanted) for column, wanted in lists if wanted]
        if self.cluster:
            found.append(
                or_(*(ROLLOUT.c.workload.startswith(f"{c}:", autoescape=True) for c in self.cluster))
            )
        if self.running is not None:
            found.append(ROLLOUT.c.ended_at.is_(None) if self.running else ROLLOUT.c.ended_at.is_not(None))
        return found


async def page(
    database: Database, query: RolloutQuery, after: Position | None, limit: int
) -> tuple[tuple[RolloutRow, ...], Position | None]:
    """Up to `limit` rollouts that come after `after`, and the position to go on from (None: that was all)."""
    statement = select(ROLLOUT).where(*query.conditions())
    if after is not None:
        at, ident = after
        same = and_(ROLLOUT.c.started_at == at, ROLLOUT.c.id < ident)
        statement = statement.where(or_(ROLLOUT.c.started_at < at, same))
    statement = statement.order_by(ROLLOUT.c.started_at.desc(), ROLLOUT.c.id.desc()).limit(limit + 1)
    async with database.reading() as connection:
        rows = [rollout_of(row) for row in await connection.execute(statement)]
    position = (rows[limit - 1].started_at, rows[limit - 1].id) if len(rows) > limit else None
    return tuple(rows[:limit]), position
