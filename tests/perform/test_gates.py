"""The door for decisions: one vote a person, one answer a gate, on both databases and under any race; what is decided
is what was shown; and nothing goes by unwritten."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.domain.audit import check
from app.domain.delivery import Approvals, Delivery, Rules
from app.domain.errors import StoreUnavailable
from app.domain.evidence import Evidence, Holds, Person, Proof
from app.domain.freezes import Freeze
from app.domain.gates import Answer, Basis, Gate, GatePhase, Origin, Subject, Version
from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.live import Live
from app.perform import Ballot, Blocked, EvidenceChanged, Freezer, Freezes, Gates, NotKnown, Over, cast_ballot
from app.perform.asking import Question
from app.store import audit
from app.store.audit import key_from, links, marks
from app.store.db import Database
from app.store.gate_tables import GATEDECISION, GATEVOTE
from tests.databases import fresh

pytestmark = pytest.mark.anyio
ROUNDS = int(os.environ.get("SHIPBOARD_TEST_ROUNDS", "4"))
"""How often fifty people race; 200 take a quarter of an hour on a quiet machine."""
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SUBJECT = Subject("cart", "production", "May 2 go?", Version("1", ("cart:1",)), Version("2", ("cart:2",)))
RULES = Rules("production", approvals=(Approvals(3),), four_eyes=False)


def person(name: str, *roles: Role) -> Principal:
    return Principal(
        PrincipalKind.PERSON, "local", name, name, roles={EVERYWHERE: frozenset(roles or (Role.APPROVER,))}
    )


class Desk:
    """The door with evidence and a clock of the test's own."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self.evidence, self.now = Evidence(), NOW
        freezer = Freezer(Delivery(("production",), {"production": rules}))
        self.gates = Gates(database, Live(), freezer, self._gather, lambda: self.now)
        self.freezes = Freezes(database, Live(), lambda: self.now)
        self.database, self.serial = database, 0

    async def _gather(self, gate: Gate) -> Evidence:
        return self.evidence

    async def ask(self, key: str = "") -> Gate:
        self.serial += 1
        return await self.gates.ask(
            Question(key or f"k{self.serial}", Origin.PIPELINE, SUBJECT), person("asker")
        )

    async def say(self, gate: Gate, who: Principal, answer: Answer = Answer.APPROVE, **more: Any) -> Gate:
        ballot = Ballot(
            answer, str(more.pop("digest", gate.digest)), str(more.pop("reason", "because")), **more
        )
        return await cast_ballot(self.gates, gate.id, ballot, who)

    async def insist(self, gate: Gate, who: Principal, answer: Answer = Answer.APPROVE) -> Gate:
        """As `say`, again and again under one key while a busy machine keeps the database from answering."""
        ends = asyncio.get_running_loop().time() + 120
        while True:
            try:
                return await self.say(gate, who, answer, key=f"{gate.id} {who.subject}")
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > ends:
                    raise

    async def count(self, table, gate: Gate) -> int:
        async with self.database.reading() as connection:
            found = await connection.scalar(
                select(func.count()).select_from(table).where(table.c.gate == gate.id)
            )
        return int(found or 0)

    async def sound(self) -> list[str]:
        """The kinds of all entries of an audit whose chain holds."""
        async with self.database.reading() as connection:
            kept = [link async for link in links(connection)]
            head = (await marks(connection))[audit.HEAD]
        assert check(kept, key_from("k" * 32), head=head).bad is None
        return [link.entry.kind for link in kept]


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    database = await Database.open(database_url, audit_key="k" * 32)
    yield Desk(database, RULES)
    await database.close()


@pytest.fixture
async def alone(tmp_path) -> AsyncIterator[Desk]:
    database = await Database.open(fresh(tmp_path), audit_key="k" * 32)
    yield Desk(database, replace(RULES, approvals=(Approvals(1),)))
    await database.close()


async def test_fifty_people_at_once_give_one_answer_with_exactly_the_votes_it_takes(desk):
    """SR-14: exactly the allowed number, however they come together."""
    for _ in range(ROUNDS):
        gate = await desk.ask()
        crowd = [person(f"p{n}") for n in range(50)]
        said = await asyncio.gather(*(desk.insist(gate, who) for who in crowd), return_exceptions=True)
        assert all(isinstance(each, Gate | Over) for each in said), said
        after = await desk.gates.one(gate.id)
        assert (after.phase, len(after.votes)) == (GatePhase.APPROVED, 3)
        assert (await desk.count(GATEVOTE, gate), await desk.count(GATEDECISION, gate)) == (3, 1)
        assert sum(1 for each in said if isinstance(each, Over)) == 47


async def test_one_person_fifty_times_is_one_vote(desk):
    gate, ada = await desk.ask(), person("ada")
    said = await asyncio.gather(
        *(desk.say(gate, ada, key=f"k{n}") for n in range(50)), return_exceptions=True
    )
    assert all(isinstance(each, Gate) for each in said), said
    after = await desk.gates.one(gate.id)
    assert (after.phase, len(after.votes), await desk.count(GATEDECISION, gate)) == (GatePhase.OPEN, 1, 0)


async def test_yes_and_no_at_once_give_one_answer(desk):
    seen = set()
    for turn in range(ROUNDS):
        gate = await desk.ask()
        answers = [
            desk.insist(gate, person(f"p{n}"), Answer.REJECT if n == turn * 12 % 50 else Answer.APPROVE)
            for n in range(50)
        ]
        said = await asyncio.gather(*answers, return_exceptions=True)
        assert all(isinstance(each, Gate | Over) for each in said), said
        after = await desk.gates.one(gate.id)
        assert after.decision is not None
        assert after.decision.phase is after.phase
        assert await desk.count(GATEDECISION, gate) == 1
        seen.add(after.phase)
    assert seen <= {GatePhase.APPROVED, GatePhase.REJECTED}
    kinds = await desk.sound()
    assert kinds.count("approved") + kinds.count("rejected") == ROUNDS


async def test_same_question_asked_fifty_times_is_one_gate(desk):
    asked = await asyncio.gather(*(desk.ask("the same") for _ in range(50)))
    assert len({gate.id for gate in asked}) == 1
    assert (await desk.sound()).count("opened") == 1


async def test_decision_counts_only_on_what_was_shown(alone):
    """SR-15: what you see is what you approve."""
    gate, ada = await alone.ask(), person("ada")
    alone.evidence = Evidence(ci=Proof(Holds.NO, "one test fails", NOW))
    with pytest.raises(EvidenceChanged) as refused:
        await alone.say(gate, ada)
    assert [(d.what, d.before, d.after) for d in refused.value.difference] == [
        ("CI", "unknown", "one test fails")
    ]
    with pytest.raises(EvidenceChanged):
        await alone.say(gate, ada, Answer.REJECT)
    after = await alone.gates.one(gate.id)
    assert (after.phase, after.votes) == (GatePhase.OPEN, ())
    assert (await alone.say(after, ada)).phase is GatePhase.APPROVED
    assert (await alone.sound())[-4:] == ["refused", "refused", "voted", "approved"]


async def test_new_evidence_voids_votes(desk):
    gate = await desk.ask()
    await desk.say(gate, person("a"))
    await desk.say(gate, person("b"))
    desk.evidence = Evidence(people=(Person("author", "zed"),))
    now = await desk.gates.fresh(await desk.gates.one(gate.id))
    assert (len(now.votes), now.counting) == (2, ())
    after = await desk.say(now, person("c"))
    assert (after.phase, len(after.counting)) == (GatePhase.OPEN, 1)


async def test_no_takes_a_reason_and_same_again_is_the_same(alone):
    gate, ada = await alone.ask(), person("ada")
    with pytest.raises(Blocked) as refused:
        await alone.say(gate, ada, Answer.REJECT, reason="  ")
    assert [b.rule for b in refused.value.blocked_by] == ["reason"]
    first = await alone.say(gate, ada, Answer.REJECT, reason="too risky")
    assert (first.phase, first.decision and first.decision.reason) == (GatePhase.REJECTED, "too risky")
    assert await alone.say(gate, ada, Answer.REJECT, reason="too risky") == first
    with pytest.raises(Over):
        await alone.say(gate, ada)
    assert (await alone.sound()).count("rejected") == 1


async def test_vote_is_taken_back_until_the_answer_is_told(alone):
    gate, ada = await alone.ask(), person("ada")
    assert (await alone.say(gate, ada)).phase is GatePhase.APPROVED
    back = await alone.say(gate, ada, Answer.WITHDRAW)
    assert (back.phase, back.votes, back.decision) == (GatePhase.OPEN, (), None)
    with pytest.raises(Blocked):
        await alone.say(gate, ada, Answer.WITHDRAW)
    await alone.gates.told(await alone.say(gate, ada))
    with pytest.raises(Over):
        await alone.say(gate, ada, Answer.WITHDRAW)
    assert (await alone.sound())[-3:] == ["voted", "approved", "told"]


@pytest.mark.parametrize(
    "who",
    [person("o", Role.OPERATOR), person("v", Role.VIEWER), replace(person("t"), kind=PrincipalKind.TOKEN)],
)
@pytest.mark.parametrize("answer", [Answer.APPROVE, Answer.REJECT, Answer.BREAK_GLASS])
async def test_who_may_not_decide_is_refused_and_written_down(alone, who, answer):
    gate = await alone.ask()
    with pytest.raises(Blocked):
        await alone.say(gate, who, answer)
    assert (await alone.gates.one(gate.id)).phase is GatePhase.OPEN
    assert (await alone.sound())[-1] == "refused"


async def test_glass_is_broken_by_an_admin_with_a_reason_only(alone):
    alone.gates.freezer.delivery = Delivery(
        ("production",), {"production": replace(RULES, ci=True)}, (Freeze("f", "holidays", "production"),)
    )
    gate, chief = await alone.ask(), person("chief", Role.ADMIN)
    for who, reason in ((person("ada"), "it burns"), (chief, "")):
        with pytest.raises(Blocked):
            await alone.say(gate, who, Answer.BREAK_GLASS, reason=reason)
    after = await alone.say(gate, chief, Answer.BREAK_GLASS, reason="it burns")
    assert (after.phase, after.decision and after.decision.basis) == (GatePhase.APPROVED, Basis.BREAK_GLASS)
    assert (await alone.sound())[-1] == "break-glass"


async def test_freeze_holds_until_it_is_overridden_or_lifted(alone):
    chief, ada = person("chief", Role.ADMIN), person("ada")
    with pytest.raises(Blocked):
        await alone.freezes.freeze(Freeze("", "incident", "production"), ada)
    made = await alone.freezes.freeze(
        Freeze("", "incident", "production", until=NOW + timedelta(hours=1)), chief
    )
    gate = await alone.ask()
    assert (await alone.say(gate, ada)).phase is GatePhase.OPEN
    over = await alone.say(gate, ada, override=True, reason="the fix for it")
    assert (over.phase, over.decision and over.decision.basis) == (GatePhase.APPROVED, Basis.OVERRIDE)
    other = await alone.ask()
    await alone.freezes.lift(made.id, "over", chief)
    assert (await alone.say(other, ada)).phase is GatePhase.APPROVED
    with pytest.raises(NotKnown):
        await alone.freezes.lift(made.id, "again", chief)
    kinds = await alone.sound()
    assert (kinds.count("frozen"), kinds.count("lifted")) == (1, 1)


async def test_whoever_waits_hears_of_the_answer_at_once(alone):
    gate = await alone.ask()
    waiting = asyncio.create_task(alone.gates.waited(gate.id, 10.0))
    still = await alone.gates.waited(gate.id, 0.0)
    assert still.phase is GatePhase.OPEN
    await alone.say(gate, person("ada"))
    async with asyncio.timeout(1.0):
        assert (await waiting).phase is GatePhase.APPROVED
