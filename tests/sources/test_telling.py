"""What is noticed is told at least once and in order, to each target for itself, whoever fails or is killed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.audit import Entry
from app.domain.facts import Fact, SourceObserved
from app.domain.freshness import Freshness
from app.domain.gates import Gate, GatePhase, Origin, Subject, Version
from app.domain.notices import TRIES, Notice, NoticeKind, Route
from app.domain.refusals import Throttled, Unreachable
from app.sources.targets import Message
from app.sources.telling import Courier, Teller
from app.store.db import Database
from app.store.outbox import Outbox
from tests.fleets import NOW, StillFleet, live
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
SUBJECT = Subject("pricing", "production", "May 2.8.0 go?", after=Version("2.8.0"))
BASE = "https://ship.example.org"


def gate(ident: str, phase: GatePhase = GatePhase.OPEN, at: datetime = NOW) -> Gate:
    return Gate(ident, ident, Origin.PROMOTION, SUBJECT, at, at + timedelta(days=1), phase)


def notice(number: int, thread: str = "") -> Notice:
    return Notice(NoticeKind.GATE_OPENED, f"k{number}", thread or f"t{number}", NOW, f"Number {number}.")


class Hall:
    """A target that takes what it is given, or fails as it is told."""

    sort = "hall"

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.failing: list[Exception | None] = []

    async def send(self, message: Message) -> str:
        if self.failing and (error := self.failing.pop(0)):
            raise error
        self.heard.append(message)
        return f"ref-{len(self.heard)}"

    async def close(self) -> None: ...

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.heard]


class Rig:
    """A target with its courier, a clock that is set by hand, and what it said of itself."""

    def __init__(self, database: Database, per_minute: int = 10) -> None:
        self.now, self.hall, self.told = NOW, Hall(), list[SourceObserved]()
        self.outbox = Outbox(database)
        self.courier = self.another(per_minute)

    def another(self, per_minute: int = 10) -> Courier:
        return Courier(
            "hall", self.hall, self.outbox, self.ingest, BASE, per_minute=per_minute, clock=lambda: self.now
        )

    async def ingest(self, facts: Sequence[Fact]) -> None:
        self.told += [fact for fact in facts if isinstance(fact, SourceObserved)]

    async def note(self, *some: Notice) -> None:
        await self.outbox.note([(each, ("hall",)) for each in some], self.now)

    async def said(self) -> SourceObserved:
        await self.courier.report()
        return self.told[-1]

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


async def test_change_is_told_once_and_what_was_there_before_is_no_news(database_url):
    fleet, routes = StillFleet(sources=live()), (Route(("hall", "mail"), service="pricing"),)
    fleet._gates = {"1": gate("1")}
    now = NOW
    async with opened(database_url) as database:
        rig = Rig(database)

        def teller() -> Teller:
            return Teller(fleet, rig.outbox, routes, clock=lambda: now)

        first = teller()
        assert await first.look() == 0
        fleet._gates["0"] = gate("0")
        assert await first.look() == 0, "it has only begun to look around"
        now += timedelta(minutes=1)
        fleet._gates["2"] = gate("2")
        assert await first.look() == 2
        assert [await first.look(), await teller().look()] == [0, 0], "neither later nor after a restart"
        fleet._gates["2"] = replace(gate("2"), phase=GatePhase.EXPIRED, ended_at=now)
        fleet._gates["3"] = gate("3", at=now - timedelta(hours=2))
        assert await teller().look() == 2, "what happened while nobody looked, if it is still news"
        rig.now = now
        assert await rig.courier.round() == 2
        assert [message.notices[0].kind.value for message in rig.hall.heard] == [
            "gate-opened",
            "gate-expired",
        ]
        assert rig.hall.heard[0].url == f"{BASE}/gates/2"
        assert (rig.hall.heard[0].root, rig.hall.heard[1].root) == ("", "ref-1"), "one thread a gate"
        assert len(await rig.outbox.waiting("mail")) == 2


async def test_message_is_sent_again_with_its_id_until_it_is_taken(database_url):
    async with opened(database_url) as database:
        rig = Rig(database)
        assert (await rig.said()).freshness is Freshness.UNKNOWN
        await rig.note(notice(1, "t"), notice(2, "t"), notice(3))
        rig.hall.failing = [Unreachable("hall does not answer")]
        assert await rig.courier.round() == 1
        assert (await rig.said()).message == ("3 messages wait and will be sent again. Hall does not answer.")
        assert rig.told[-1].freshness is Freshness.STALE
        await rig.courier.round()
        assert rig.hall.titles == ["Number 3."], "the second waits for the first, the third for nobody"
        (first, _) = await rig.outbox.waiting("hall")
        rig.later(5)
        await rig.courier.round()
        assert rig.hall.titles == ["Number 3.", "Number 1.", "Number 2."]
        assert rig.hall.heard[1].id == first.name
        assert (await rig.said()).freshness is Freshness.LIVE
        assert (rig.told[-1].events, rig.told[-1].objects, rig.told[-1].message) == (3, 0, "")
        rig.hall.failing = [Throttled("hall answers 429", "It asks to wait", 90)]
        await rig.note(notice(4))
        await rig.courier.round()
        for wait, heard in ((60, 3), (31, 4)):
            rig.later(wait)
            await rig.courier.round()
            assert len(rig.hall.heard) == heard


async def test_message_that_is_never_taken_is_set_aside_and_may_be_sent_anew(database_url):
    async with opened(database_url) as database:
        rig = Rig(database)
        await rig.note(notice(1))
        for _ in range(TRIES):
            rig.hall.failing = [Unreachable("hall does not answer")]
            await rig.courier.round()
            rig.later(601)
        assert await rig.courier.round() == 0
        (line,) = await rig.outbox.lines("aside", "", 10, None)
        assert (line.title, line.tries, line.reason) == ("Number 1.", TRIES, "Hall does not answer.")
        assert "One message is set aside" in (await rig.said()).message
        entry = Entry(rig.now, "done", "local|ada", "Ada")
        assert await rig.outbox.replay(line.id, entry, rig.now)
        assert not await rig.outbox.replay(line.id, entry, rig.now)
        await rig.courier.round()
        assert rig.hall.titles == ["Number 1."]


async def test_storm_is_told_in_one_message_that_stays_the_same_when_it_is_sent_again(database_url):
    async with opened(database_url) as database:
        rig = Rig(database, per_minute=3)
        await rig.note(*(notice(n) for n in range(25)))
        rig.hall.failing = [Unreachable("hall does not answer")]
        await rig.courier.round()
        await rig.note(notice(25))
        rig.later(5)
        await rig.courier.round()
        assert rig.hall.titles == ["25 things changed.", "Number 25."]
        storm = rig.hall.heard[0]
        assert (storm.lines[0], storm.lines[-1]) == ("Number 0.", "And 5 more.")
        assert storm.url == f"{BASE}/"


async def test_message_has_one_sender_and_outlives_one_that_was_killed(database_url):
    async with opened(database_url) as database:
        rig = Rig(database)
        await rig.note(notice(1))
        mine = await rig.outbox.waiting("hall")
        taken = [await rig.outbox.take(mine, "", rig.now + timedelta(seconds=60)) for _ in range(2)]
        assert taken == [True, False]
        assert await rig.another().round() == 0, "it is with somebody, who may have sent it"
        rig.later(61)
        assert await rig.another().round() == 1
        assert rig.hall.heard[0].id == mine[0].name
