"""A past minute is drawn from what was kept of it; what was not kept is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.facts import Fact, WorkloadGone
from app.domain.gates import Basis, Decision, Gate, GatePhase, Origin, Subject
from app.domain.instants import past_minute
from app.domain.rollout import Attention, Phase
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.read.lookback import PastFleet, Unkept, scrubber, still_board
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.store import gates
from app.store.db import Database
from tests.store.looks import opened
from tests.web.site import look, sources

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class Told:
    """A database that is told what happens, minute by minute."""

    def __init__(self, database: Database) -> None:
        self.database, self._ingest = database, Ingest(database, Live())
        self.now = Fleet(database)

    async def at(self, minutes: float, *facts: Fact, listening: bool = True) -> None:
        heard = sources() if listening else []
        at = after(minutes)
        moved = [replace(fact, seen_at=at) for fact in facts]  # type: ignore[arg-type]
        await self._ingest([*(replace(s, seen_at=at, contact_at=at) for s in heard), *moved])

    async def through(self, begin: int, end: int) -> None:
        for minute in range(begin, end):
            await self.at(minute)

    async def then(self, minutes: float) -> PastFleet:
        fleet = PastFleet(self.database, self.now, after(minutes))
        await fleet.load()
        return fleet

    async def cells(self, minutes: float) -> dict[str, tuple[str, Attention]]:
        """Version and attention of each service's only cell."""
        fleet = await self.then(minutes)
        board = BoardProjection(fleet, BoardQuery(), after(minutes)).board
        return {row.service: (c.version, c.attention) for row in board.rows for c in row.cells if c}


async def test_a_past_board_is_what_the_board_was(database_url):
    async with opened(database_url) as database:
        told = Told(database)
        await told.at(0, look("cart"), look("mail"))
        await told.through(1, 10)
        await told.at(10, look("cart", version="2.0.0", phase=Phase.PROGRESSING, message="1 of 3"))
        await told.through(11, 15)
        await told.at(15, look("cart", version="2.0.0", phase=Phase.FAILED, message="It crashes."))
        await told.through(16, 20)
        await told.at(20, look("cart"), WorkloadGone("east", "mail-production", NOON), look("new"))
        await told.through(21, 25)
        good, mail = ("1.0.0", Attention.GOOD), ("1.0.0", Attention.GOOD)
        assert await told.cells(0) == {"cart": good, "mail": mail}
        assert await told.cells(9) == {"cart": good, "mail": mail}
        assert await told.cells(12) == {"cart": ("2.0.0", Attention.MOVING), "mail": mail}
        assert await told.cells(16) == {"cart": ("2.0.0", Attention.FAILED), "mail": mail}
        assert await told.cells(22) == {"cart": good, "new": good}
        moving = BoardProjection(await told.then(12), BoardQuery(), after(12)).board
        assert [tick.kind.value for tick in moving.day.ticks] == ["moving"]
        assert "failed" not in moving.day.text


async def test_a_minute_is_refused_that_nobody_kept_and_one_that_nobody_saw_is_not_guessed(database_url):
    async with opened(database_url) as database:
        told = Told(database)
        with pytest.raises(Unkept, match="Nothing is kept yet"):
            await told.then(0)
        await told.at(0, look("cart"))
        await told.through(1, 5)
        await told.at(30, look("cart", version="2.0.0"))
        with pytest.raises(Unkept, match="begins at 2026-10-01 12:00"):
            await told.then(-1)
        assert (await told.cells(4))["cart"] == ("1.0.0", Attention.GOOD)
        assert (await told.cells(20))["cart"] == ("1.0.0", Attention.UNKNOWN)
        fleet = await told.then(20)
        (gap,) = fleet.gaps
        assert gap.clusters == ("east",)
        assert gap.began_at in (after(3), after(4))
        assert gap.ended_at == after(30)
        assert {s.message for s in fleet.sources.values()} == {
            "Nobody was looking between 12:04 and 12:30 UTC."
        }
        assert (await told.cells(30))["cart"] == ("2.0.0", Attention.GOOD)


async def test_a_gate_waits_in_the_past_until_it_was_answered(database_url):
    subject = Subject("cart", "production", "Let it in?")
    async with opened(database_url) as database:
        told = Told(database)
        await told.at(0, look("cart"))
        await told.through(1, 30)
        gate = Gate("g1", "k1", Origin.PROMOTION, subject, after(5), after(90))
        async with database.writing() as session:
            await gates.ask(session, gate)
            decision = Decision(GatePhase.REJECTED, Basis.VOTES, after(15), "ada", "Ada", "no", "d")
            await gates.decide(session, gate, decision)
        waits = {}
        for minute in (4, 5, 14, 16):
            board = still_board(BoardProjection(await told.then(minute), BoardQuery(), after(minute)).board)
            waits[minute] = [(w.since, w.href, w.verb) for w in board.waiting]
        assert waits == {4: [], 5: [(after(5), "", "")], 14: [(after(5), "", "")], 16: []}


async def test_the_scrubber_leads_from_change_to_change_and_no_further_than_is_kept(database_url):
    async with opened(database_url) as database:
        told = Told(database)
        await told.at(0, look("cart"))
        await told.through(1, 10)
        await told.at(10.5, look("cart", version="2.0.0", phase=Phase.PROGRESSING))
        await told.through(11, 20)
        await told.at(20.5, look("cart", version="2.0.0"))
        await told.through(21, 30)
        ways = {}
        for minute in (0, 10, 11, 15, 25):
            fleet = await told.then(minute)
            async with database.reading() as connection:
                ways[minute] = await scrubber(connection, fleet, BoardQuery(), after(29.5))
    steps = {m: (w.before, w.after) for m, w in ways.items()}
    assert steps == {
        0: (None, after(11)),
        10: (None, after(11)),
        11: (None, after(21)),
        15: (after(11), after(21)),
        25: (after(21), None),
    }
    way = ways[25]
    assert (way.first, way.last, way.end - way.begin) == (after(0), after(29), timedelta(hours=24))
    assert (way.moved(4), way.moved(5), way.moved(-26)) == (after(29), None, None)
    assert [(t.at, t.kind.value) for t in way.day.ticks] == [(after(20), "landed")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T11:03Z", after(-57)),
        ("2026-10-01T13:03:59+02:00", after(-57)),
        ("2026-10-01 11:03", after(-57)),
        ("-15m", after(-15)),
        ("-2h", after(-120)),
        ("-1d", after(-1440)),
        (str(int(after(-3).timestamp())), after(-3)),
        *((bad, None) for bad in ("", "x", "2026-10-01T12:01Z", "-999999d", "99999999999", "-5", "\0", "٣")),
    ],
)
def test_a_past_minute_is_read_or_refused_with_a_sentence(text, expected):
    if expected:
        assert past_minute(text, NOON) == expected
    else:
        with pytest.raises(ValueError, match=r"at=.* (is no instant|is in the future)"):
            past_minute(text, NOON)
