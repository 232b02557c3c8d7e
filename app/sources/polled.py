"""Asks the APIs of CI for what webhooks lost, round after round, and tells what it found that they had not.

One task a hook. It starts again where the newest known run began, so that what happened while Shipboard was
down is found too. How it fares is a source of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.ci import RunSeen
from app.domain.errors import StoreUnavailable
from app.domain.facts import POLLING, Door, SourceObserved
from app.domain.freshness import Freshness
from app.domain.refusals import ClusterError, Throttled
from app.domain.repositories import within
from app.store.ci import newer_runs
from app.store.db import Database
from app.store.inbox import Inbox

from .hooked import Hook, Hooked
from .outbound import Outbound
from .polls import POLLS
from .polls.port import Memory

EVERY_SECONDS = 60.0
REPORT_SECONDS = 10.0
LOOK_BACK = timedelta(hours=26)
"""How far back each round looks: runs last long, and their ends are news."""
GRACE = timedelta(seconds=90)
"""What is younger than this may still come by webhook."""
log = structlog.get_logger("shipboard.polling")


class Polled:
    """The rounds of one hook. Its repositories are those of the scope that are named without a glob."""

    def __init__(
        self,
        hook: Hook,
        api: Outbound,
        ingest: Door,
        database: Database,
        inbox: Inbox,
        hooked: Hooked,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hook, self._api, self._ingest, self._clock = hook, api, ingest, clock
        self._database, self._inbox, self._hooked = database, inbox, hooked
        self._memory = Memory()
        self._rounds = self._errors = self._redelivered = 0
        self._good_at: datetime | None = None
        self._trouble = ""

    async def run(self) -> None:
        """For ever, at a steady pace; longer where the API asks for it. Raises StoreUnavailable."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if loop.time() >= due:
                due = loop.time() + await self.round()
            await self._ingest([self._source()])
            await asyncio.sleep(min(REPORT_SECONDS, max(0.1, due - loop.time())))

    async def round(self) -> float:
        """Ask once about each repository; answers the seconds to wait. Raises StoreUnavailable."""
        self._rounds += 1
        wait, trouble = EVERY_SECONDS, ""
        self._memory.hook = await self._inbox.header(self._hook.id, "x-github-hook-id")
        for repo in self.repositories:
            try:
                await self._ask(repo)
            except StoreUnavailable:
                raise
            except ClusterError as error:
                self._errors += 1
                trouble = str(error)
                if isinstance(error, Throttled):
                    wait = max(wait, error.retry_after)
                    break
            except Exception as error:
                self._errors += 1
                trouble = f"A round failed: {type(error).__name__}. The log has more."
                log.exception("a round of polling failed", hook=self._hook.id)
        self._trouble = trouble
        if not trouble:
            self._good_at = self._clock()
        return wait

    @property
    def repositories(self) -> list[str]:
        """Those that are asked about."""
        return [glob.lower() for glob in self._hook.scope if not set(glob) & set("*?[")]

    async def _ask(self, repo: str) -> None:
        now = self._clock()
        found = await POLLS[self._hook.provider](self._api, self._memory, repo, now - LOOK_BACK, now)
        self._redelivered += found.redelivered
        facts = [fact for fact in found.facts if within(fact.repo or "", self._hook.scope)]
        old = (now - GRACE).timestamp() * 1_000_000
        newest: dict[str, RunSeen] = {}
        for fact in facts:
            if isinstance(fact, RunSeen) and (fact.key not in newest or newest[fact.key].mark < fact.mark):
                newest[fact.key] = fact
        runs = [look for look in newest.values() if 0 < look.mark.at < old]
        if lost := await newer_runs(self._database, runs):
            self._hooked.note_missed(self._hook.id, lost, now)
        if facts:
            await self._ingest(facts)

    def _source(self) -> SourceObserved:
        now = self._clock()
        fresh = Freshness.LIVE if self._good_at and not self._trouble else Freshness.STALE
        message = self._trouble
        if not self.repositories:
            fresh, message = (
                Freshness.UNKNOWN,
                "Its scope names no repository without a glob, so none is asked about.",
            )
        return SourceObserved(
            cluster=f"{self._hook.provider}/{self._hook.id}",
            kind=POLLING,
            namespace="",
            freshness=fresh,
            contact_at=self._good_at,
            seen_at=now,
            message=message,
            objects=len(self.repositories),
            lists=self._rounds,
            events=self._redelivered,
            errors=self._errors,
        )
