"""Moves of commands, each with its audit entry in one unit of work, and whoever watches is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain import audit
from app.domain.commands import CommandPhase
from app.domain.names import Topic
from app.domain.policy import Blocker
from app.live import Live
from app.store import commands
from app.store.audit import append
from app.store.commands import Intended, Kept
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class End:
    """Where a command goes next, and in words why; `intended` is what was really sent, where that is known better."""

    phase: CommandPhase
    message: str
    blocked_by: Sequence[Blocker] = ()
    intended: Intended | None = None


class Book:
    """Writes the moves of commands that `owner`, a process, has."""

    def __init__(self, database: Database, live: Live, clock: Callable[[], datetime], owner: str) -> None:
        self.database, self.owner, self.clock = database, owner, clock
        self._live = live

    async def claim(self, kept: Kept) -> Kept | None:
        """Take a pending command; None when another was faster, or it is too late. Raises StoreUnavailable."""
        async with self.database.writing() as session:
            mine = await commands.claim(session, kept.command.id, self.owner, self.clock())
        if not mine:
            return None
        self._tell(kept)
        return replace(kept, phase=CommandPhase.RUNNING, owner=self.owner, tries=kept.tries + 1)

    async def adopt(self, kept: Kept) -> Kept | None:
        """Take over what a dead process had; None when another was faster. Raises StoreUnavailable."""
        async with self.database.writing() as session:
            mine = await commands.adopt(session, kept, self.owner)
        return replace(kept, owner=self.owner, tries=kept.tries + 1) if mine else None

    async def move(self, kept: Kept, end: End) -> Kept | None:
        """Bring a command to its next phase; None when this process no longer has it. Raises StoreUnavailable."""
        now = self.clock()
        async with self.database.writing() as session:
            held = await commands.move(
                session, kept, end.phase, kept.owner, now, end.message, end.blocked_by, end.intended
            )
            if held:
                await append(session, _entry(kept, end, now))
        self._tell(kept)
        if not held:
            return None
        sent = now if end.phase is CommandPhase.SENT else kept.sent_at
        return replace(
            kept, phase=end.phase, message=end.message, intended=end.intended or kept.intended, sent_at=sent
        )

    async def live(self) -> None:
        """Show that this process still has what it has. Raises StoreUnavailable."""
        async with self.database.writing() as session:
            await commands.live(session, self.owner)

    def _tell(self, kept: Kept) -> None:
        command = kept.command
        self._live.publish((Topic("command", command.id), Topic("workload", command.workload)))


def _entry(kept: Kept, end: End, now: datetime) -> audit.Entry:
    command = kept.command
    return audit.Entry.of(
        kept.principal,
        audit.Kind(end.phase.value),
        now,
        object=str(command.ref),
        environment=command.environment,
        verb=command.verb.value,
        reason=command.reason,
        blocked_by=" ".join(f"{b.rule}: {b.message}" for b in end.blocked_by),
        command=command.id,
        result=end.message,
    )
