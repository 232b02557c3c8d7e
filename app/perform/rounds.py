"""What the board does by itself, little by little: rollbacks are rehearsed, drills come back, holds end.

A rehearsal is a dry run and changes nothing. Drills and holds are commands like any other, asked in the name of who
began them or of the board, under keys that make a second try the same command; so a restart loses none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from app.domain.commands import Arguments, CommandPhase, Verb
from app.domain.errors import ShipboardError, StoreUnavailable
from app.domain.names import Topic, WorkloadRef
from app.domain.people import SYSTEM, Principal
from app.domain.refusals import ClusterError
from app.domain.rollout import SETTLED
from app.live import Live
from app.store import commands, readiness
from app.store.commands import Kept
from app.store.db import Database
from app.store.readiness import Checked

from .door import DRILL, Perform
from .terms import Ask, Blocked, Preview, Rules

EVERY = timedelta(minutes=10)
"""How often a rollback of each workload is rehearsed, at most."""
CHANGED = timedelta(seconds=20)
"""How soon again when another revision is asked for."""
PACE = 1.0
"""Seconds between two rehearsals, whatever is due."""
FOLLOW = timedelta(hours=1)
"""How long the second half of a drill is tried."""
PATIENCE = timedelta(minutes=10)
"""How long a drill waits for the older version to be ready before it goes forward without proof."""
HOLDS_EVERY, AGAIN = 10.0, 60.0
"""Seconds between two looks for holds that are over, and before what was refused is asked again."""

log = structlog.get_logger("shipboard.perform")


class Rounds:
    """Goes its rounds for ever."""

    def __init__(
        self, perform: Perform, database: Database, live: Live, rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        self._perform, self._database, self._live = perform, database, live
        self._rules, self._clock = rules, clock
        self._tried: dict[str, float] = {}
        self._looked = float("-inf")

    async def run(self) -> None:
        """For ever; what fails is tried again in time."""
        while True:
            try:
                await self.once()
            except StoreUnavailable as error:
                log.warning("rounds have to wait", reason=str(error))
            await asyncio.sleep(PACE)

    async def once(self) -> None:
        """One round: the drills and holds that are due, and one rehearsal. Raises StoreUnavailable."""
        await self._drills()
        if time.monotonic() - self._looked >= HOLDS_EVERY:
            await self._holds()
            self._looked = time.monotonic()
        now = self._clock()
        async with self._database.reading() as connection:
            due = await readiness.due(connection, now - EVERY, now - CHANGED, 1)
        for ref in due:
            await self._rehearse(ref)

    async def _rehearse(self, ref: WorkloadRef) -> None:
        known = await self._perform.known(ref)
        preview: Preview | None = None
        rule, said = "", ""
        try:
            preview = await self._perform.preview(Ask(Verb.ROLLBACK, ref), SYSTEM)
            stops = [b for b in preview.blocked_by if b.rule != "reason"]
            rules = [b.rule for b in stops]
            rule = readiness.OWNER if readiness.OWNER in rules else next(iter(rules), "")
            said = " ".join(b.message for b in stops)
        except StoreUnavailable:
            raise
        except (ShipboardError, ClusterError) as error:
            rule, said = "cluster", str(error)
        revision = known.state.revision.key if known.state.revision else ""
        to = preview.after if preview else None
        accepted = bool(preview and not rule and preview.dry_run == "accepted")
        if preview and not accepted and not said:
            rule, said = "nothing", preview.sentence or "There is nothing to go back to."
        checked = Checked(
            known.key,
            revision,
            accepted,
            rule,
            said,
            to.key if to else "",
            (to.version or to.key) if to else "",
            self._clock(),
        )
        async with self._database.writing() as session:
            await readiness.put(session, checked)
        self._live.publish((Topic("workload", known.key),))

    async def _holds(self) -> None:
        async with self._database.reading() as connection:
            held = await commands.held(connection)
        now = self._clock()
        for known in held:
            until = known.state.owner.held_until if known.state.owner else None
            if until is not None and until <= now:
                key = f"hold is over:{known.key}:{until.isoformat()}"
                ask = Ask(Verb.RELEASE, known.ref, reason="The time of the hold is over.", key=key)
                await self._ask(ask, SYSTEM)

    async def _drills(self) -> None:
        async with self._database.reading() as connection:
            begun = await commands.keyed(connection, DRILL, self._clock() - FOLLOW)
        forth = {(kept.command.principal, kept.command.key) for kept in begun}
        for kept in begun:
            command = kept.command
            key = command.key.removesuffix("back") + "forth"
            if not command.key.endswith(":back") or not kept.final or (command.principal, key) in forth:
                continue
            if command.environment in self._rules.production:
                continue
            if kept.phase in (CommandPhase.REFUSED, CommandPhase.SUPERSEDED):
                continue
            if await self._landed(kept) or self._clock() - command.asked_at > PATIENCE:
                target = Arguments(revision=command.expected.revision)
                said = f"Forward again after the drill: {command.reason}"
                await self._ask(Ask(Verb.ROLLBACK, command.ref, target, reason=said, key=key), kept.principal)

    async def _landed(self, kept: Kept) -> bool:
        """Whether the older version is ready; if so, that is proof, and kept."""
        command, now = kept.command, self._clock()
        state = (await self._perform.known(command.ref)).state
        there = state.revision is not None and state.revision.key == command.arguments.revision
        if kept.phase is not CommandPhase.DONE or not there or state.phase not in SETTLED:
            return False
        async with self._database.writing() as session:
            seconds = round((now - command.asked_at).total_seconds())
            version = state.revision.version if state.revision else ""
            await readiness.proven(session, command.workload, command.asked_at, now, seconds, version)
        self._live.publish((Topic("workload", command.workload),))
        return True

    async def _ask(self, ask: Ask, principal: Principal) -> None:
        """Ask, and when that is refused not again for a while."""
        if time.monotonic() - self._tried.get(ask.key, float("-inf")) < AGAIN:
            return
        self._tried = {k: at for k, at in self._tried.items() if time.monotonic() - at < AGAIN}
        self._tried[ask.key] = time.monotonic()
        try:
            await self._perform.ask(ask, principal)
        except StoreUnavailable:
            raise
        except (ShipboardError, ClusterError) as error:
            blocked = isinstance(error, Blocked)
            log.warning("refused to the board itself", verb=ask.verb.value, blocked=blocked, why=str(error))
