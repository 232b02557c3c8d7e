"""Freezes by hand: made and lifted by an admin, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from secrets import token_hex

from app.domain import audit
from app.domain.freezes import Freeze
from app.domain.names import Topic, cut
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, permits
from app.live import Live
from app.store import freezes as frost
from app.store.audit import append
from app.store.db import Database

from .terms import MAX_REASON, Blocked, NotKnown


class Freezes:
    """Puts freezes down and lifts them."""

    def __init__(self, database: Database, live: Live, clock: Callable[[], datetime]) -> None:
        self.database, self.live, self.clock = database, live, clock

    async def freeze(self, made: Freeze, who: Principal) -> Freeze:
        """Freeze by hand. Raises Blocked, StoreUnavailable."""
        self._may_freeze(made.environment, made.reason, who)
        now = self.clock()
        made = replace(
            made, id=token_hex(6), since=made.since or now, by=who.name, reason=cut(made.reason, MAX_REASON)
        )
        said = audit.Entry.of(
            who,
            "frozen",
            now,
            object=made.where,
            environment=made.environment,
            verb="freeze",
            reason=made.reason,
        )
        async with self.database.writing() as session:
            await frost.freeze(session, made, who.identity)
            await append(session, said)
        self._refreeze(made.id)
        return made

    async def lift(self, ident: str, reason: str, who: Principal) -> None:
        """End a freeze by hand. Raises Blocked, NotKnown, StoreUnavailable."""
        now = self.clock()
        async with self.database.reading() as connection:
            known = {f.id: f for f in await frost.freezes(connection, now)}
        if ident not in known:
            raise NotKnown(
                "There is no such freeze.", "It may be lifted, or be one of the configuration.", ""
            )
        made = known[ident]
        self._may_freeze(made.environment, reason, who)
        said = audit.Entry.of(
            who, "lifted", now, object=made.where, environment=made.environment, verb="unfreeze",
            reason=cut(reason, MAX_REASON), before=made.reason,
        )  # fmt: skip
        async with self.database.writing() as session:
            if await frost.lift(session, ident, now):
                await append(session, said)
        self._refreeze(ident)

    def _may_freeze(self, environment: str, reason: str, who: Principal) -> None:
        where = "" if environment == "*" else environment
        blocked = list(permits(who, Permission.ADMIN, where).blocked_by)
        if not reason.strip():
            blocked.append(Blocker("reason", "A freeze takes a reason.", "Say why."))
        if blocked:
            raise Blocked(tuple(blocked))

    def _refreeze(self, ident: str) -> None:
        self.live.publish((Topic("freeze", ident),))
