"""Partitions, surges and switches on a real control plane, end to end: where the API's numbers alone look done."""

import asyncio

import pytest

from tests.cluster.manifests import APPS, daemon_set, deployment, pod_template, service, stateful_set
from tests.cluster.story import Story, problem
from tests.cluster.witness import ASKED

pytestmark = pytest.mark.anyio


async def test_partition_holds_the_new_version_until_it_is_lowered(real, board, namespace):
    story = Story(real.api, board, namespace, "StatefulSet")
    await story.begin(stateful_set(story.name, pod_template(story.name, "web:1"), partition=2))
    await story.ship("web:2", ready_after="0.5")
    held = await story.shown(lambda one: one["phase"] == "paused")
    assert (held["attention"], held["waits_for"]["kind"], held["version"]) == ("waiting", "person", "2")
    assert held["strategy"] == "partitioned"
    counts = held["counts"]
    assert (counts["wanted"], counts["updated"], counts["available"]) == (3, 1, 3)
    assert {pod["name"][-2:]: pod["new"] for pod in held["pods"]} == {"-0": False, "-1": False, "-2": True}
    await story.page("waiting")
    truth = await story.true(lambda root: root["status"]["updatedReplicas"] == 1)
    assert truth["status"]["readyReplicas"] == 3, "kubectl calls that complete"
    await story.patch({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}})
    await story.shown(lambda one: one["phase"] == "paused" and one["counts"]["updated"] == 2)
    await story.patch({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    landed = await story.good("web:2")
    assert [pod["new"] for pod in landed["pods"]] == [True, True, True]
    last = (await story.board.rollouts(story.name))[-1]
    assert (last["from_version"], last["to_version"], last["outcome"]) == ("1", "2", "promoted")
    await story.end()


async def test_surge_of_a_bad_image_is_not_good_although_every_node_has_a_ready_pod(real, board, namespace):
    story = Story(real.api, board, namespace, "DaemonSet")
    template = pod_template(story.name, "web:1")
    first = await story.begin(daemon_set(story.name, template, maxSurge=1, maxUnavailable=0))
    nodes = first["counts"]["wanted"]
    await story.ship("web:bad")
    stuck = await story.shown(problem("image"))
    assert (stuck["attention"], stuck["version"]) == ("failed", "bad")
    await story.page("failed")
    truth = (await story.true(lambda root: root["status"]["observedGeneration"] == 2))["status"]
    perfect = (truth["desiredNumberScheduled"], truth["numberReady"], truth["numberAvailable"])
    assert perfect == (nodes, nodes, nodes)
    assert "numberUnavailable" not in truth
    assert stuck["counts"]["available"] == nodes, "the old version still serves"
    assert {pod["condition"] for pod in stuck["pods"] if pod["new"]} <= {"starting", "failing"}
    await story.ship("web:3")
    landed = await story.good("web:3")
    assert [pod["new"] for pod in landed["pods"] if pod["condition"] == "ready"] == [True] * nodes
    outcomes = [(one["to_version"], one["outcome"]) for one in await story.board.rollouts(story.name)]
    assert (outcomes[0], outcomes[-1]) == (("1", "promoted"), ("3", "promoted"))
    assert ("bad", "promoted") not in outcomes
    await story.end()


async def test_new_colour_waits_for_the_switch_of_its_service(real, board, namespace):
    story = Story(real.api, board, namespace, "Service")

    async def colour(name, tag, **hollow):
        template = pod_template(story.name, tag, **hollow)
        template["metadata"]["labels"]["color"] = name
        selector = {"matchLabels": {"app": story.name, "color": name}}
        root = deployment(f"{story.name}-{name}", template, selector=selector)
        await story.api.create(f"{APPS}/{story.namespace}/deployments", root)

    switch = service(story.name, story.name)
    switch["metadata"]["annotations"] = {"shipboard/switch": "color", ASKED: "blue"}
    switch["spec"]["selector"]["color"] = "blue"
    await colour("blue", "web:1")
    await story.begin(switch, "web:1")
    await asyncio.sleep(1.1)  # revisions tell their age in whole seconds, and by it which colour is the newer
    await story.patch({"metadata": {"annotations": {ASKED: "green"}}})
    await colour("green", "web:2", ready_after="1")
    await story.shown(lambda one: one["phase"] == "progressing" and one["version"] == "2")
    await story.page("moving")
    ready = await story.shown(lambda one: one["phase"] == "awaiting_approval")
    assert (ready["attention"], ready["waits_for"]["kind"]) == ("waiting", "person")
    assert ready["strategy"] == "manual_switch"
    assert sorted(pod["new"] for pod in ready["pods"]) == [False, False, True, True]
    await story.page("waiting")
    await story.patch({"spec": {"selector": {"color": "green"}}})
    await story.good("web:2")
    for name in ("blue", "green"):
        assert await board.workload(namespace, f"{namespace}-{name}") is None, "both are told by the Service"
    last = (await board.rollouts(story.name))[-1]
    assert (last["from_version"], last["to_version"], last["outcome"]) == ("1", "2", "promoted")
    await story.end()
