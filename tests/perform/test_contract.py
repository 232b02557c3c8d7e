"""One effect an intent: keys, expectations, conflicts, lost answers, crowds, and everything that says no."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.commands import CommandPhase, Expected, Verb
from app.domain.errors import StoreUnavailable
from app.domain.people import Principal, PrincipalKind
from app.domain.policy import ALLOWED, Blocker, Verdict
from app.engines.acting import STAMP
from app.perform import Ask, Blocked, KeyReused, Moved, NotKnown, Receipt, Rules
from app.perform.worker import Worker
from app.store import commands
from tests.demo.client import deployment, until
from tests.perform.rig import ADA, CANARY, NAME, VIEWER, WEB, Rig, ask, now, rig

pytestmark = pytest.mark.anyio


async def test_same_key_gives_the_same_command_and_another_ask_is_refused(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        first = await board.perform.ask(ask(Verb.RESTART, key="once"), ADA)
        again = await asyncio.gather(
            *(board.perform.ask(ask(Verb.RESTART, key="once"), ADA) for _ in range(20))
        )
        assert {receipt.id for receipt in again} == {first.id}
        with pytest.raises(KeyReused):
            await board.perform.ask(ask(Verb.PAUSE, key="once"), ADA)
        other = await board.perform.ask(ask(Verb.RESTART, key="once"), replace(ADA, subject="bob"))
        assert other.id != first.id
        await board.over(first)
        await board.over(other)
        assert [row.kind for row in await board.audit() if row.command == first.id] == [
            "asked",
            "sent",
            "done",
        ]


async def test_same_key_from_many_at_once_is_one_command(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        before = board.stored()["metadata"]["generation"]
        same = await asyncio.gather(*(board.perform.ask(ask(Verb.RESTART, key="x"), ADA) for _ in range(50)))
        assert len({receipt.id for receipt in same}) == 1
        assert (await board.over(same[0])).phase is CommandPhase.DONE
        assert board.stored()["metadata"]["generation"] == before + 1
        assert len(await board.audit(result="asked")) == 1


async def until_taken(board: Rig, each: Ask) -> Receipt:
    """The receipt; on a machine that is too busy for fifty at once, asked again with the same key, as clients do."""
    ends = asyncio.get_running_loop().time() + 60
    while True:
        try:
            return await board.perform.ask(each, ADA)
        except StoreUnavailable:
            assert asyncio.get_running_loop().time() < ends


async def test_fifty_clients_at_once_have_one_effect_an_intent(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        names = [f"d{n}" for n in range(25)]
        for name in names:
            body = deployment(replicas=1)
            body["metadata"]["name"] = name
            await board.client.call("POST", "/apis/apps/v1/namespaces/default/deployments", body)
        refs = [replace(WEB, name=name) for name in names]
        for ref in refs:
            await board.known(ref)
        before = {ref: board.stored(ref)["metadata"]["generation"] for ref in (WEB, *refs)}
        asked = [*(ask(Verb.PAUSE, ref) for ref in refs), *(ask(Verb.RESTART) for _ in range(25))]
        receipts = await asyncio.gather(*(until_taken(board, each) for each in asked))
        ended = [await board.over(receipt, 60) for receipt in receipts]

        assert len({receipt.id for receipt in ended}) == 50
        assert {receipt.phase for receipt in ended[:25]} == {CommandPhase.DONE}
        assert all(board.stored(ref)["metadata"]["generation"] == before[ref] + 1 for ref in refs)
        # Of those who all wanted the same thing replaced, the first got it; the others are told that it moved.
        done = [receipt for receipt in ended[25:] if receipt.phase is CommandPhase.DONE]
        assert done
        assert board.stored()["metadata"]["generation"] == before[WEB] + len(done)
        others = [receipt for receipt in ended[25:] if receipt.phase is not CommandPhase.DONE]
        assert all(
            receipt.phase is CommandPhase.REFUSED and "Nothing was changed" in receipt.message
            for receipt in others
        )
        rows = await board.audit()
        kinds = [row.kind for row in rows]
        assert kinds.count("asked") == 50
        assert kinds.count("sent") == kinds.count("done") == 25 + len(done)
        assert kinds.count("refused") == len(others)


async def test_moved_target_is_refused_with_the_difference_and_left_alone(database_url):
    async with rig(database_url) as board:
        await board.make_canary()
        await board.ship_canary("web:2.0")
        seen = (await board.perform.preview(ask(Verb.PROMOTE, CANARY), ADA)).expected
        await board.ship_canary("web:3.0")
        before = board.between.writes
        with pytest.raises(Moved) as caught:
            await board.perform.ask(ask(Verb.PROMOTE, CANARY, expected=seen), ADA)
        assert "the revision" in {d.what for d in caught.value.difference}
        assert board.between.writes == before
        (row,) = await board.audit()
        assert (row.kind, row.verb, row.command) == ("refused", "promote", "")
        assert "has changed since you looked" in row.result


async def test_target_that_moves_after_the_ask_is_not_written(database_url):
    async with rig(database_url, run=False) as board:
        await board.make_canary()
        await board.ship_canary("web:2.0")
        receipt = await board.perform.ask(ask(Verb.PROMOTE, CANARY), ADA)
        await board.ship_canary("web:3.0")
        working = asyncio.create_task(board.perform.run())
        ended = await board.over(receipt)
        working.cancel()
        assert ended.phase is CommandPhase.REFUSED
        assert "Nothing was changed" in ended.message
        assert board.between.writes == 0


async def test_abort_is_not_stopped_by_a_step_that_went_on(database_url):
    async with rig(database_url) as board:
        await board.make_canary()
        await board.ship_canary()
        seen = (await board.perform.preview(ask(Verb.ABORT, CANARY), ADA)).expected
        await board.do(Verb.PROMOTE, CANARY)
        receipt = await board.over(await board.perform.ask(ask(Verb.ABORT, CANARY, expected=seen), ADA))
        assert receipt.phase is CommandPhase.DONE, receipt.message


@pytest.mark.parametrize("fate", ["answer", "request"])
async def test_write_whose_connection_is_cut_happens_once(database_url, fate):
    async with rig(database_url) as board:
        await board.make_web()
        for round_ in range(5):
            before = board.stored()["metadata"]["generation"]
            board.between.cuts = iter([fate])
            receipt = await board.do(Verb.PAUSE if round_ % 2 == 0 else Verb.RESUME)
            assert receipt.phase is CommandPhase.DONE, receipt.message
            assert board.stored()["metadata"]["generation"] == before + 1
            assert board.stamp() == receipt.id
        assert board.between.cut == 5


async def test_promotion_cut_at_either_of_its_writes_takes_one_step(database_url):
    async with rig(database_url) as board:
        await board.make_canary(
            [{"setWeight": w} if n % 2 == 0 else {"pause": {}} for w in (10, 20, 30, 40, 50) for n in (0, 1)]
        )
        await board.ship_canary()
        for number, cuts in enumerate((["answer"], ["", "answer"], ["request"], ["", "request"])):
            board.between.cuts = iter(cuts)
            receipt = await board.do(Verb.PROMOTE, CANARY)
            assert receipt.phase is CommandPhase.DONE, receipt.message
            step = 2 * number + 3

            def waits(step: int = step) -> bool:
                status = board.stored(CANARY)["status"]
                return bool(status.get("pauseConditions")) and status["currentStepIndex"] == step

            await until(waits, f"it waits at step {step}")


async def test_writer_that_never_rests_is_outrun_or_given_up_but_never_forced(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        stop = asyncio.Event()

        async def storm() -> None:
            count = 0
            while not stop.is_set():
                count += 1
                body = {"metadata": {"annotations": {"storm": str(count)}}}
                await board.client.patch("/apis/apps/v1/namespaces/default/deployments/web", body)
                await asyncio.sleep(0.05)

        blowing = asyncio.create_task(storm())
        ended = await board.do(Verb.PAUSE)
        stop.set()
        await blowing
        assert ended.phase in (CommandPhase.DONE, CommandPhase.REFUSED)
        assert bool(board.stored()["spec"].get("paused")) is (ended.phase is CommandPhase.DONE)


async def test_who_may_not_act_is_refused_and_written_down(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        with pytest.raises(Blocked) as caught:
            await board.perform.ask(ask(Verb.RESTART), VIEWER)
        assert caught.value.forbidden
        preview = await board.perform.preview(ask(Verb.RESTART), VIEWER)
        assert [b.rule for b in preview.blocked_by] == ["role"]
        assert not preview.patches
        rows = await board.audit()
        assert [(row.kind, row.name) for row in rows] == [("refused", "Vi"), ("refused", "Vi")]
        assert board.between.writes == 0


async def test_reason_is_due_where_the_rules_say(database_url):
    async with rig(database_url, rules=Rules(frozenset({NAME}))) as board:
        await board.make_web()
        with pytest.raises(Blocked) as caught:
            await board.perform.ask(ask(Verb.RESTART, reason="  "), ADA)
        assert [b.rule for b in caught.value.blocked_by] == ["reason"]


async def test_rule_of_the_house_holds_when_asked_and_when_carried_out(database_url):
    frozen = False

    def freeze(command, state, at):
        return Verdict((Blocker("freeze", "Frozen until Monday."),)) if frozen else ALLOWED

    async with rig(database_url, rules=Rules(holds=(freeze,)), run=False) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.RESTART), ADA)
        frozen = True
        with pytest.raises(Blocked, match="Frozen"):
            await board.perform.ask(ask(Verb.RESTART), ADA)
        working = asyncio.create_task(board.perform.run())
        ended = await board.over(receipt)
        working.cancel()
        assert (ended.phase, [b.rule for b in ended.blocked_by]) == (CommandPhase.REFUSED, ["freeze"])
        assert board.between.writes == 0


@pytest.mark.parametrize("left", [None, VIEWER], ids=["session ended", "role taken"])
async def test_rights_revoked_between_ask_and_execution_stop_it(database_url, left):
    """SR-12: what counts is what whoever asked may do when it is done."""
    rights: Principal | None = ADA

    async def rights_now(principal: Principal) -> Principal | None:
        assert principal.identity == ADA.identity
        return rights

    async with rig(database_url, run=False, rights_now=rights_now) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.RESTART), ADA)
        rights = left
        working = asyncio.create_task(board.perform.run())
        ended = await board.over(receipt)
        rights = ADA
        done = await board.do(Verb.RESTART)
        working.cancel()
        assert (ended.phase, [b.rule for b in ended.blocked_by]) == (
            CommandPhase.REFUSED,
            ["role" if left else "revoked"],
        )
        assert "Nothing was changed" in ended.message
        assert done.phase is CommandPhase.DONE
        assert board.between.writes == 1
        assert [row.kind for row in await board.audit() if row.command == receipt.id] == ["asked", "refused"]


async def test_production_takes_a_recent_sign_in(database_url):
    """SR-09: a sign-in that is too old is told of like every other rule, and signing in again clears it."""
    old, fresh = (replace(ADA, signed_in_at=now() - timedelta(minutes=minutes)) for minutes in (16, 14))
    rules = Rules(frozenset({NAME}), step_up=timedelta(minutes=15))
    async with rig(database_url, rules=rules) as board:
        await board.make_web()
        with pytest.raises(Blocked) as caught:
            await board.perform.ask(ask(Verb.RESTART), old)
        assert caught.value.forbidden
        (blocker,) = caught.value.blocked_by
        assert (blocker.rule, blocker.clears) == ("step-up", "Sign in again.")
        assert [b.rule for b in (await board.perform.preview(ask(Verb.RESTART), old)).blocked_by] == [
            "step-up"
        ]
        (row,) = await board.audit()
        assert (row.kind, row.blocked_by) == ("refused", f"step-up: {blocker.message}")
        assert board.between.writes == 0
        receipt = await board.over(await board.perform.ask(ask(Verb.RESTART), fresh))
        assert receipt.phase is CommandPhase.DONE


@pytest.mark.parametrize(
    ("who", "environment", "minutes", "stale"),
    [
        ({}, "production", 15, True),
        ({}, "staging", 15, False),
        ({}, "production", None, False),  # the settings ask for none
        ({}, "production", 60, False),
        ({"kind": PrincipalKind.TOKEN}, "production", 15, False),
        ({"signed_in_at": None}, "production", 15, False),  # a proxy vouches, or nobody is asked
    ],
)
def test_sign_in_is_asked_for_where_somebody_ever_signs_in(who, environment, minutes, stale):
    """SR-09."""
    at = now()
    rules = Rules(frozenset({"production"}), step_up=timedelta(minutes=minutes) if minutes else None)
    principal = replace(ADA, **{"signed_in_at": at - timedelta(minutes=40), **who})
    assert bool(rules.stale(principal, environment, at)) is stale


async def test_without_the_act_role_nothing_is_offered(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        board.kube.faults.switch(forbid=[{"verb": "patch"}])
        offers = await board.perform.offers(WEB, ADA)
        assert all(any(b.rule == "access" for b in offer.blocked_by) for offer in offers.values())
        with pytest.raises(Blocked, match="Shipboard may not patch deployments in default"):
            await board.perform.ask(ask(Verb.RESTART), ADA)


async def test_what_the_server_refuses_in_rehearsal_is_not_tried(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        preview = await board.perform.preview(ask(Verb.SET_IMAGE, images={"web": "web:2.0"}), ADA)
        assert (preview.dry_run, board.between.writes) == ("accepted", 0)
        assert preview.patches
        with pytest.raises(Blocked):
            await board.perform.ask(ask(Verb.SET_IMAGE, images={"nobody": "web:2.0"}), ADA)
        assert board.between.writes == 0


async def test_cluster_that_is_gone_changes_nothing(database_url):
    async with rig(database_url, run=False) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.RESTART), ADA)
        board.clusters.clear()
        working = asyncio.create_task(board.perform.run())
        ended = await board.over(receipt, 40)
        working.cancel()
        assert ended.phase is CommandPhase.REFUSED
        assert "nothing was changed" in ended.message


async def test_object_made_anew_is_another_one(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        seen = (await board.perform.preview(ask(Verb.RESTART), ADA)).expected
        with pytest.raises(Moved):
            await board.perform.ask(ask(Verb.RESTART, expected=Expected("another-uid", seen.revision)), ADA)
        with pytest.raises(NotKnown):
            await board.perform.ask(ask(Verb.RESTART, replace(WEB, name="nobody")), ADA)


async def test_command_of_a_living_process_is_left_to_it_and_of_a_dead_one_taken(
    postgres_server, database_url
):
    if not database_url.startswith("postgresql"):
        return  # a SQLite file has one process
    async with rig(database_url, run=False) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.RESTART), ADA)
        async with board.database.writing() as session:
            assert await commands.claim(session, receipt.id, "another", receipt.asked_at)
            assert not await commands.claim(session, receipt.id, "third", receipt.asked_at)
        board.perform.worker._dead_after = 1.0

        alive = True

        async def beats() -> None:
            while alive:
                async with board.database.writing() as session:
                    await commands.live(session, "another")
                await asyncio.sleep(0.2)

        beating, working = asyncio.create_task(beats()), asyncio.create_task(board.perform.run())
        done, _ = await asyncio.wait([asyncio.create_task(board.over(receipt, 3.5))])
        assert isinstance(done.pop().exception(), AssertionError)
        alive = False
        await beating
        assert (await board.over(receipt)).phase is CommandPhase.DONE
        working.cancel()


async def test_command_of_who_was_in_the_same_place_before_is_taken_at_once(database_url):
    async with rig(database_url, run=False) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.RESTART), ADA)
        async with board.database.writing() as session:
            assert await commands.claim(session, receipt.id, "here/dead", receipt.asked_at)
        board.perform.worker = Worker(
            board.database, board.live, board.clusters, Rules(), now, dead_after=300, place="here"
        )
        working = asyncio.create_task(board.perform.run())
        assert (await board.over(receipt)).phase is CommandPhase.DONE
        working.cancel()


async def test_late_command_is_not_begun(database_url):
    async with rig(database_url, run=False) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.RESTART), ADA)
        later = receipt.deadline
        board.perform.worker._clock = lambda: later
        working = asyncio.create_task(board.perform.run())
        ended = await board.over(receipt)
        working.cancel()
        assert (ended.phase, board.between.writes) == (CommandPhase.REFUSED, 0)


async def test_worker_that_is_stopped_at_any_moment_leaves_the_rest_to_the_next(database_url):
    async with rig(database_url, run=False) as board:
        await board.make_web()
        for number in range(8):
            verb = Verb.PAUSE if number % 2 == 0 else Verb.RESUME
            before = board.stored()["metadata"]["generation"]
            working = asyncio.create_task(board.perform.run())
            receipt = await board.perform.ask(ask(verb), ADA)
            await asyncio.sleep(number * 0.004)  # not to wait for something: to be stopped anywhere
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            board.perform.worker = Worker(
                board.database, board.live, board.clusters, Rules(), now, dead_after=0.2
            )
            working = asyncio.create_task(board.perform.run())
            ended = await board.over(receipt)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            assert ended.phase is CommandPhase.DONE, ended.message
            assert board.stored()["metadata"]["generation"] == before + 1
        assert board.between.writes == 8


async def test_every_command_and_every_denial_has_its_entries(database_url):
    async with rig(database_url) as board:
        await board.make_web()
        refused = 0
        for number in range(30):
            verb = (Verb.PAUSE, Verb.RESUME, Verb.RESTART)[number % 3]
            try:
                await board.do(verb, expected=Expected(revision="another" if number % 5 == 4 else ""))
            except (Blocked, Moved):
                refused += 1
        async with board.database.reading() as connection:
            found = [await commands.one(connection, row.command) for row in await board.audit(result="asked")]
        kept = [each for each in found if each]
        rows = await board.audit()
        by_command = {
            each.command.id: [row.kind for row in rows if row.command == each.command.id] for each in kept
        }
        assert len(by_command) + refused == 30
        assert refused >= 6
        for each in kept:
            assert by_command[each.command.id][-1] == each.phase.value, by_command
            assert len(set(by_command[each.command.id])) == len(by_command[each.command.id])
        assert sum(not row.command for row in rows) == refused


@pytest.mark.parametrize("wrote", [True, False])
async def test_command_found_long_after_its_process_died_is_judged_by_what_the_object_bears(
    database_url, wrote
):
    async with rig(database_url, run=False) as board:
        await board.make_web()
        receipt = await board.perform.ask(ask(Verb.PAUSE), ADA)
        async with board.database.writing() as session:
            assert await commands.claim(session, receipt.id, "dead", receipt.asked_at)
        if wrote:
            body = {"metadata": {"annotations": {STAMP: receipt.id}}, "spec": {"paused": True}}
            await board.client.patch("/apis/apps/v1/namespaces/default/deployments/web", body)
        before = board.stored()["metadata"]["generation"]
        later = receipt.deadline + timedelta(hours=1)
        board.perform.worker = Worker(
            board.database, board.live, board.clusters, Rules(), lambda: later, dead_after=0.2
        )
        working = asyncio.create_task(board.perform.run())
        ended = await board.over(receipt)
        working.cancel()
        assert ended.phase is (CommandPhase.DONE if wrote else CommandPhase.REFUSED), ended.message
        assert (board.between.writes, board.stored()["metadata"]["generation"]) == (0, before)
