"""Rollouts on a real control plane, end to end: what the board says agrees with the cluster, and is never better."""

import asyncio

import pytest

from tests.cluster.manifests import APPS, CORE, deployment, pod_template
from tests.cluster.story import Story, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
def story(real, board, namespace):
    return Story(real.api, board, namespace)


async def test_good_rollout_is_moving_and_then_good_at_the_new_version(story):
    await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    await story.ship("web:2", ready_after="1")
    moving = await story.shown(lambda one: one["phase"] == "progressing" and one["version"] == "2")
    assert moving["attention"] == "moving"
    await story.page("moving")
    await story.shown(lambda one: {pod["condition"] for pod in one["pods"]} >= {"starting", "ready"})
    shown = await story.good("web:2")
    assert [pod["new"] for pod in shown["pods"] if pod["condition"] == "ready"] == [True, True]
    first, last = await story.board.rollouts(story.name)
    assert (first["to_version"], last["from_version"], last["to_version"]) == ("1", "1", "2")
    assert (last["outcome"], last["strategy"]) == ("promoted", "rolling")
    await story.end()


async def test_bad_image_fails_at_its_deadline_and_is_mended_by_the_next_version(story):
    await story.begin(deployment(story.name, pod_template(story.name, "web:1"), progressDeadlineSeconds=3))
    await story.ship("web:bad")
    stuck = await story.shown(problem("image"))
    assert stuck["attention"] != "good"
    failed = await story.shown(lambda one: one["phase"] == "failed")
    truth = await story.true(lambda root: root["status"]["observedGeneration"] == 2)
    reasons = {each["type"]: each["reason"] for each in truth["status"]["conditions"]}
    assert reasons["Progressing"] == "ProgressDeadlineExceeded"
    assert failed["attention"] == "failed"
    await story.page("failed")
    assert failed["counts"]["available"] == 2, "the old version still serves"
    await story.ship("web:3")
    await story.good("web:3")
    outcomes = [one["outcome"] for one in await story.board.rollouts(story.name)]
    assert outcomes == ["promoted", "failed", "promoted"]
    await story.end()


async def test_pause_midway_waits_for_a_person_and_resume_goes_on(story):
    template = pod_template(story.name, "web:1", ready_after="0.5")
    await story.begin(deployment(story.name, template, replicas=4, progressDeadlineSeconds=4))
    await story.ship("web:2")
    await story.true(lambda root: root["status"].get("updatedReplicas", 0) >= 2)
    await story.patch({"spec": {"paused": True}})
    paused = await story.shown(lambda one: one["phase"] == "paused")
    assert (paused["attention"], paused["waits_for"]["kind"]) == ("waiting", "person")
    await story.page("waiting")
    await story.true(lambda root: root["status"]["observedGeneration"] == root["metadata"]["generation"])
    await asyncio.sleep(4.5)  # a pause outlives the deadline: nothing to wait for, that is the point
    assert (await story.board.workload(story.namespace, story.name))["phase"] == "paused"
    await story.patch({"spec": {"paused": None}})
    await story.good("web:2")
    assert (await story.board.rollouts(story.name))[-1]["outcome"] == "promoted"
    await story.end()


async def test_undo_is_a_rollback_to_the_renumbered_old_revision(story):
    first = await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    await asyncio.sleep(1.1)  # revisions tell their age in whole seconds, and by it which one is the older
    await story.ship("web:2")
    second = await story.good("web:2")
    await story.undo("web:1")
    back = await story.good("web:1")
    numbers = {revision["key"]: revision["number"] for revision in back["revisions"]}
    assert sorted(numbers.values()) == [2, 3]
    assert {revision["key"] for revision in first["revisions"]} <= set(numbers)
    assert {revision["key"] for revision in second["revisions"]} == set(numbers), "no revision is new"
    assert (await story.board.rollouts(story.name))[-1]["outcome"] == "rolled_back"
    await story.end()


async def test_updates_that_roll_over_each_other_end_at_the_last_one(story):
    template = pod_template(story.name, "web:1", ready_after="0.8")
    await story.begin(deployment(story.name, template, replicas=3))
    for tag in ("web:2", "web:3", "web:4"):
        await story.ship(tag)
        await story.shown(lambda one, tag=tag: one["version"] == tag[4:] and one["attention"] == "moving")
    await story.good("web:4")
    ended = [(one["to_version"], one["outcome"]) for one in await story.board.rollouts(story.name)]
    assert ended == [("1", "promoted"), ("2", "superseded"), ("3", "superseded"), ("4", "promoted")]
    await story.end()


async def test_recreate_is_not_good_while_nothing_serves(story):
    template = pod_template(story.name, "web:1", ready_after="0.8")
    await story.begin(deployment(story.name, template, strategy={"type": "Recreate"}))
    await story.ship("web:2")
    gone = await story.shown(lambda one: one["counts"]["available"] == 0)
    assert gone["attention"] != "good"
    assert gone["strategy"] == "recreate"
    await story.good("web:2")
    await story.end()


async def test_quota_is_told_as_the_reason_before_the_deadline_strikes(story):
    quota = f"{CORE}/{story.namespace}/resourcequotas"
    await story.api.create(
        quota,
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q"},
            "spec": {"hard": {"pods": "2"}},
        },
    )
    await story.api.until(f"{quota}/q", lambda one: one.get("status", {}).get("hard"))
    await story.begin(deployment(story.name, pod_template(story.name, "web:1"), progressDeadlineSeconds=4))
    await story.ship("web:2")
    refused = await story.shown(problem("quota"))
    assert refused["attention"] != "good"
    assert "exceeded quota" in next(
        each["message"] for each in refused["problems"] if each["category"] == "quota"
    )
    await story.shown(lambda one: one["phase"] == "failed")
    await story.api.patch(f"{quota}/q", {"spec": {"hard": {"pods": "9"}}})
    await story.patch({"spec": {"template": {"metadata": {"annotations": {"again": "1"}}}}})
    await story.good("web:2")
    await story.end()


async def test_memory_that_runs_out_after_a_good_rollout_is_seen(story):
    await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    await story.ship("web:2", fail="oom", crash_after="1.5")
    killed = await story.shown(problem("oom"))
    assert killed["attention"] == "failed"
    await story.undo("web:1")
    await story.good("web:1")
    await story.end()


async def test_crash_loop_without_a_probe_is_not_good_although_kubectl_calls_it_done(story):
    await story.begin(deployment(story.name, pod_template(story.name, "web:1", probe=False)))
    await story.ship("web:2", fail="crash", crash_after="0.3")
    looping = await story.shown(problem("crash"))
    assert looping["attention"] == "failed"
    await story.page("failed")
    await story.end()


async def test_pod_that_outstays_its_grace_is_killed_and_shown_as_ending_until_then(story):
    template = pod_template(story.name, "web:1", grace=2, exceed_grace="true")
    await story.begin(deployment(story.name, template, replicas=1))
    await story.ship("web:2", exceed_grace="false")
    ending = await story.shown(lambda one: any(pod["condition"] == "ending" for pod in one["pods"]))
    assert any(pod["condition"] == "ending" and not pod["new"] for pod in ending["pods"])
    await story.good("web:2")
    await story.shown(lambda one: len(one["pods"]) == 1)
    await story.end()


async def test_lost_node_takes_the_pods_on_it_out_of_the_good(story, real):
    if real.own:
        await story.begin(deployment(story.name, pod_template(story.name, "web:1"), replicas=5))
    pods = await story.api.get(f"{CORE}/{story.namespace}/pods")
    node = pods["items"][0]["spec"]["nodeName"]
    real.kubelet.lose(node)
    try:
        short = await story.shown(lambda one: one["counts"]["available"] < 5)
        assert short["attention"] != "good"
        await story.page("moving", "waiting", "failed", "unknown")
        await story.good("web:1")
        left = await story.shown(lambda one: any(pod["node"] == node for pod in one["pods"]))
        assert {pod["condition"] for pod in left["pods"] if pod["node"] == node} <= {"ending", "failing"}
    finally:
        await real.kubelet.recover(node)
        await story.api.until(f"/api/v1/nodes/{node}", lambda one: len(one["spec"]["taints"]) == 1)
    await story.shown(lambda one: len(one["pods"]) == 5)
    await story.end()


async def test_deleted_workload_leaves_the_board(story):
    await story.begin(deployment(story.name, pod_template(story.name, "web:1")))
    await story.api.delete(story.path)
    async with asyncio.timeout(60):
        while await story.board.workload(story.namespace, story.name):
            await asyncio.sleep(0.05)
    await story.api.until(f"{APPS}/{story.namespace}/replicasets", lambda listed: not listed["items"])
