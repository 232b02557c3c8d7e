"""What CI tells as read models over a real database: builds, the way between versions, a commit's road, figures."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from app.domain import dora as rules
from app.domain.ci import CiOutcome
from app.domain.dora import Incident, IncidentTold
from app.domain.intervals import UNKNOWN
from app.domain.names import Topic
from app.domain.rollout import Attention, Phase
from app.ingest import Ingest
from app.live import Live
from app.read import dora
from app.read.commits import commit_page
from app.read.dora_query import DoraQuery
from app.read.fleet import Fleet
from app.read.pipelines import PipelinesQuery, of_service, pipelines
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.run_page import run_page
from app.read.timeline import timeline
from app.read.timeline_query import TimelineQuery
from app.store.db import Database
from app.store.incidents import find_incident
from tests.ci import made, pushed, ran, reported, sha_of
from tests.databases import fresh
from tests.web.site import look, sources

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC).replace(microsecond=0)
T = TypeVar("T")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Ship:
    """A database with a fleet over it."""

    database: Database
    ingest: Ingest
    fleet: Fleet

    async def tell(self, *facts: Any) -> frozenset[Topic]:
        """Take facts in and read what they changed; answers what follows for services."""
        with self.ingest._live.listening() as listener:
            await self.ingest(facts)
            return await self.fleet.refresh(await listener.changes(1))


@pytest.fixture
async def ship(tmp_path) -> AsyncIterator[Ship]:
    database = await Database.open(fresh(tmp_path))
    fleet = Fleet(database)
    fleet.environments = ("staging", "production")
    await fleet.load()
    yield Ship(database, Ingest(database, Live()), fleet)
    await database.close()


def known(value: T | None) -> T:
    """`value`, which is there."""
    assert value is not None
    return value


def versions(service: str, *names: str) -> list[Any]:
    """Versions an hour apart, the first one newest, each with its commit, run and image."""
    found: list[Any] = []
    for place, name in enumerate(names):
        at = NOW - (place + 1) * HOUR
        found += [pushed(service, name, at), *ran(service, name, at), made(service, name, at)]
    return found


async def test_pipelines_name_who_broke_it_and_which_stage_made_it_slow(ship):
    good, slow = {"unit": 200.0, "integration": 200.0}, {"unit": 220.0, "integration": 500.0}
    facts = [
        *ran("cart", "3", NOW - HOUR, slow),
        *ran("cart", "2", NOW - 2 * HOUR, slow),
        *ran("cart", "1", NOW - 3 * HOUR, good),
        *ran("rates", "2", NOW - HOUR, good, fails="unit"),
        *ran("rates", "1", NOW - 2 * HOUR, good),
    ]
    assert Topic("build", "cart") in await ship.tell(*facts)
    page = pipelines(ship.fleet.builds.by_service, PipelinesQuery())
    rates, cart = page.services
    broken, over = known(rates.broken), known(cart.over)
    assert (broken.sha, broken.actor, broken.seen) == (sha_of("rates 2"), "ada", True)
    assert (over.sha, over.stage, over.grew, over.runs) == (sha_of("cart 2"), "integration", 300, 2)
    assert page.sentence.text.startswith("One build is red. One of two went over the ten-minute budget")
    late = pipelines(ship.fleet.builds.by_service, PipelinesQuery(state="over"))
    assert [one.service for one in late.services] == ["cart"]


async def test_pipelines_leave_branches_out_unless_one_service_is_asked_for(ship):
    await ship.tell(
        *ran("cart", "2", NOW - HOUR, branch="change-1", fails="unit"), *ran("cart", "1", NOW - 2 * HOUR)
    )
    (cart,) = pipelines(ship.fleet.builds.by_service, PipelinesQuery()).services
    assert [run.sha for run in cart.runs] == [sha_of("cart 1")]
    async with ship.database.reading() as connection:
        page = await of_service(connection, PipelinesQuery(service="cart"))
        assert [run.branch for run in page.runs] == ["change-1", "main"]
        run = await run_page(connection, page.runs[0].id)
        assert (run.run.word, [job.attention for job in run.jobs]) == ("Unit failed", [Attention.FAILED])
        with pytest.raises(LookupError):
            await of_service(connection, PipelinesQuery(service="nothing"))


async def test_board_counts_commits_between_versions_and_shows_the_last_build(ship):
    await ship.tell(
        *sources(),
        *versions("cart", "4", "3", "2", "1"),
        look("cart", "staging", "4"),
        look("cart", "production", "1"),
        look("rates", "staging", "4"),
        look("rates", "production", "1"),
    )
    board = BoardProjection(ship.fleet, BoardQuery(), NOW, ("staging", "production"))
    cart, rates = (board.row(name) for name in ("cart", "rates"))
    here, there, build = known(cart.cells[1]), known(rates.cells[1]), known(cart.build)
    assert (here.gap, here.commits, here.commit) == (
        "differs",
        3,
        sha_of("cart 1"),
    )
    assert (build.sha, build.attention, build.seconds) == (sha_of("cart 4"), "good", 120)
    assert (there.gap, there.commits, rates.build) == ("differs", None, None)

    topics = await ship.tell(look("cart", "production", "3"), *ran("cart", "5", NOW, running=True))
    change = board.apply({*topics, Topic("workload", "east:cart-production")}, NOW)
    assert change.rows == ("cart",)
    cart = board.row("cart")
    assert (known(cart.cells[1]).commits, known(cart.build).attention) == (1, "moving")


async def test_board_counts_nothing_where_production_is_ahead(ship):
    ahead = [look("cart", "staging", "1"), look("cart", "production", "2")]
    await ship.tell(*versions("cart", "2", "1"), *ahead, *sources())
    board = BoardProjection(ship.fleet, BoardQuery(), NOW, ("staging", "production"))
    here = known(board.row("cart").cells[1])
    assert (here.gap, here.commits) == ("differs", None)


async def test_commit_goes_from_push_over_its_pipeline_into_each_environment(ship):
    old = [look("cart", "staging", "1"), look("cart", "production", "1")]
    await ship.tell(*sources(), *versions("cart", "2", "1"), *old)
    await ship.tell(look("cart", "staging", "2", Phase.PROGRESSING))
    await ship.tell(look("cart", "staging", "2"))
    async with ship.database.reading() as connection:
        page = await commit_page(connection, ship.fleet, sha_of("cart 2"), NOW)
        assert [(p.environment, p.has) for p in page.places] == [("staging", True), ("production", False)]
        titles = [step.title for step in page.way]
        assert titles[0] == "Pushed to main by ada"
        assert (
            titles.index("CI passed") < titles.index("Live in staging") < titles.index("Live in production")
        )
        assert (page.way[-1].at, page.lead) == (None, None)
        assert page.sentence.text == "It is live in staging, not in production."
        assert page.images[0].tag == "2"
        before = await commit_page(connection, ship.fleet, sha_of("cart 1")[:9], NOW)
        assert all(place.has for place in before.places)
        with pytest.raises(LookupError):
            await commit_page(connection, ship.fleet, "0" * 40, NOW)


async def test_timeline_tells_what_went_where_and_how_it_ended(ship):
    await ship.tell(*sources(), *versions("cart", "2", "1"), look("cart", version="1"))
    await ship.tell(look("cart", version="2", phase=Phase.PROGRESSING))
    async with ship.database.reading() as connection:
        page = await timeline(connection, ship.fleet, TimelineQuery(), datetime.now(UTC))
        assert (page.rows[0].word, page.rows[0].before, page.rows[0].version) == ("Moving", "1", "2")
        assert page.rows[0].commit == sha_of("cart 2")
        assert page.sentence.text.endswith("One is moving.")
    waits = replace(look("cart", version="2", phase=Phase.AWAITING_APPROVAL), seen_at=datetime.now(UTC))
    await ship.tell(waits)
    async with ship.database.reading() as connection:
        page = await timeline(connection, ship.fleet, TimelineQuery(), datetime.now(UTC))
        assert (page.rows[0].word, page.rows[0].attention) == ("Waits for a person", Attention.WAITING)
        assert page.sentence.text.endswith("One waits for a person.")
        none = await timeline(connection, ship.fleet, TimelineQuery(environment="moon"), datetime.now(UTC))
        assert (none.rows, none.total) == ((), 0)


def restarting(phase: Phase, key: str, asked: datetime | None) -> Any:
    """Version 1 of cart under the template `key`, its pods last asked to restart at `asked`."""
    seen = look("cart", version="1", phase=phase)
    assert seen.state.revision
    revision = replace(seen.state.revision, key=key, created_at=asked)
    state = replace(seen.state, revision=revision, revisions=(revision,), restarted_at=asked)
    return replace(seen, state=state, seen_at=datetime.now(UTC))


async def test_restart_stands_apart_and_is_no_deployment(ship):
    asked = datetime.now(UTC)
    await ship.tell(*sources(), *versions("cart", "1"), restarting(Phase.IDLE, "a", asked - DAY))
    await ship.tell(restarting(Phase.PROGRESSING, "b", asked))
    await ship.tell(restarting(Phase.IDLE, "b", asked))
    await ship.tell(restarting(Phase.PROGRESSING, "b", asked))  # scaled
    await ship.tell(restarting(Phase.IDLE, "b", asked))
    async with ship.database.reading() as connection:
        now = datetime.now(UTC)
        page = await timeline(connection, ship.fleet, TimelineQuery(), now)
        assert [(row.word, row.kind, row.attention) for row in page.rows] == [("Restarted", "restart", None)]
        assert page.sentence.text.endswith("No deployments landed in seven days. One restart.")
        assert [stroke.kind for stroke in page.strokes] == ["restart"]
        figures = await dora.figures(connection, ship.fleet, DoraQuery(environment="production"), now + HOUR)
        assert (figures.figures.frequency.n, figures.again) == (0, 1)
        incident = Incident("i", "cart", "production", "x", now, None, "latest")
    await ship.tell(IncidentTold(incident))
    async with ship.database.reading() as connection:
        assert known(await find_incident(connection, "i")).deployment == "", "a restart is not to blame"


async def test_dora_rows_recompute_to_the_same_figures(ship):
    facts: list[Any] = []
    for n in range(12):
        at = NOW - (25 - n) * DAY
        outcome = CiOutcome.FAILURE if n == 5 else CiOutcome.SUCCESS
        facts += [
            pushed("cart", str(n), at - 3 * HOUR),
            reported("cart", str(n), at, outcome),
            *ran("cart", str(n), at),
        ]
    await ship.tell(*facts)
    query = DoraQuery(environment="production")
    async with ship.database.reading() as connection:
        page = await dora.figures(connection, ship.fleet, query, NOW)
        rows = await dora.rows(connection, ship.fleet, query, NOW)
    assert (page.figures.fail.n, page.figures.fail.of) == (1, 12)
    assert (page.figures.lead.value, page.figures.lead.n) == (
        10_800.0,
        11,
    )  # the failed one's went with the next
    assert sum(len(row.lead) for row in rows) == page.figures.lead.n
    again = [
        rules.JudgedDeployment(
            rules.Deployment(
                row.id,
                row.service,
                row.environment,
                row.version,
                row.started_at,
                row.ended_at,
                rules.Ending(row.ending),
                row.back,
                row.committed_at,
            ),
            rules.Judged(row.judged),
            row.why,
            row.failed_at,
            row.restored_at,
            row.rework,
            row.young,
        )
        for row in rows
    ]
    assert rules.figures(again, page.since, page.until) == page.figures


async def test_dora_of_nothing_is_unknown(ship):
    async with ship.database.reading() as connection:
        page = await dora.figures(connection, ship.fleet, DoraQuery(), NOW)
    assert page.figures.lead == page.figures.frequency == page.figures.fail == UNKNOWN
    assert "nothing is known" in page.sentence.text
