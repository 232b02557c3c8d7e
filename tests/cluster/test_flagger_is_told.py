"""Flagger by its own controller, end to end: blue-green without a mesh, with a gate before the promotion."""

import asyncio

import pytest
from aiohttp import web

from app.domain.facts import WorkloadObserved
from tests.cluster.api import Obj
from tests.cluster.flagger import hurry
from tests.cluster.manifests import APPS, canary, deployment, pod_template
from tests.cluster.story import Story

pytestmark = pytest.mark.anyio
STAGES = ["Progressing", "WaitingPromotion", "Promoting", "Finalising", "Succeeded"]


@pytest.fixture
async def gate():
    """A confirm-promotion hook on loopback that lets pass when the test says so; `asked` counts."""
    said: Obj = {"open": False, "asked": 0}

    async def answer(_: web.Request) -> web.Response:
        said["asked"] += 1
        return web.Response(status=200 if said["open"] else 403)

    site = web.Application()
    site.router.add_post("/", answer)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    said["url"] = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield said
    await runner.cleanup()


@pytest.fixture
async def story(real, board, namespace):
    await real.install_flagger()
    story = Story(real.api, board, namespace, "Canary")
    template = pod_template(story.name, "web:1")
    await story.api.create(f"{APPS}/{namespace}/deployments", deployment(story.name, template))
    yield story
    await story.api.delete(story.path)


async def phases(story, heard):
    """Write down each phase that Flagger gives the Canary."""
    version = (await story.api.get(story.collection))["metadata"]["resourceVersion"]
    async for event in story.api.watch(story.collection, version, seconds=120):
        phase = event["object"]["status"]["phase"]
        if heard[-1:] != [phase]:
            heard.append(phase)


def told(story):
    """Each phase the board was told of, without doubles."""
    facts = [fact for _, fact in story.board.said if isinstance(fact, WorkloadObserved)]
    said = [fact.state.phase.value for fact in facts if fact.uid == story.uid]
    return [one for one, before in zip(said, [None, *said], strict=False) if one != before]


async def test_canary_without_a_mesh_is_told_at_each_stage_and_waits_at_its_gate(story, gate):
    hurrying = asyncio.create_task(started(story, gate))
    await story.begin(canary(story.name, gate["url"]), "web:1")
    heard: list[str] = []
    following = asyncio.create_task(phases(story, heard))
    try:
        before = len(told(story))
        await story.ship("web:2")
        checked = await story.shown(lambda one: one["phase"] == "verifying")
        assert (checked["attention"], checked["version"], checked["stable_version"]) == ("moving", "2", "1")
        await story.page("moving")
        waiting = await story.shown(lambda one: one["phase"] == "awaiting_approval")
        assert (waiting["attention"], waiting["waits_for"]["kind"]) == ("waiting", "person")
        assert "release" in waiting["waits_for"]["what"]
        await story.page("waiting")
        asked = gate["asked"]
        async with asyncio.timeout(30):
            while gate["asked"] < asked + 2:
                await asyncio.sleep(0.1)
        assert (await story.board.workload(story.namespace, story.name, "Canary"))[
            "phase"
        ] == "awaiting_approval"
        gate["open"] = True
        await story.shown(lambda one: one["phase"] == "promoting")
        await story.good("web:2")
    finally:
        for task in (hurrying, following):
            task.cancel()
        await asyncio.gather(hurrying, following, return_exceptions=True)
    assert heard[-len(STAGES) :] == STAGES
    said = told(story)[before:]
    assert said[:4] == ["pending", "verifying", "awaiting_approval", "promoting"]
    # the target is scaled down last, and until that is observed it might be a change as well
    assert said[4:] in (["idle"], ["pending", "idle"])
    for name in (story.name, f"{story.name}-primary"):
        assert await story.board.workload(story.namespace, name) is None, "both are told by the Canary"
    last = (await story.board.rollouts(story.name))[-1]
    assert (last["from_version"], last["to_version"], last["outcome"]) == ("1", "2", "promoted")
    await story.end()


async def started(story, gate):
    """Hurry the Canary from when it is there."""
    await story.api.until(story.path, lambda _: True)
    await hurry(story.api, story.path)
