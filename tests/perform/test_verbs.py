"""Every verb against the embedded cluster: what is asked is written, and done when it is seen.

It has no Ingress and nothing that manages workloads; those are in tests/cluster/test_levers_of_*.py, on a real one.
"""

import asyncio

import pytest

from app.domain.commands import CommandPhase, Verb
from app.domain.names import WorkloadRef
from app.domain.rollout import Phase
from app.perform import Blocked
from tests.demo.client import MERGE, daemonset, deployment, statefulset, template
from tests.perform.rig import ADA, CANARY, NAME, WEB, rig

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


async def test_canary_is_paused_resumed_restarted_and_rolled_back(database_url):
    async with rig(database_url) as board:
        await board.make_canary()
        await board.ship_canary()
        await board.done(Verb.PAUSE, CANARY)
        assert board.stored(CANARY)["spec"]["paused"] is True
        await board.done(Verb.RESUME, CANARY)
        await board.phase("Paused")
        assert board.stored(CANARY)["status"]["currentStepIndex"] == 1, "no step was skipped"
        await board.done(Verb.SET_IMAGE, CANARY, images={"web": "web:3.0"})
        await board.phase("Paused")
        back = await board.done(Verb.ROLLBACK, CANARY)
        assert "web:1.0" in str(back.difference), "to the stable one"
        await board.phase("Healthy")
        await board.done(Verb.RESTART, CANARY)
        await board.phase("Healthy")
        with pytest.raises(Blocked, match="never became healthy"):
            await board.done(Verb.ROLLBACK, CANARY, revision=await board.key(CANARY, "2.0"))


async def test_blue_green_is_promoted_aborted_retried_and_rolled_back(database_url):
    async with rig(database_url) as board:
        await board.make_blue_green()
        await board.ship_canary()
        await board.done(Verb.PAUSE, CANARY)
        await board.done(Verb.RESUME, CANARY)
        await board.phase("Paused")
        await board.done(Verb.ABORT, CANARY)
        await board.done(Verb.RETRY, CANARY)
        await board.phase("Paused")
        await board.done(Verb.PROMOTE, CANARY)
        await board.phase("Healthy")
        assert board.stored(CANARY)["status"]["stableRS"] == board.stored(CANARY)["status"]["currentPodHash"]
        await board.shown(CANARY, lambda state: state.phase is Phase.IDLE)  # so it is known to have been live
        await board.ship_canary("web:3.0")
        await board.done(Verb.PROMOTE_FULL, CANARY)
        await board.phase("Healthy")
        await board.done(Verb.RESTART, CANARY)
        await board.phase("Healthy")
        await board.done(Verb.ROLLBACK, CANARY, revision=await board.key(CANARY, "2.0"))
        await board.phase("Paused")


async def test_stateful_set_is_promoted_restarted_and_rolled_back(database_url):
    async with rig(database_url) as board:
        db = await board.make(statefulset(updateStrategy={"rollingUpdate": {"partition": 2}}))
        await board.shown(db, lambda state: state.phase is Phase.IDLE)
        await board.change(
            db, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "db:2"}]}}}}
        )
        await board.shown(db, lambda state: state.phase is Phase.PAUSED)
        await board.done(Verb.PROMOTE, db)
        assert board.stored(db)["spec"]["updateStrategy"]["rollingUpdate"]["partition"] == 1
        await board.done(Verb.PROMOTE_FULL, db)
        await board.shown(db, lambda state: state.phase is Phase.IDLE and state.counts.updated == 3)
        await board.done(Verb.SET_IMAGE, db, images={"web": "db:3"})
        await board.done(Verb.RESTART, db)
        await board.done(Verb.ROLLBACK, db, revision=await board.key(db, "1"))
        state = await board.shown(db, lambda state: state.phase is Phase.IDLE)
        assert state.revision
        assert state.revision.version == "1"


async def test_pod_that_blocks_an_ordered_set_is_deleted_with_the_undo(database_url):
    async with rig(database_url) as board:
        db = await board.make(statefulset())
        await board.shown(db, lambda state: state.phase is Phase.IDLE)
        body = template("db:2", fail="crash")
        body["metadata"]["labels"] = {"app": "db"}
        await board.change(db, {"spec": {"template": body}})
        broken = await board.shown(db, lambda state: state.problems and state.counts.updated)
        before = {pod.name for pod in broken.pods if pod.condition.value == "failing"}
        target = await board.key(db, "1")
        back = await board.done(Verb.ROLLBACK, db, revision=target, delete_blocking=True)
        assert [each.method for each in back.patches] == ["PATCH", "DELETE"]
        assert back.patches[1].path.rpartition("/")[2] in before
        await board.shown(db, lambda state: state.phase is Phase.IDLE and state.counts.ready == 3)


async def test_daemon_set_is_restarted_and_rolled_back(database_url):
    async with rig(database_url) as board:
        agent = await board.make(daemonset())
        await board.shown(agent, lambda state: state.phase is Phase.IDLE)
        await board.done(Verb.SET_IMAGE, agent, images={"web": "agent:2"})
        await board.done(Verb.RESTART, agent)
        await board.done(Verb.ROLLBACK, agent, revision=await board.key(agent, "1"))
        await board.shown(agent, lambda state: state.phase is Phase.IDLE)
        assert board.stored(agent)["spec"]["template"]["spec"]["containers"][0]["image"] == "agent:1"


def colour(name, tag, **marks):
    body = template(tag, **marks)
    body["metadata"]["labels"]["color"] = name
    made = deployment(replicas=2, pod=body, selector={"matchLabels": {"app": "web", "color": name}})
    made["metadata"]["name"] = f"web-{name}"
    return made


async def test_service_is_switched_and_back_but_not_to_a_colour_that_reaches_nobody(database_url):
    async with rig(database_url) as board:
        await board.make(colour("blue", "web:1.0"))
        spec = {"selector": {"app": "web", "color": "blue"}, "ports": [{"port": 80}]}
        notes = {"shipboard/switch": "color"}
        web = await board.make({"metadata": {"name": "web", "annotations": notes}, "spec": spec}, "Service")
        await board.shown(web, lambda state: state.phase is Phase.IDLE)
        await asyncio.sleep(1.1)  # revisions tell their age in whole seconds
        await board.make(colour("green", "web:2.0", fail="never-ready"))
        await board.shown(web, lambda state: len(state.lanes) == 2)
        with pytest.raises(Blocked, match="reach nobody"):
            await board.do(Verb.SWITCH, web)
        assert board.stored(web)["spec"]["selector"]["color"] == "blue"
        green = WorkloadRef(NAME, "default", "Deployment", "web-green")
        await board.change(
            green, {"spec": {"template": colour("green", "web:2.0")["spec"]["template"]}}, MERGE
        )
        notes_ = {"metadata": {"annotations": {"hollow/fail": None}}}
        await board.change(green, {"spec": {"template": notes_}}, MERGE)
        await board.shown(web, lambda state: state.phase is Phase.AWAITING_APPROVAL)
        for goal in ("green", "blue"):
            await board.done(Verb.SWITCH, web)
            assert board.stored(web)["spec"]["selector"]["color"] == goal


async def native_canary(board, route):
    """A stable Deployment with a canary that waits beside it."""
    for suffix, track, tag in (("", "stable", "web:1.0"), ("-canary", "canary", "web:2.0")):
        body, labels = template(tag), {"app": "web", "track": track}
        body["metadata"]["labels"] = labels
        made = deployment(replicas=1, pod=body, selector={"matchLabels": labels})
        made["metadata"]["name"] = f"web{suffix}"
        if not suffix:
            made["metadata"]["annotations"] = {"shipboard/canary": "web-canary", **route}
        await board.make(made)
    await board.shown(WEB, lambda state: state.phase is Phase.AWAITING_APPROVAL)


async def test_weights_of_a_route_follow_and_the_canary_is_promoted(database_url):
    async with rig(database_url, everything=True) as board:
        refs = [{"name": "web", "port": 80, "weight": 90}, {"name": "web-canary", "port": 80, "weight": 10}]
        spec = {"rules": [{"backendRefs": refs}]}
        route = await board.make({"metadata": {"name": "web"}, "spec": spec}, "HTTPRoute")
        await native_canary(board, {"shipboard/canary-route": "HTTPRoute/web"})
        for verb, weight, arguments in ((Verb.SET_WEIGHT, 40, {"weight": 40}), (Verb.ABORT, 0, {})):
            await board.done(verb, WEB, **arguments)
            found = board.stored(route)["spec"]["rules"][0]["backendRefs"]
            assert [each["weight"] for each in found] == [100 - weight, weight]
        await board.done(Verb.PROMOTE, WEB)
        assert board.stored(WEB)["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2.0"


async def test_canary_without_a_route_is_scaled_away(database_url):
    async with rig(database_url) as board:
        await native_canary(board, {})
        await board.done(Verb.ABORT, WEB)
        assert board.stored(WorkloadRef(NAME, "default", "Deployment", "web-canary"))["spec"]["replicas"] == 0


async def test_flagger_is_suspended_and_resumed(database_url):
    async with rig(database_url, everything=True) as board:
        for name in ("web", "web-primary"):
            made = deployment(replicas=1)
            made["metadata"]["name"] = name
            for part in (
                made["spec"]["selector"]["matchLabels"],
                made["spec"]["template"]["metadata"]["labels"],
            ):
                part["app"] = name
            await board.make(made)
        spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "analysis": {}}
        ref = await board.make({"metadata": {"name": "web"}, "spec": spec}, "Canary")
        path = "/apis/flagger.app/v1beta1/namespaces/default/canaries/web/status"
        status, answer = await board.client.patch(
            path, {"status": {"phase": "Initialized", "canaryWeight": 0}}
        )
        assert status == 200, answer
        await board.shown(ref, lambda state: state.phase is not Phase.UNKNOWN)
        for verb, suspended in ((Verb.PAUSE, True), (Verb.RESUME, False)):
            await board.done(verb, ref)
            assert board.stored(ref)["spec"]["suspend"] is suspended
