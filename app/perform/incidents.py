"""Incidents that people and programs tell of: judged, written down with an entry in the audit, taken back by the same.

Alerting tools that sign their webhooks come in by the inbox instead.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.domain.audit import Entry
from app.domain.dora import Incident, IncidentTold
from app.domain.names import cut
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, permits
from app.live import Live
from app.store.audit import append
from app.store.db import Database
from app.store.incidents import find_incident, record_incidents

from .terms import MAX_REASON, Blocked, NotKnown


class Incidents:
    """Marks and withdraws them."""

    def __init__(self, database: Database, live: Live, clock: Callable[[], datetime]) -> None:
        self.database, self.live, self.clock = database, live, clock

    async def mark(
        self, incident: Incident, who: Principal, *, source: str = "hand", url: str = ""
    ) -> Incident:
        """Tell of an incident, or tell more of it; answers it as kept. Raises Blocked, StoreUnavailable."""
        self._allow(incident.environment, who)
        now = self.clock()
        told = IncidentTold(incident, source, url, who.identity, now)
        async with self.database.writing() as session:
            connection = await session.connection()
            before = await find_incident(connection, incident.id)
            if before:  # one is not moved to where somebody has no rights, nor away from there
                self._allow(before.environment, who)
            topics = await record_incidents(connection, [told])
            kept = await find_incident(connection, incident.id)
            assert kept is not None
            said = Entry.of(
                who,
                "marked",
                now,
                object=f"incident {incident.id} of {incident.service}",
                environment=incident.environment,
                verb="mark-incident",
                reason=incident.title,
                before=_said(before),
                after=_said(kept),
                result=f"Told by {source}.",
            )
            await append(session, said)
        self.live.publish(topics)
        return kept

    async def withdraw(self, ident: str, reason: str, who: Principal) -> None:
        """Take one back: it was none. Raises Blocked, NotKnown, StoreUnavailable."""
        now = self.clock()
        async with self.database.writing() as session:
            connection = await session.connection()
            found = await find_incident(connection, ident)
            if found is None:
                raise NotKnown("There is no such incident.", "It may be withdrawn already.", "")
            self._allow(found.environment, who)
            if not reason.strip():
                raise Blocked((Blocker("reason", "To withdraw an incident takes a reason.", "Say why."),))
            told = IncidentTold(found, "hand", "", who.identity, now, withdrawn=True)
            topics = await record_incidents(connection, [told])
            said = Entry.of(
                who,
                "withdrawn",
                now,
                object=f"incident {ident} of {found.service}",
                environment=found.environment,
                verb="withdraw-incident",
                reason=cut(reason, MAX_REASON),
                before=_said(found),
            )
            await append(session, said)
        self.live.publish(topics)

    def _allow(self, environment: str, who: Principal) -> None:
        verdict = permits(who, Permission.REPORT, environment)
        if not verdict.allowed:
            raise Blocked(verdict.blocked_by)


def _said(incident: Incident | None) -> str:
    if incident is None:
        return ""
    end = incident.resolved_at.isoformat(timespec="seconds") if incident.resolved_at else "open"
    return f"{incident.started_at.isoformat(timespec='seconds')} to {end}, {incident.deployment or 'no deployment'}"
