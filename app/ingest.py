"""The only door in: facts are recorded in one unit of work, and then whoever watches is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.domain.facts import Fact
from app.domain.names import Topic
from app.domain.reports import Reported
from app.live import Live
from app.store.ci import NO_RULES, CiRules
from app.store.db import Database
from app.store.ledger import Ledger


class Ingest:
    """Takes facts in. One an application: it remembers what it wrote."""

    def __init__(self, database: Database, live: Live, rules: CiRules = NO_RULES) -> None:
        self._database, self._live = database, live
        remember = database.dialect == "sqlite"  # a file has one process; a server may have more
        self._ledger = Ledger(remember=remember, rules=rules)
        self._turn = asyncio.Lock()
        self._owed: set[Topic] = set()

    async def __call__(self, facts: Sequence[Fact]) -> None:
        """Record `facts`, then publish what they changed.

        Raises StoreUnavailable; as facts are states, the caller tries again with the newest. Should a failed
        unit of work have been committed after all, its topics are published with the next one. A report is on
        disk when this returns, since its sender is told so.
        """
        async with self._turn:
            try:
                durable = any(isinstance(fact, Reported) for fact in facts)
                async with self._database.writing(durable=durable) as session:
                    self._owed |= await self._ledger.record(session, facts)
            except BaseException:
                self._ledger.forget()
                raise
            topics, self._owed = self._owed, set()
            self._live.publish(topics)
