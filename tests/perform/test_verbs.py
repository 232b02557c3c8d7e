"""Verbs against the embedded cluster: what is asked is written, and done when it is seen."""

import pytest

from app.domain.commands import CommandPhase, Verb
from tests.perform.rig import ADA, CANARY, WEB, rig

pytestmark = pytest.mark.anyio


async def test_deployment_is_paused_resumed_restarted_and_rolled_back(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        first = board.stored()["metadata"]["uid"]
        await board.ship("web:2.0")
        await board.known(WEB)

        paused = await board.do(Verb.PAUSE)
        assert (paused.phase, board.stored()["spec"]["paused"]) == (CommandPhase.DONE, True), paused.message
        assert board.stamp() == paused.id
        assert paused.sent_at
        assert paused.seen_at
        assert paused.asked_at <= paused.sent_at <= paused.seen_at

        resumed = await board.do(Verb.RESUME)
        assert resumed.phase is CommandPhase.DONE, resumed.message
        assert not board.stored()["spec"].get("paused")

        restarted = await board.do(Verb.RESTART)
        assert restarted.phase is CommandPhase.DONE, restarted.message

        known = await board.perform.known(WEB)
        target = next(each.key for each in known.state.revisions if each.version == "1.0")
        assert target in (await board.perform.offers(WEB, ADA))[Verb.ROLLBACK].targets
        back = await board.do(Verb.ROLLBACK, revision=target)
        assert back.phase is CommandPhase.DONE, back.message
        assert board.stored()["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1.0"
        assert board.stored()["metadata"]["uid"] == first
        rows = [(row.verb, row.kind) for row in await board.audit()]
        assert rows == [
            (verb, kind)
            for verb in ("pause", "resume", "restart", "rollback")
            for kind in ("asked", "sent", "done")
        ]


async def test_canary_is_promoted_aborted_and_retried(database_url):
    async with rig(database_url) as board:
        await board.make_canary()
        await board.ship_canary()
        promoted = await board.do(Verb.PROMOTE, CANARY)
        assert promoted.phase is CommandPhase.DONE, promoted.message
        await board.phase("Paused")
        assert board.stored(CANARY)["status"]["currentStepIndex"] == 3

        aborted = await board.do(Verb.ABORT, CANARY)
        assert (aborted.phase, board.stored(CANARY)["status"]["abort"]) == (CommandPhase.DONE, True), aborted

        retried = await board.do(Verb.RETRY, CANARY)
        assert retried.phase is CommandPhase.DONE, retried.message
        await board.phase("Paused")

        full = await board.do(Verb.PROMOTE_FULL, CANARY)
        assert full.phase is CommandPhase.DONE, full.message
        await board.phase("Healthy")
