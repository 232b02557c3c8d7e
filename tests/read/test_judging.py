"""Figures of DORA from what is held in memory are those of a first read, whatever happened in between, and recompute
from the rows of the export."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.dialects.sqlite import insert

from app.domain import dora as rules
from app.domain.ci import CiOutcome
from app.domain.dora import Incident, IncidentTold
from app.domain.names import Topic
from app.read import dora
from app.read.dora_query import DoraQuery
from app.read.fleet import Fleet
from app.read.judging import Judging
from app.store.db import Database
from app.store.incident_tables import INCIDENT
from app.store.ledger import Ledger
from app.store.tables import ROLLOUT
from tests.ci import made, pushed, ran, reported
from tests.databases import fresh
from tests.web.site import look, sources

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
HOUR = timedelta(hours=1)
SERVICES, VERSIONS, MOST = ("cart", "mail"), 12, 7

services, idents, hours = st.sampled_from(SERVICES), st.integers(0, 5), st.integers(0, 60)
rollouts = st.tuples(
    st.just("rollout"),
    services,
    idents,
    hours,
    st.integers(0, VERSIONS),
    st.sampled_from(["promoted", "promoted", "failed", "aborted", "rolled_back", "superseded", None]),
    st.booleans(),
    st.sampled_from([True, True, True, False]),
)
happened = st.one_of(
    rollouts,
    rollouts,
    rollouts,
    st.tuples(st.just("incident"), services, st.integers(0, 2), hours, idents, st.booleans(), st.booleans()),
    st.tuples(st.just("reported"), services, st.integers(0, VERSIONS), hours, st.booleans()),
    st.tuples(st.just("commit"), services, st.integers(0, VERSIONS), st.integers(0, 90)),
    st.tuples(st.just("retention"), st.integers(20, 90)),
    st.tuples(st.just("time"), st.sampled_from([1, 60, 600, 1440, 10_080, 64_800])),
)
QUERIES = (
    DoraQuery("production", window="12w"),
    DoraQuery("production", "cart", "7d", figure="fail"),
)


# Without shrinking, which would take minutes of databases.
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.lists(happened, min_size=8, max_size=14))
def test_what_is_held_tells_what_a_first_read_tells(history):
    with tempfile.TemporaryDirectory() as home:
        anyio.run(_lived, Path(home), history)


async def _lived(home: Path, history: list[Any]) -> None:
    database = await Database.open(fresh(home))
    fleet, now = Fleet(database), NOW
    facts: list[Any] = [*sources()]
    for service in SERVICES:
        facts += [look(service), *ran(service, "run", NOW)]
        for version in range(0, VERSIONS, 2):
            facts += [
                pushed(service, str(version), NOW - (90 - 6 * version) * HOUR),
                _image(service, version),
            ]
    await _told(database, fleet, *facts)
    await fleet.load()
    fleet.judging = Judging(MOST, MOST)
    key = next(iter(fleet.workloads))
    try:
        for place, service in enumerate(SERVICES):
            for n in range(3):
                first = ("rollout", service, n, 60 - 19 * n - place, 4 * n + 2, "promoted", False, True)
                await _happens(database, fleet, key, first)
        for one in history:
            now += timedelta(minutes=one[1]) if one[0] == "time" else timedelta()
            await _happens(database, fleet, key, one)
            await _same(database, fleet, now)
    finally:
        await database.close()


async def _happens(database: Database, fleet: Fleet, workload: str, one: Any) -> None:
    match one:
        case ("rollout", service, ident, hour, version, outcome, back, is_told):
            ended = NOW - hour * HOUR if outcome else None
            row = {"id": f"{service}-{ident}", "workload": workload, "service": service, "team": "t"}
            row |= {"environment": "production", "strategy": "rolling", "from_revision": "a"}
            row |= {"from_version": "1", "to_revision": "b", "to_version": str(version), "back": back}
            row |= {"started_at": NOW - (hour + 1) * HOUR, "ended_at": ended, "outcome": outcome}
            row |= {"cause": "", "killed": 0, "overran": 0, "nature": "deployment"}
            async with database.writing() as session:
                new = insert(ROLLOUT).values(row)
                # Without a topic only what comes is noticed; what changes is told.
                if is_told:
                    new = new.on_conflict_do_update(index_elements=["id"], set_=row)
                else:
                    new = new.on_conflict_do_nothing()
                await (await session.connection()).execute(new)
            if is_told:
                await fleet.refresh([Topic("rollout", str(row["id"]))])
        case ("incident", service, number, hour, ident, over, withdrawn):
            began = NOW - hour * HOUR
            incident = Incident(
                f"i{number}", service, "production", "x", began, began + HOUR if over else None,
                f"{service}-{ident}",
            )  # fmt: skip
            await _told(database, fleet, IncidentTold(incident, at=NOW, withdrawn=withdrawn))
        case ("reported", service, version, hour, good):
            outcome = CiOutcome.SUCCESS if good else CiOutcome.FAILURE
            await _told(database, fleet, reported(service, str(version), NOW - hour * HOUR, outcome))
        case ("commit", service, version, hour):
            when = NOW - hour * HOUR
            await _told(database, fleet, pushed(service, str(version), when), _image(service, version))
        case ("retention", hour):
            async with database.writing() as session:
                connection = await session.connection()
                await connection.execute(delete(ROLLOUT).where(ROLLOUT.c.ended_at < NOW - hour * HOUR))
                await connection.execute(delete(INCIDENT).where(INCIDENT.c.started_at < NOW - hour * HOUR))


def _image(service: str, version: int) -> Any:
    return made(service, str(version), NOW)


async def _told(database: Database, fleet: Fleet, *facts: Any) -> None:
    async with database.writing() as session:
        topics = await Ledger().record(session, facts)
    await fleet.refresh(topics)


async def _same(database: Database, fleet: Fleet, now: datetime) -> None:
    plain = Fleet(database)
    await plain.load()
    plain.judging = Judging(MOST)
    async with database.reading() as connection:
        for query in QUERIES:
            page = await dora.figures(connection, fleet, query, now)
            plain.judging.clear()
            plain.trails.clear()
            assert page == await dora.figures(connection, plain, query, now)
        page = await dora.figures(connection, fleet, QUERIES[0], now)
        rows = await dora.rows(connection, plain, QUERIES[0], now)
    told = [_of(row) for row in rows]
    assert rules.figures(told, page.since, page.until) == page.figures
    assert tuple(rules.figures(told, *week) for week in rules.weeks(page.until, dora.WEEKS)) == page.weeks
    for one in page.services:
        mine = [o for o in told if o.deployment.service == one.service]
        assert rules.figures(mine, page.since, page.until) == one.figures


def _of(row: dora.DoraRow) -> rules.JudgedDeployment:
    ending = rules.Ending(row.ending)
    deployment = rules.Deployment(
        row.id, row.service, row.environment, row.version, row.started_at, row.ended_at, ending, row.back,
        row.committed_at,
    )  # fmt: skip
    return rules.JudgedDeployment(
        deployment, rules.Judged(row.judged), row.why, row.failed_at, row.restored_at, row.rework, row.young
    )
