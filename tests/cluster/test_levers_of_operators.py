"""Verbs of Argo Rollouts, Flagger, and what holds the automation of an owner: what they do is what the patches that
each operator documents (for Argo Rollouts those of its kubectl plugin) do to a twin.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.commands import CommandPhase, Verb
from app.engines.owners import HELD_UNTIL
from app.perform import Blocked, Moved
from app.perform.look import look
from tests.cluster.flagger import hurry
from tests.cluster.levers import json_patch, path, ship, template
from tests.cluster.manifests import (
    OWNERS,
    canary,
    deployment,
    image,
    managed,
    owner,
    rollout,
    service,
)

pytestmark = pytest.mark.anyio
IMAGES = {"web": "web:3"}
STEPS = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}]


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
    # and the preview is gone: what the controller wrote by then is what it goes on from
    await web.until(lambda root: root["status"]["phase"] == "Degraded" and root["status"]["replicas"] == 2)
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
        await web.do(Verb.SYNC)  # to the sync before the last
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
