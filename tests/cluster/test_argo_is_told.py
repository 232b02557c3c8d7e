"""Argo Rollouts by its own controller, end to end: canary, blue-green and analysis."""

import pytest
from aiohttp import web

from tests.cluster.api import Obj
from tests.cluster.manifests import ARGO, CORE, analysis_template, pod_template, rollout, service
from tests.cluster.story import Story

pytestmark = pytest.mark.anyio


@pytest.fixture
async def story(real, board, namespace):
    await real.install_argo()
    return Story(real.api, board, namespace, "Rollout")


def canary(story, *steps, **more):
    strategy = {"canary": {"steps": list(steps)} | more}
    return rollout(story.name, pod_template(story.name, "web:1"), strategy)


async def promote(story):
    """What `kubectl argo rollouts promote` sends."""
    await story.true(lambda root: root["status"]["phase"] == "Paused")
    await story.tell({"pauseConditions": None}, lambda root: not root["status"].get("controllerPause"))


async def retry(story):
    """What `kubectl argo rollouts retry` sends."""
    await story.tell({"abort": False}, lambda root: "abortedAt" not in root["status"])


async def test_canary_waits_at_its_pause_and_lands_when_promoted(story):
    await story.begin(canary(story, {"setWeight": 50}, {"pause": {}}))
    await story.ship("web:2")
    paused = await story.shown(lambda one: one["attention"] == "waiting")
    assert paused["waits_for"]["kind"] == "person"
    assert (paused["strategy"], paused["step"], paused["weight"]["wanted"]) == ("canary", 1, 50)
    await story.page("waiting")
    truth = await story.true(lambda root: root["status"]["phase"] == "Paused")
    assert truth["status"]["currentStepIndex"] == 1
    await promote(story)
    await story.good("web:2")
    assert (await story.board.rollouts(story.name))[-1]["outcome"] == "promoted"
    await story.end()


async def test_aborted_canary_is_failed_until_it_is_retried(story):
    await story.begin(canary(story, {"setWeight": 50}, {"pause": {}}))
    await story.ship("web:2")
    await story.shown(lambda one: one["attention"] == "waiting")
    await story.tell({"abort": True}, lambda root: root["status"]["phase"] == "Degraded")
    aborted = await story.shown(lambda one: one["phase"] == "aborted")
    assert aborted["attention"] == "failed"
    await story.page("failed")
    await retry(story)
    await story.shown(lambda one: one["attention"] == "waiting")
    await promote(story)
    await story.good("web:2")
    outcomes = [one["outcome"] for one in await story.board.rollouts(story.name)]
    assert outcomes == ["promoted", "aborted", "promoted"]
    await story.end()


async def test_blue_green_waits_for_its_switch_and_then_the_active_service_selects_the_new(story):
    for name in ("active", "preview"):
        await story.api.create(f"{CORE}/{story.namespace}/services", service(name, story.name))
    strategy = {"blueGreen": {"activeService": "active", "previewService": "preview", "autoPromotionEnabled": False,
                              "scaleDownDelaySeconds": 1}}  # fmt: skip
    await story.begin(rollout(story.name, pod_template(story.name, "web:1"), strategy))
    await story.ship("web:2")
    waiting = await story.shown(lambda one: one["attention"] == "waiting")
    assert (waiting["strategy"], waiting["version"], waiting["stable_version"]) == ("blue_green", "2", "1")
    roles = {revision["version"]: revision["roles"] for revision in waiting["revisions"]}
    assert "active" in roles["1"]
    assert "preview" in roles["2"]
    await promote(story)
    await story.good("web:2")
    active = await story.api.get(f"{CORE}/{story.namespace}/services/active")
    truth = await story.true(lambda root: root["status"]["phase"] == "Healthy")
    assert (
        active["spec"]["selector"]["rollouts-pod-template-hash"]
        == truth["status"]["blueGreen"]["activeSelector"]
    )
    await story.end()


@pytest.fixture
async def metric():
    """A metric on loopback that says `ok`, as the test sets it."""
    said: Obj = {"ok": True}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(said)

    site = web.Application()
    site.router.add_get("/", answer)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    said["url"] = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield said
    await runner.cleanup()


async def test_analysis_that_fails_aborts_and_one_that_passes_lands(story, metric):
    templates = f"{ARGO}/{story.namespace}/analysistemplates"
    await story.api.create(templates, analysis_template("metric", metric["url"]))
    analysis = {"analysis": {"templates": [{"templateName": "metric"}]}}
    await story.begin(canary(story, {"setWeight": 50}, analysis))
    metric["ok"] = False
    await story.ship("web:2")
    await story.shown(lambda one: one["phase"] == "aborted")
    await story.page("failed")
    metric["ok"] = True
    await retry(story)
    await story.good("web:2")
    await story.end()
