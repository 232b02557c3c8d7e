"""Every verb on a real control plane, through the door out and with the shipped rights: its effect is seen by the
collector, and it is what kubectl does to a twin. Here the native kinds; see also `test_levers_of_*.py`.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.commands import Arguments, CommandPhase, Expected, Verb
from app.domain.refusals import Conflict, Invalid
from app.engines.acting import STAMP
from app.perform import Blocked, Moved
from app.perform.look import look
from app.perform.write import send
from tests.cluster.api import STRATEGIC
from tests.cluster.board import watching
from tests.cluster.levers import Twins, path, ship, template
from tests.cluster.manifests import (
    daemon_set,
    deployment,
    image,
    stateful_set,
)

pytestmark = pytest.mark.anyio
IMAGES = {"web": "web:3"}


async def test_deployment_is_acted_on_as_kubectl_does(twins):
    web = twins("Deployment")
    await web.both("Deployment", deployment("web", template()))
    await web.settled()
    await ship(web, "web:2")
    await web.settled()
    await web.known()

    await web.do(Verb.SET_IMAGE, images=IMAGES)
    await web.kubectl("set", "image", "deploy/web", "web=web:3")
    await web.settled()
    await web.alike()

    paused = await web.do(Verb.PAUSE)
    await web.kubectl("rollout", "pause", "deploy/web")
    await web.alike()
    mine = await web.api.get(web.at(web.mine))
    assert mine["metadata"]["annotations"][STAMP] == paused.id
    managers = {each["manager"] for each in mine["metadata"]["managedFields"]}
    assert "shipboard" in managers, "the object says who changed it"

    await web.do(Verb.SET_IMAGE, images={"web": "web:4"})
    await web.kubectl("set", "image", "deploy/web", "web=web:4")
    await web.alike()
    with pytest.raises(Blocked, match="paused"):
        await web.ask(Verb.RESTART)

    await web.do(Verb.RESUME)
    await web.kubectl("rollout", "resume", "deploy/web")
    await web.settled()
    await web.alike()

    await web.do(Verb.RESTART)
    await web.kubectl("rollout", "restart", "deploy/web")
    await web.settled()
    await web.alike()

    for version in ("1", "3"):
        await web.do(Verb.ROLLBACK, revision=await web.revision(version))
        number = await web.number(f"web:{version}")
        await web.kubectl("rollout", "undo", "deploy/web", f"--to-revision={number}")
        await web.settled()
        await web.alike()


async def test_stateful_set_is_acted_on_as_kubectl_does(twins):
    web = twins("StatefulSet")
    await web.both("StatefulSet", stateful_set("web", template(), partition=2))
    await web.settled()
    await ship(web, "web:2")
    await web.until(
        lambda root: root["status"].get("updatedReplicas") == 1 == root["status"]["readyReplicas"] - 2
    )
    await web.known()
    await web.board.until(web.mine, "web", lambda one: one["phase"] == "paused", kind="StatefulSet")

    for verb, partition in ((Verb.PROMOTE, 1), (Verb.PROMOTE_FULL, 0)):
        await web.do(verb)
        body = f'{{"spec":{{"updateStrategy":{{"rollingUpdate":{{"partition":{partition}}}}}}}}}'
        await web.kubectl("patch", "sts/web", "-p", body)
        await web.until(
            lambda root, left=partition: (
                root["status"].get("updatedReplicas") == 3 - left and root["status"]["readyReplicas"] == 3
            )
        )
        await web.alike()
    await web.settled()

    await web.do(Verb.SET_IMAGE, images=IMAGES)
    await web.kubectl("set", "image", "sts/web", "web=web:3")
    await web.settled()
    await web.alike()

    await web.do(Verb.RESTART)
    await web.kubectl("rollout", "restart", "sts/web")
    await web.settled()
    await web.alike()

    await web.do(Verb.ROLLBACK, revision=await web.revision("1"))
    await web.kubectl("rollout", "undo", "sts/web", f"--to-revision={await web.number('web:1')}")
    await web.settled()
    await web.alike()


async def test_pod_that_blocks_an_ordered_set_is_deleted_with_the_undo(twins):
    web = twins("StatefulSet")
    await web.both("StatefulSet", stateful_set("web", template()))
    await web.settled()
    await web.known()
    await ship(web, "web:bad")
    await web.board.until(web.mine, "web", lambda one: one["attention"] == "failed", kind="StatefulSet")
    kept = [await web.api.get(web.at(web.mine, "Pod", f"web-{n}")) for n in range(3)]
    uids = [pod["metadata"]["uid"] for pod in kept]

    target = await web.revision("1")
    await web.do(Verb.ROLLBACK, revision=target, delete_blocking=True)
    await web.kubectl("rollout", "undo", "sts/web")
    # a pod that is deleted before the controller has noticed the undo comes back broken; the plan waits by itself
    await web.until(lambda root: root["status"]["observedGeneration"] == root["metadata"]["generation"])
    await web.kubectl("delete", "pod", "web-2", "--wait=false")
    await web.settled()
    await web.alike()
    now = [(await web.api.get(web.at(web.mine, "Pod", f"web-{n}")))["metadata"]["uid"] for n in range(3)]
    assert [a == b for a, b in zip(uids, now, strict=True)] == [True, True, False]


async def test_daemon_set_is_acted_on_as_kubectl_does(twins):
    web = twins("DaemonSet")
    await web.both("DaemonSet", daemon_set("web", template(), maxUnavailable=3))
    await web.settled()
    await ship(web, "web:2")
    await web.settled()
    await web.known()

    await web.do(Verb.SET_IMAGE, images=IMAGES)
    await web.kubectl("set", "image", "ds/web", "web=web:3")
    await web.settled()
    await web.alike()

    await web.do(Verb.RESTART)
    await web.kubectl("rollout", "restart", "ds/web")
    await web.settled()
    await web.alike()

    await web.do(Verb.ROLLBACK, revision=await web.revision("1"))
    await web.kubectl("rollout", "undo", "ds/web", f"--to-revision={await web.number('web:1')}")
    await web.settled()
    await web.alike()


async def test_target_that_moved_is_left_as_it_is(twins, tmp_path, real):
    web = twins("Deployment")
    await web.api.create(path(web.kind, web.mine), deployment("web", template()))
    await web.board.until(web.mine, "web", lambda one: one["attention"] == "good")
    before = await look(web.board.cluster, web.ref)
    plan = before.plan(Verb.PAUSE, Arguments(), datetime.now(UTC), "c1")
    async with watching(real.api.kubeconfig, tmp_path, acts=False) as idle:
        mine = Twins(web.api, idle, web.mine, web.theirs, tmp_path, "Deployment")
        await mine.known()
        receipt = await mine.ask(Verb.RESTART, before.expected)
        await web.api.patch(web.at(web.mine), image("web:2"), type=STRATEGIC)
        await web.board.until(
            web.mine, "web", lambda one: one["attention"] == "good" and one["version"] == "2"
        )
        moved = wanted(await web.api.get(web.at(web.mine)))

        working = asyncio.create_task(idle.perform.run())
        ended = await mine.over(receipt)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert ended.phase is CommandPhase.REFUSED, ended.message
        assert "has changed" in ended.message
    with pytest.raises(Moved):
        await web.ask(Verb.RESTART, before.expected)
    with pytest.raises(Moved):
        await web.ask(Verb.PAUSE, Expected("another-uid"))
    with pytest.raises((Conflict, Invalid)):
        await send(web.board.cluster, plan)
    assert wanted(await web.api.get(web.at(web.mine))) == moved


def wanted(root: Any) -> Any:
    """What people write of an object: controllers may write its status at any time."""
    head = root["metadata"]
    return root["spec"], head["generation"], head.get("annotations", {}).get(STAMP)
