"""Every verb of every engine on a real control plane, through the door out and with the shipped rights: its effect is
seen by the collector, and it is what kubectl, or the patch that an operator documents, does to a twin.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.commands import Arguments, CommandPhase, Expected, Verb
from app.domain.refusals import Conflict, Invalid
from app.engines.acting import STAMP
from app.perform import Blocked, Moved
from app.perform.look import look
from app.perform.write import send
from tests.cluster.account import account
from tests.cluster.api import STRATEGIC
from tests.cluster.board import watching
from tests.cluster.conftest import new_namespace
from tests.cluster.flagger import hurry
from tests.cluster.levers import HELD_UNTIL, Twins, json_patch, path
from tests.cluster.manifests import (
    OWNERS,
    canary,
    colour,
    daemon_set,
    deployment,
    http_route,
    image,
    ingress,
    managed,
    native_canary,
    owner,
    pod_template,
    rollout,
    service,
    stateful_set,
    switch,
)

pytestmark = pytest.mark.anyio
STEPS = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}]
IMAGES = {"web": "web:3"}


@pytest.fixture(scope="module")
async def shipboard(real, tmp_path_factory):
    """The account of deploy/, and a board that runs as it and acts."""
    folder = tmp_path_factory.mktemp("acting")
    async with account(real, folder) as shipped, watching(shipped.kubeconfig, folder) as board:
        yield board
        shipped.used()  # nothing was refused


@pytest.fixture
async def places(real):
    """Two namespaces."""
    found = [await new_namespace(real.api) for _ in range(2)]
    for place in found:
        await real.api.until(f"/api/v1/namespaces/{place}/serviceaccounts/default", lambda _: True)
    yield found
    for place in found:
        await real.api.ask("DELETE", f"/api/v1/namespaces/{place}")


@pytest.fixture
def twins(real, shipboard, places, tmp_path):
    """Makes twins of a kind."""
    mine, theirs = places
    return lambda kind, name="web": Twins(real.api, shipboard, mine, theirs, tmp_path, kind, name)


def template(tag="web:1", **hollow):
    return pod_template("web", tag, **hollow)


async def ship(pair, tag, **hollow):
    """Another image for both, by somebody else."""
    body = image(tag, **hollow)
    if pair.kind != "Rollout":
        await pair.patch_both(body, how=STRATEGIC)
        return
    for place in (pair.mine, pair.theirs):
        containers = (await pair.api.get(pair.at(place)))["spec"]["template"]["spec"]["containers"]
        body["spec"]["template"]["spec"]["containers"] = [containers[0] | {"image": tag}]
        await pair.api.patch(pair.at(place), body)


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


def at_step(step):
    """Whether a canary waits at a step, by its newest spec."""

    def holds(root):
        status = root["status"]
        seen = status.get("observedGeneration") == str(root["metadata"]["generation"])
        return seen and status.get("pauseConditions") and status.get("currentStepIndex") == step

    return holds


async def test_canary_is_acted_on_as_the_plugin_does(twins):
    web = twins("Rollout")
    await web.both("Rollout", rollout("web", template(), {"canary": {"steps": STEPS}}, replicas=4))
    await web.settled()
    await ship(web, "web:2")
    await web.until(at_step(1))
    await web.known()

    await web.do(Verb.PAUSE)
    await web.documented({"spec": {"paused": True}})
    await web.alike()

    await web.do(Verb.RESUME)
    await web.documented({"spec": {"paused": False}})
    await web.alike()

    await web.do(Verb.PROMOTE)
    await web.status({"pauseConditions": None})
    await web.until(at_step(3))
    await web.alike()

    await web.do(Verb.ABORT)
    await web.status({"abort": True})
    await web.until(lambda root: root["status"]["phase"] == "Degraded")
    await web.alike()

    await web.do(Verb.RETRY)
    await web.status({"abort": False})
    await web.until(at_step(1))
    await web.alike()

    await web.do(Verb.PROMOTE_FULL)
    await web.status({"promoteFull": True})
    await web.settled()
    await web.alike()

    await web.do(Verb.RESTART)
    await web.documented({"spec": {"restartAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}})
    await web.settled()
    await web.alike()

    await web.do(Verb.ROLLBACK, revision=await web.revision("1"))
    body, how = json_patch(("replace", "/spec/template", await web.template("web:1")))
    await web.documented(body, how=how)
    await web.until(at_step(1))
    await web.alike()

    await web.do(Verb.SET_IMAGE, images=IMAGES)
    body, how = json_patch(("replace", "/spec/template/spec/containers/0/image", "web:3"))
    await web.documented(body, how=how)
    await web.until(at_step(1))
    await web.alike()

    back = await web.do(Verb.ROLLBACK)
    assert "web:2" in str(back.difference), "without a revision it goes to the stable one"
    body, how = json_patch(("replace", "/spec/template", await web.template("web:2")))
    await web.documented(body, how=how)
    await web.settled()
    await web.alike()


async def test_blue_green_is_acted_on_as_the_plugin_does(twins):
    web = twins("Rollout")
    for name in ("active", "preview"):
        await web.both("Service", service(name, "web"))
    strategy = {"blueGreen": {"activeService": "active", "previewService": "preview", "autoPromotionEnabled": False,
                              "scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}}  # fmt: skip
    await web.both("Rollout", rollout("web", template(), strategy))
    await web.settled()
    waits = lambda root: root["status"].get("pauseConditions") and root["status"].get("phase") == "Paused"  # noqa: E731
    await ship(web, "web:2")
    await web.until(waits)
    await web.known()

    await web.do(Verb.PAUSE)
    await web.documented({"spec": {"paused": True}})
    await web.alike()

    await web.do(Verb.RESUME)
    await web.documented({"spec": {"paused": False}})
    await web.alike()

    await web.do(Verb.PROMOTE)
    await web.status({"pauseConditions": None})
    await web.settled()
    await web.alike()

    await ship(web, "web:3")
    await web.until(waits)
    await web.do(Verb.ABORT)
    await web.status({"abort": True})
    await web.until(lambda root: root["status"]["phase"] == "Degraded")
    await web.alike()

    await web.do(Verb.RETRY)
    await web.status({"abort": False})
    await web.until(waits)
    await web.alike()

    await web.do(Verb.PROMOTE_FULL)
    await web.status({"promoteFull": True})
    await web.settled()
    await web.alike()

    await web.do(Verb.RESTART)
    await web.documented({"spec": {"restartAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}})
    await web.settled()
    await web.alike()

    await web.do(Verb.ROLLBACK, revision=await web.revision("2"))
    body, how = json_patch(("replace", "/spec/template", await web.template("web:2")))
    await web.documented(body, how=how)
    await web.until(waits)
    await web.alike()


async def test_service_is_switched_and_back_but_not_to_a_colour_that_reaches_nobody(twins):
    web = twins("Service")

    await web.both("Deployment", colour("web", "blue", "web:1"))
    await web.both("Service", switch("web", "blue"))
    await asyncio.sleep(1.1)  # revisions tell their age in whole seconds, and by it which colour is the newer
    await web.both("Deployment", colour("web", "green", "web:2", fail="never-ready"))
    await web.board.until(web.mine, "web", lambda one: one["version"] == "2", kind="Service")
    version = (await web.api.get(web.at(web.mine)))["metadata"]["resourceVersion"]
    with pytest.raises(Blocked, match="reach nobody"):
        await web.ask(Verb.SWITCH)
    assert (await web.api.get(web.at(web.mine)))["metadata"]["resourceVersion"] == version

    await web.patch_both(image("web:2", fail=""), "Deployment", "web-green", STRATEGIC)
    await web.board.until(web.mine, "web", lambda one: one["phase"] == "awaiting_approval", kind="Service")
    for there, goal in (("blue", "green"), ("green", "blue")):
        await web.do(Verb.SWITCH)
        body, _ = json_patch(
            ("test", "/spec/selector/color", there), ("replace", "/spec/selector/color", goal)
        )
        await web.kubectl("patch", "svc/web", "--type=json", "-p", str(body).replace("'", '"'))
        await web.alike()
        assert (await web.api.get(web.at(web.mine)))["spec"]["selector"]["color"] == goal


async def a_native_canary(web, route=""):
    """A stable Deployment, and a canary that waits beside it."""
    for each in native_canary("web", route):
        await web.both("Deployment", each)
    await web.board.until(web.mine, "web", lambda one: one["phase"] == "awaiting_approval")


async def test_weights_of_a_route_follow_and_the_canary_is_promoted(twins):
    web = twins("Deployment")
    await web.both("HTTPRoute", http_route("web", 10))
    await a_native_canary(web, "HTTPRoute/web")

    await web.do(Verb.SET_WEIGHT, weight=40)
    body, how = json_patch(
        ("replace", "/spec/rules/0/backendRefs/0/weight", 60),
        ("replace", "/spec/rules/0/backendRefs/1/weight", 40),
    )
    await web.api.patch(web.at(web.theirs, "HTTPRoute"), body, type=how)
    await web.alike()

    await web.do(Verb.ABORT)
    body[0]["value"], body[1]["value"] = 100, 0
    await web.api.patch(web.at(web.theirs, "HTTPRoute"), body, type=how)
    await web.alike()

    await web.do(Verb.PROMOTE)
    await web.kubectl("set", "image", "deploy/web", "web=web:2")
    await web.settled()
    await web.alike()


async def test_weight_of_an_ingress_follows(twins):
    web = twins("Deployment")
    await web.both("Ingress", ingress("web", 10))
    await a_native_canary(web, "Ingress/web")
    note = "nginx.ingress.kubernetes.io/canary-weight"

    await web.do(Verb.SET_WEIGHT, weight=30)
    await web.kubectl("annotate", "--overwrite", "ingress/web", f"{note}=30")
    await web.alike()

    await web.do(Verb.ABORT)
    await web.kubectl("annotate", "--overwrite", "ingress/web", f"{note}=0")
    await web.alike()


async def test_canary_without_a_route_is_scaled_away(twins):
    web = twins("Deployment")
    await a_native_canary(web)
    await web.do(Verb.ABORT)
    await web.kubectl("scale", "deploy/web-canary", "--replicas=0")
    await web.alike()


async def test_flagger_is_suspended_and_resumed(twins):
    web = twins("Canary")
    await web.both("Deployment", deployment("web", template()))
    web.beside.clear()  # Flagger scales it in its own time
    await web.both("Canary", canary("web", "http://127.0.0.1:1/"))
    hurrying = [asyncio.create_task(hurry(web.api, web.at(place))) for place in (web.mine, web.theirs)]
    await web.until(lambda root: (root.get("status") or {}).get("phase") == "Initialized")
    for task in hurrying:
        task.cancel()
    await asyncio.gather(*hurrying, return_exceptions=True)
    await web.known()
    for verb, suspend in ((Verb.PAUSE, "true"), (Verb.RESUME, "false")):
        await web.do(verb)
        await web.kubectl("patch", "canary/web", "--type=merge", "-p", f'{{"spec":{{"suspend":{suspend}}}}}')
        mine, theirs = [await web.api.get(web.at(place)) for place in (web.mine, web.theirs)]
        assert mine["spec"]["suspend"] is theirs["spec"]["suspend"] is (suspend == "true")
        assert mine["spec"] | {"analysis": 0} == theirs["spec"] | {"analysis": 0}
        assert mine["status"]["phase"] == theirs["status"]["phase"]
    for place in (web.mine, web.theirs):
        await web.api.delete(web.at(place))


ARGO_CD = {"syncPolicy": {"automated": {"enabled": False, "selfHeal": True}}}
HELD = {"Application": ARGO_CD, "Kustomization": {"suspend": True}, "HelmRelease": {"suspend": True}}
RELEASED = {
    "Application": {"syncPolicy": {"automated": {"enabled": True}}},
    "Kustomization": {"suspend": False},
    "HelmRelease": {"suspend": False},
}


@pytest.mark.parametrize("kind", OWNERS)
async def test_automation_of_an_owner_is_held_and_released(twins, kind):
    web = twins("Deployment")
    await web.both(kind, owner(kind, "web"))
    for place in (web.mine, web.theirs):
        made = managed(deployment("web", template()), kind, "web", place)
        await web.api.create(path("Deployment", place), made)
    await web.settled()
    await web.known()
    until = datetime.now(UTC) + timedelta(hours=1)
    note = until.strftime("%Y-%m-%dT%H:%M:%SZ")

    await web.do(Verb.HOLD, until=until)
    await web.api.patch(
        web.at(web.theirs, kind), {"spec": HELD[kind], "metadata": {"annotations": {HELD_UNTIL: note}}}
    )
    await web.kubectl("annotate", "deploy/web", f"{HELD_UNTIL}={note}")
    await web.alike()
    assert (await web.api.get(web.at(web.mine, kind)))["spec"] == HELD[kind]

    if kind == "Application":
        await web.do(Verb.SYNC, revision="aaaa")
        sync = {"revision": "aaaa", "source": {"repoURL": "x"}, "prune": False, "syncStrategy": {"apply": {}}}
        await web.api.patch(web.at(web.theirs, kind), {"operation": {"sync": sync}})
        mine, theirs = [await web.api.get(web.at(place, kind)) for place in (web.mine, web.theirs)]
        assert mine["operation"]["sync"] == theirs["operation"]["sync"]
        for place in (web.mine, web.theirs):
            await web.api.patch(web.at(place, kind), {"operation": None})

    await web.do(Verb.RELEASE)
    await web.api.patch(
        web.at(web.theirs, kind), {"spec": RELEASED[kind], "metadata": {"annotations": {HELD_UNTIL: None}}}
    )
    await web.kubectl("annotate", "deploy/web", f"{HELD_UNTIL}-")
    await web.alike()


async def test_two_clicks_on_one_promotion_take_one_step(twins):
    web = twins("Rollout")
    await web.api.create(
        path(web.kind, web.mine), rollout("web", template(), {"canary": {"steps": STEPS}}, replicas=4)
    )
    waits = at_step(1)
    await web.board.until(web.mine, "web", lambda one: one["attention"] == "good", kind="Rollout")
    body = image("web:2")
    body["spec"]["template"]["spec"]["containers"] = [template("web:2")["spec"]["containers"][0]]
    await web.api.patch(web.at(web.mine), body)
    await web.api.until(web.at(web.mine), waits)
    await web.board.until(web.mine, "web", lambda one: one["attention"] == "waiting", kind="Rollout")
    seen = (await look(web.board.cluster, web.ref)).expected

    clicks = await asyncio.gather(*(web.ask(Verb.PROMOTE, seen) for _ in range(4)), return_exceptions=True)
    taken = [each for each in clicks if not isinstance(each, BaseException)]
    assert taken
    assert all(isinstance(each, Moved | Blocked) for each in clicks if isinstance(each, BaseException)), (
        clicks
    )
    ended = [(await web.over(each)).phase for each in taken]
    assert sorted(ended) == [CommandPhase.DONE, *[CommandPhase.REFUSED] * (len(taken) - 1)]
    await web.api.until(web.at(web.mine), at_step(3))
    with pytest.raises(Moved):
        await web.ask(Verb.PROMOTE, seen)
    assert at_step(3)(await web.api.get(web.at(web.mine)))


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
        moved = (await web.api.get(web.at(web.mine)))["metadata"]["resourceVersion"]

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
    assert (await web.api.get(web.at(web.mine)))["metadata"]["resourceVersion"] == moved
