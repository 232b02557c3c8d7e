"""Incidents converge in whatever order they are told, and none that was withdrawn counts."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from app.domain.dora import Incident, IncidentTold
from app.read.deployments import read_incidents
from app.store.incidents import find_incident, record_incidents
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(hours: float, over: bool = False, withdrawn: bool = False, ident: str = "i") -> IncidentTold:
    end = NOW + hours * HOUR if over else None
    found = Incident(ident, "cart", "production", "Errors", NOW, end)
    return IncidentTold(found, "pagerduty", "", "", NOW + hours * HOUR, withdrawn)


async def test_latest_state_holds_in_whatever_order_it_comes(database_url):
    async with opened(database_url) as database:
        for number, order in enumerate(permutations([told(0), told(1, True), told(2), told(3, True)])):
            ident = f"i{number}"
            async with database.writing() as session:
                connection = await session.connection()
                for each in order:
                    moved = IncidentTold(
                        Incident(ident, "cart", "production", "Errors", NOW, each.incident.resolved_at),
                        at=each.at,
                    )
                    await record_incidents(connection, [moved])
                kept = await find_incident(connection, ident)
            assert kept is not None
            assert kept.resolved_at == NOW + 3 * HOUR


async def test_withdrawn_incident_counts_no_more_and_can_be_told_again(database_url):
    async with opened(database_url) as database:
        for fact, there in (
            (told(0), True),
            (told(1, withdrawn=True), False),
            (told(0), False),
            (told(2), True),
        ):
            async with database.writing() as session:
                connection = await session.connection()
                await record_incidents(connection, [fact])
                assert bool(await find_incident(connection, "i")) is there
                assert bool(await read_incidents(connection, "production", "cart", None, None)) is there
