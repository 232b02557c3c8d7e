"""The database goes in the middle of a command: on its COMMIT, before it is through or after it was done, or for a
while. What is asked for happens once; who asked is told so, or to ask again (F-35, F-37)."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from app.domain.commands import MOVES, CommandPhase, Verb
from app.domain.errors import StoreUnavailable
from app.engines.deployment_acts import RESTARTED
from app.engines.drafting import moment
from app.perform import Receipt
from tests.perform.rig import ADA, Rig, ask, eventually, rig
from tests.postgres_proxy import postgres_proxy

pytestmark = pytest.mark.anyio


async def asked(rig: Rig, key: str) -> Receipt:
    """Ask under one key until there is an answer, as a client does that is told 503."""

    async def taken() -> Receipt | None:
        try:
            return await rig.perform.ask(ask(Verb.RESTART, key=key), ADA)
        except StoreUnavailable:
            return None

    found: Receipt = await eventually(taken, "it is taken", 60)
    return found


async def ended(rig: Rig, receipt: Receipt) -> Receipt:
    """The command once it is over, whatever the database does meanwhile."""

    async def over() -> Receipt | None:
        try:
            found = await rig.perform.receipt(receipt.id)
        except StoreUnavailable:
            return None
        return None if found.phase in MOVES else found

    found: Receipt = await eventually(over, "it is over", 60)
    return found


async def test_command_happens_once_whichever_commit_is_lost(postgres_url, tmp_path):
    async with postgres_proxy(postgres_url, tmp_path) as between, rig(between.url) as board:
        await board.make_web()
        for number, how in itertools.product(range(3), ("before", "after")):
            await eventually(partial(in_another_second, board), "another second")
            before = board.stored()["metadata"]["generation"]
            between.fate = nth(number, how)
            receipt = await ended(board, await asked(board, f"{number} {how}"))
            assert receipt.phase is CommandPhase.DONE, receipt.message
            assert board.stored()["metadata"]["generation"] == before + 1
            between.fate = str
            kinds = [row.kind for row in await board.audit() if row.command == receipt.id]
            assert kinds == ["asked", "sent", "done"]
        assert between.cut == {"before": 3, "after": 3}


async def in_another_second(board: Rig) -> bool:
    """Whether it was not restarted in this second: two restarts in one are one."""
    marks = board.stored()["spec"]["template"]["metadata"].get("annotations", {})
    return bool(marks.get(RESTARTED[-1]) != moment(datetime.now(UTC)))


def nth(number: int, how: str) -> Callable[[], str]:
    """The fate of the COMMIT after `number` others."""
    left = itertools.count()
    return lambda: how if next(left) == number else ""


async def test_command_waits_for_a_database_that_is_away(postgres_url, tmp_path):
    async with postgres_proxy(postgres_url, tmp_path) as between, rig(between.url) as board:
        await board.make_web()
        before = board.stored()["metadata"]["generation"]
        receipt = await asked(board, "begun")
        between.leave()
        with pytest.raises(StoreUnavailable):
            await board.perform.ask(ask(Verb.RESTART, key="away"), ADA)
        between.come_back()
        assert (await ended(board, receipt)).phase is CommandPhase.DONE
        assert (await ended(board, await asked(board, "away"))).phase is CommandPhase.DONE
        assert board.stored()["metadata"]["generation"] == before + 2
