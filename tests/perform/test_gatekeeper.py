"""Gates of what really waits: a cluster, a board, and people who say yes and no; what they say moves the rollout."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import pytest

from app.domain.commands import Verb
from app.domain.delivery import Approvals, Delivery, Mode, Rules
from app.domain.freezes import Freeze
from app.domain.gates import Answer, Gate, GatePhase
from app.domain.people import EVERYWHERE, SYSTEM, Principal, PrincipalKind, Role
from app.perform import Ballot, Blocked, Freezer, Gatekeeper, Gates, Gathering, cast_ballot
from app.perform import Rules as Holds
from app.read import audit
from app.read.audit import AuditQuery
from app.read.evidence import evidence
from app.store import gates as kept
from tests.databases import fresh
from tests.perform.rig import ADA, CANARY, Rig, ask, eventually, now, rig

pytestmark = pytest.mark.anyio
EVE = Principal(PrincipalKind.PERSON, "test", "eve", "Eve", roles={EVERYWHERE: frozenset({Role.APPROVER})})
PLACE = "real"
"""Environment of the rig's workloads: nothing in their names says another, so it is their cluster's."""


class Watched:
    """A rig with a gatekeeper, which may die and be born again."""

    def __init__(self, here: Rig, rules: Rules, freezer: Freezer) -> None:
        self.here, self.freezer = here, freezer
        self.freezer.delivery = Delivery((PLACE,), {PLACE: rules})
        gathering = Gathering(partial(evidence, here.database), here.clusters)
        self.gates = Gates(here.database, here.live, freezer, gathering, now)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        keeper = Gatekeeper(self.gates, self.here.perform, self.here.clusters, self.here.live)
        running = asyncio.create_task(keeper.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def all(self) -> list[Gate]:
        async with self.here.database.reading() as connection:
            return await kept.answered(connection, "")

    async def opened(self, phase: GatePhase = GatePhase.OPEN, nth: int = 1) -> Gate:
        async def there() -> Gate | None:
            found = [g for g in await self.all() if g.phase is phase]
            return found[nth - 1] if len(found) >= nth else None

        gate: Gate = await eventually(there, f"a gate that is {phase}")
        return gate

    async def say(self, gate: Gate, answer: Answer = Answer.APPROVE, who: Principal = EVE) -> Gate:
        fresh = await self.gates.fresh(await self.gates.one(gate.id))
        return await cast_ballot(self.gates, gate.id, Ballot(answer, fresh.digest, "because"), who)

    async def became(self, gate: Gate, phase: GatePhase) -> Gate:
        async def there() -> Gate | None:
            found = await self.gates.one(gate.id)
            assert found.phase is phase or not found.final, found.message
            return found if found.phase is phase else None

        found: Gate = await eventually(there, f"the gate is {phase}")
        return found

    async def writes(self) -> list[str]:
        found = await audit.page(self.here.database, AuditQuery(), None, 100, now())
        return [f"{row.kind} {row.verb} {row.name}" for row in found.rows]


@asynccontextmanager
async def watched(url: str, rules: Rules | None = None) -> AsyncIterator[Watched]:
    freezer = Freezer()
    async with rig(url, rules=Holds(frozenset(), (freezer.hold,))) as here:
        await here.make_canary()
        asked = rules or Rules(PLACE, approvals=(Approvals(1),), four_eyes=False, only_by_gate=False)
        yield Watched(here, asked, freezer)


async def test_paused_canary_opens_a_gate_and_a_yes_lets_it_go_on(database_url):
    async with watched(database_url) as board, board.kept():
        await board.here.ship_canary()
        gate = await board.opened()
        assert (gate.subject.target, gate.subject.verb) == (CANARY, Verb.PROMOTE)
        assert "20 % to 60 %" in gate.subject.question
        assert gate.evidence.configuration == (), "known, and nothing but the image changes"
        await board.say(gate)
        done = await board.became(gate, GatePhase.EXECUTED)
        assert board.here.stored(CANARY)["status"]["currentStepIndex"] > 1
        receipt = await board.here.perform.receipt(done.command)
        assert (receipt.by, "approved by Eve" in receipt.reason) == ("Shipboard, for Eve", True)
        second = await board.opened()
        assert second.id != gate.id
        assert "60 % to 100 %" in second.subject.question
        said = await board.writes()
        for entry in ("opened gate Shipboard", "voted approve Eve", "approved approve Eve",
                      "asked promote Shipboard, for Eve", "executed gate Shipboard"):  # fmt: skip
            assert entry in said


async def test_no_aborts_the_canary(database_url):
    async with watched(database_url) as board, board.kept():
        await board.here.ship_canary()
        gate = await board.opened()
        assert gate.subject.otherwise is Verb.ABORT
        await board.say(gate, Answer.REJECT)

        async def aborted() -> bool:
            return bool(board.here.stored(CANARY)["status"].get("abort"))

        await eventually(aborted, "the canary is aborted")
        assert "asked abort Shipboard, for Eve" in await board.writes()


async def test_gate_is_void_once_the_rollout_moved_by_another_hand(tmp_path):
    async with watched(fresh(tmp_path)) as board, board.kept():
        await board.here.ship_canary()
        gate = await board.opened()
        await board.here.do(Verb.PROMOTE, CANARY)
        await board.became(gate, GatePhase.VOID)
        nxt = await board.opened()
        await board.here.ship("web:3.0", CANARY)
        await board.became(nxt, GatePhase.VOID)


async def test_approval_is_carried_out_once_though_the_keeper_dies_in_between(tmp_path):
    """I2: a gate that was approved while nobody kept it, or half carried out, is one command in the end."""
    async with watched(fresh(tmp_path)) as board:
        async with board.kept():
            await board.here.ship_canary()
            gate = await board.opened()
        assert (await board.say(gate)).phase is GatePhase.APPROVED
        async with board.here.database.writing() as session:
            assert await kept.move(session, await board.gates.one(gate.id), GatePhase.EXECUTING, now(), "")
        async with board.kept(), board.kept():
            await board.became(gate, GatePhase.EXECUTED)
        assert [w for w in await board.writes() if w.startswith("asked")] == [
            "asked promote Shipboard, for Eve"
        ]


async def test_vote_of_who_may_no_longer_decide_does_not_count_when_it_is_carried_out(tmp_path):
    """SR-12."""

    async def gone(who: Principal) -> Principal | None:
        return None if who.name == "Eve" else who

    async with watched(fresh(tmp_path)) as board:
        async with board.kept():
            await board.here.ship_canary()
            gate = await board.opened()
        await board.say(gate)
        keeper = Gatekeeper(board.gates, board.here.perform, board.here.clusters, board.here.live, gone)
        await keeper.round()
        after = await board.gates.one(gate.id)
        assert (after.phase, after.decision) == (GatePhase.OPEN, None)
        assert "Approval" in after.message
        assert not [w for w in await board.writes() if w.startswith("asked")]


async def test_freeze_and_gate_hold_what_goes_forward_and_never_what_goes_back(tmp_path):
    only = Rules(PLACE, approvals=(Approvals(1),), four_eyes=False, only_by_gate=True)
    async with watched(fresh(tmp_path), only) as board, board.kept():
        await board.here.ship_canary()
        gate = await board.opened()
        with pytest.raises(Blocked) as refused:
            await board.here.perform.ask(ask(Verb.PROMOTE, CANARY), ADA)
        assert [b.rule for b in refused.value.blocked_by] == ["gate"]
        board.freezer.delivery = replace(board.freezer.delivery, freezes=(Freeze("f", "holidays"),))
        with pytest.raises(Blocked) as refused:
            await board.here.perform.ask(ask(Verb.PROMOTE, CANARY), ADA)
        assert {b.rule for b in refused.value.blocked_by} == {"freeze", "gate"}
        assert (await board.say(gate)).phase is GatePhase.OPEN
        done = await board.here.do(Verb.ABORT, CANARY)
        assert done.phase == "done", done
        back = await board.here.do(Verb.ROLLBACK, CANARY)
        assert back.phase == "done", back


async def test_nobody_can_pass_for_the_board_itself(tmp_path):
    only = Rules(PLACE, approvals=(Approvals(1),), four_eyes=False, only_by_gate=True)
    async with watched(fresh(tmp_path), only) as board:
        await board.here.ship_canary()
        with pytest.raises(Blocked):
            await board.here.perform.ask(ask(Verb.PROMOTE, CANARY, key="gate:1"), ADA)
        with pytest.raises(Blocked):
            await board.here.perform.ask(ask(Verb.PROMOTE, CANARY, key="another"), SYSTEM)


async def test_automatic_environment_decides_by_rule(tmp_path):
    rules = Rules(PLACE, Mode.AUTOMATIC, four_eyes=False)
    async with watched(fresh(tmp_path), rules) as board, board.kept():
        await board.here.ship_canary()
        gate = await board.opened(GatePhase.EXECUTED)
        assert gate.decision is not None
        assert (gate.decision.basis, gate.decision.by) == ("rule", "Shipboard")
