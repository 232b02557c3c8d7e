"""Tells others of deployments, as CDEvents: each sink gets every rollout that ended, in order, at least once.

A sink that is away is tried again with growing waits, and the others do not wait for it. After a restart the last
ten minutes are told once more; ids make that harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.refusals import ClusterError
from app.domain.rollout import RolloutKind
from app.store.db import Database
from app.store.ended import ended_since
from app.store.mapping import outcome_of

from .cdevents_made import Ended, deployed
from .outbound import Outbound

EVERY_SECONDS = 2.0
LOOK_BACK = timedelta(minutes=10)
"""Ends are written in the order they are seen, not in that of their times, so each round looks this far back. A sink
that is away for longer misses what ended before."""
MAX_WAIT = 300.0
log = structlog.get_logger("shipboard.events")


class Announcer:
    """Of one sink, `api`; `source` is the board's address."""

    def __init__(
        self,
        database: Database,
        api: Outbound,
        source: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self._api, self._source = database, api, source
        self._clock = clock
        self._told: dict[str, datetime] = {}

    async def run(self) -> None:
        """For ever. Raises StoreUnavailable."""
        wait = EVERY_SECONDS
        while True:
            try:
                await self.tell()
                wait = EVERY_SECONDS
            except ClusterError as error:
                wait = min(wait * 2, MAX_WAIT)
                log.warning("an event was not taken; it is sent again", reason=str(error), seconds=wait)
            await asyncio.sleep(wait)

    async def tell(self) -> int:
        """Send what ended since; how many. Raises ClusterError where the sink takes it not, StoreUnavailable."""
        told, since = 0, self._clock() - LOOK_BACK
        self._told = {key: at for key, at in self._told.items() if at >= since}
        for row, image in await ended_since(self._database, since):
            if row.id in self._told or row.nature == RolloutKind.RESTART:
                continue
            outcome = outcome_of(row)
            assert outcome is not None
            ended = Ended(
                row.id,
                row.service,
                row.environment,
                row.workload,
                outcome,
                row.ended_at,
                row.to_version,
                image,
                row.back,
                not row.from_revision,
                row.cause,
            )
            try:
                event = deployed(ended, self._source)
            except ValueError as error:  # no place, or no name: others can make nothing of it either
                log.warning("a deployment cannot be told as a CDEvent", rollout=row.id, why=str(error))
                event = None
            if event is not None:
                headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
                await self._api.ask("POST", self._api.base, headers, event)
                told += 1
            self._told[row.id] = row.ended_at
        return told
