"""One suite for both clusters: what Shipboard relies on, held by the real control plane and by the embedded one."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from tests.cluster.api import JSON_PATCH, STRATEGIC, Api
from tests.cluster.manifests import APPS, CORE, deployment, image, pod_template, service
from tests.cluster.witness import done

pytestmark = pytest.mark.anyio
HASH = "pod-template-hash"


class Trace:
    """Everything a watch of one collection says from its beginning on, while the test goes on."""

    def __init__(self, api: Api, path: str, **query: str) -> None:
        self.events: list[dict] = []
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._follow(api, path, query))

    async def _follow(self, api, path, query):
        version = (await api.get(path, **query))["metadata"]["resourceVersion"]
        self._ready.set()
        async for event in api.watch(path, version, seconds=50, **query):
            self.events.append(event)

    async def __aenter__(self):
        await self._ready.wait()
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition, seconds=60):
        """Wait until `condition` holds of the list of events."""
        async with asyncio.timeout(seconds):
            while not condition(self.events):
                await asyncio.sleep(0.02)
        return self.events


def kinds(events):
    return [event["type"] for event in events]


def conditions(root):
    return {each["type"]: (each["status"], each["reason"]) for each in root["status"].get("conditions", ())}


def template(name, **hollow):
    return pod_template(name, "web:1", **({"ready_after": "0.4"} | hollow))


async def rolled_out(api, space, **spec):
    """A Deployment `web` that is done."""
    path = f"{APPS}/{space}/deployments"
    behaves = spec.pop("template", None) or template("web")
    await api.create(path, deployment("web", behaves, **spec))
    return await api.until(f"{path}/web", lambda root: done({"kind": "Deployment", **root}))


async def owned(api, space):
    """The ReplicaSets by the image they run."""
    listed = await api.get(f"{APPS}/{space}/replicasets")
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in listed["items"]}


def revision(obj):
    return obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"]


# -- lists and watches


async def test_watch_says_what_happens_in_order_and_with_the_kind(api, space):
    path = f"{CORE}/{space}/configmaps"
    async with Trace(api, path, labelSelector="mine") as trace:
        await api.create(path, {"metadata": {"name": "a", "labels": {"mine": "1"}}})
        await api.patch(f"{path}/a", {"data": {"k": "v"}})
        await api.delete(f"{path}/a")
        events = await trace.until(lambda events: len(events) == 3)
    assert kinds(events) == ["ADDED", "MODIFIED", "DELETED"]
    assert {event["object"]["kind"] for event in events} == {"ConfigMap"}
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert events[2]["object"]["data"] == {"k": "v"}


async def test_object_that_leaves_a_selection_is_deleted_and_added_again(api, space):
    path = f"{CORE}/{space}/configmaps"
    async with Trace(api, path, labelSelector="mine=1") as trace:
        await api.create(path, {"metadata": {"name": "a", "labels": {"mine": "1"}}})
        await api.patch(f"{path}/a", {"metadata": {"labels": {"mine": "2"}}})
        await api.patch(f"{path}/a", {"metadata": {"labels": {"mine": "1"}}})
        events = await trace.until(lambda events: len(events) == 3)
    assert kinds(events) == ["ADDED", "DELETED", "ADDED"]


async def test_patch_that_changes_nothing_makes_no_event(api, space):
    path = f"{CORE}/{space}/configmaps"
    made = await api.create(path, {"metadata": {"name": "a", "labels": {"mine": "1"}}, "data": {"k": "v"}})
    async with Trace(api, path, labelSelector="mine") as trace:
        same = await api.patch(f"{path}/a", {"data": {"k": "v"}})
        await api.patch(f"{path}/a", {"data": {"k": "w"}})
        events = await trace.until(bool)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert [event["object"]["data"]["k"] for event in events] == ["w"]


async def test_initial_events_end_with_a_marked_skeleton(api, space):
    path = f"{CORE}/{space}/configmaps"
    for name in ("a", "b"):
        await api.create(path, {"metadata": {"name": name, "labels": {"mine": "1"}}})
    asked = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    events = [e async for e in api.watch(path, "", seconds=2, labelSelector="mine", **asked)]
    assert kinds(events)[:3] == ["ADDED", "ADDED", "BOOKMARK"]
    mark = events[2]["object"]
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert "name" not in mark["metadata"]
    assert mark["kind"] == "ConfigMap"


async def test_watch_ends_in_peace_when_its_time_is_up_even_in_the_future(api, space):
    assert [e async for e in api.watch(f"{CORE}/{space}/configmaps", "99999999", seconds=1)] == []


async def test_pages_are_of_one_version_whatever_happens_meanwhile(api, space):
    path = f"{CORE}/{space}/configmaps"
    for name in "abcde":
        await api.create(path, {"metadata": {"name": f"x-{name}"}})
    names, token, versions = [], "", set()
    while True:
        page = await api.get(path, limit="2", **({"continue": token} if token else {}))
        versions.add(page["metadata"]["resourceVersion"])
        names += [item["metadata"]["name"] for item in page["items"]]
        assert all("kind" not in item for item in page["items"])
        if "x-b" in names:
            await api.ask("DELETE", f"{path}/x-e")
        if not (token := page["metadata"].get("continue", "")):
            break
        assert page["metadata"]["remainingItemCount"] > 0
    assert [name for name in names if name.startswith("x-")] == [f"x-{name}" for name in "abcde"]
    assert len(versions) == 1


# -- Deployments


async def test_rolling_update_keeps_its_bounds_and_tells_late(api, space):
    path = f"{APPS}/{space}/deployments"
    first = await rolled_out(api, space, replicas=3)
    assert conditions(first) == {
        "Available": ("True", "MinimumReplicasAvailable"), "Progressing": ("True", "NewReplicaSetAvailable")
    }  # fmt: skip
    async with Trace(api, path) as trace:
        await api.patch(f"{path}/web", image("web:2"), type=STRATEGIC)
        last = await api.until(f"{path}/web", lambda root: done({"kind": "Deployment", **root}))
        await trace.until(lambda events: done(events[-1]["object"]))
    seen = [event["object"] for event in trace.events]
    late = [
        each for each in seen if each["status"].get("observedGeneration", 0) < each["metadata"]["generation"]
    ]
    assert late, "the spec is seen before its controller has seen it"
    assert all(each["status"]["availableReplicas"] >= 3 for each in seen)
    assert max(each["status"].get("replicas", 0) for each in seen) == 4
    sets = await owned(api, space)
    assert {tag: rs["spec"]["replicas"] for tag, rs in sets.items()} == {"web:1": 0, "web:2": 3}
    assert (revision(last), revision(sets["web:1"]), revision(sets["web:2"])) == ("2", "1", "2")
    assert sets["web:1"]["status"].keys() - {"terminatingReplicas"} == {"observedGeneration", "replicas"}
    owner = sets["web:2"]["metadata"]["ownerReferences"][0]
    assert (owner["uid"], owner["controller"]) == (last["metadata"]["uid"], True)
    pods = (await api.get(f"{CORE}/{space}/pods"))["items"]
    hashes = {pod["metadata"]["labels"][HASH] for pod in pods if "deletionTimestamp" not in pod["metadata"]}
    assert hashes == {sets["web:2"]["metadata"]["labels"][HASH]}


async def test_paused_deployment_takes_a_template_but_does_not_roll(api, space):
    path = f"{APPS}/{space}/deployments/web"
    await rolled_out(api, space)
    await api.patch(path, {"spec": {"paused": True}})
    await api.patch(path, image("web:2"), type=STRATEGIC)
    paused = await api.until(path, lambda root: root["status"]["observedGeneration"] == 3)
    paused = await api.until(
        path, lambda root: conditions(root)["Progressing"] == ("Unknown", "DeploymentPaused")
    )
    assert "updatedReplicas" not in paused["status"]
    assert list(await owned(api, space)) == ["web:1"]
    await api.patch(path, {"spec": {"paused": None}})
    resumed = await api.until(path, lambda root: done({"kind": "Deployment", **root}))
    assert "paused" not in resumed["spec"]
    assert set(await owned(api, space)) == {"web:1", "web:2"}


async def test_undo_takes_the_old_replicaset_and_renumbers_it(api, space):
    path = f"{APPS}/{space}/deployments/web"
    await rolled_out(api, space)
    old = (await owned(api, space))["web:1"]
    await api.patch(path, image("web:2"), type=STRATEGIC)
    await api.until(path, lambda root: done({"kind": "Deployment", **root}))
    back = json.loads(json.dumps(old["spec"]["template"]))
    del back["metadata"]["labels"][HASH]
    await api.patch(path, [{"op": "replace", "path": "/spec/template", "value": back}], type=JSON_PATCH)
    last = await api.until(path, lambda root: done({"kind": "Deployment", **root}))
    sets = await owned(api, space)
    assert {tag: revision(rs) for tag, rs in sets.items()} == {"web:1": "3", "web:2": "2"}
    assert sets["web:1"]["metadata"]["uid"] == old["metadata"]["uid"]
    assert revision(last) == "3"


async def test_deadline_passes_while_the_old_pods_serve(api, space):
    path = f"{APPS}/{space}/deployments/web"
    await rolled_out(api, space, progressDeadlineSeconds=3)
    await api.patch(path, image("web:bad"), type=STRATEGIC)
    stuck = await api.until(path, lambda root: conditions(root).get("Progressing", ("",))[0] == "False", 30)
    assert conditions(stuck)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert conditions(stuck)["Available"] == ("True", "MinimumReplicasAvailable")
    assert (stuck["status"]["updatedReplicas"], stuck["status"]["unavailableReplicas"]) == (1, 1)
    pods = (await api.get(f"{CORE}/{space}/pods"))["items"]
    waiting = [
        pod["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason") for pod in pods
    ]
    assert set(waiting) & {"ErrImagePull", "ImagePullBackOff"}
    await api.patch(path, image("web:2"), type=STRATEGIC)
    await api.until(path, lambda root: done({"kind": "Deployment", **root}))


async def test_recreate_has_nothing_available_in_between(api, space):
    path = f"{APPS}/{space}/deployments"
    await rolled_out(api, space, strategy={"type": "Recreate"})
    async with Trace(api, path) as trace:
        await api.patch(f"{path}/web", image("web:2"), type=STRATEGIC)
        await api.until(f"{path}/web", lambda root: done({"kind": "Deployment", **root}))
    counts = [event["object"]["status"].get("availableReplicas", 0) for event in trace.events]
    assert 0 in counts
    assert {(await owned(api, space))["web:1"]["spec"]["replicas"]} == {0}


async def test_history_keeps_as_many_old_revisions_as_asked(api, space):
    path = f"{APPS}/{space}/deployments/web"
    await rolled_out(api, space, replicas=1, revisionHistoryLimit=1)
    for tag in ("web:2", "web:3"):
        await api.patch(path, image(tag), type=STRATEGIC)
        await api.until(path, lambda root: done({"kind": "Deployment", **root}))
    await api.until(f"{APPS}/{space}/replicasets", lambda listed: len(listed["items"]) == 2)
    assert set(await owned(api, space)) == {"web:2", "web:3"}


async def test_deleted_deployment_takes_everything_it_owned_along(api, space):
    await rolled_out(api, space)
    async with Trace(api, f"{CORE}/{space}/pods") as trace:
        await api.delete(f"{APPS}/{space}/deployments/web")
        await trace.until(lambda events: kinds(events).count("DELETED") == 2)
    await api.until(f"{APPS}/{space}/replicasets", lambda listed: not listed["items"])


# -- pods


async def test_pod_ends_with_grace_in_four_steps(api, space):
    await rolled_out(api, space, replicas=1, template=pod_template("web", "web:1", grace=30))
    path = f"{CORE}/{space}/pods"
    name = (await api.get(path))["items"][0]["metadata"]["name"]
    async with Trace(api, path, fieldSelector=f"metadata.name={name}") as trace:
        asked = datetime.now(UTC)
        await api.delete(f"{path}/{name}")
        events = await trace.until(lambda events: "DELETED" in kinds(events))
    ending = [event for event in events if "deletionTimestamp" in event["object"]["metadata"]]
    assert kinds(ending) == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    grace = [event["object"]["metadata"]["deletionGracePeriodSeconds"] for event in ending]
    assert grace == [30, 30, 0, 0]
    first, last = (
        datetime.fromisoformat(ending[at]["object"]["metadata"]["deletionTimestamp"]) for at in (0, 2)
    )
    assert first > last
    assert first > asked
    assert ending[0]["object"]["status"]["phase"] == "Running"
    assert ending[1]["object"]["status"]["phase"] == "Succeeded"
    assert ending[1]["object"]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


@pytest.mark.parametrize(("fail", "reason", "code"), [("crash", "Error", 1), ("oom", "OOMKilled", 137)])
async def test_container_that_ends_says_why_in_its_last_state(api, space, fail, reason, code):
    path, behaves = (
        f"{CORE}/{space}/pods",
        pod_template("web", "web:1", probe=False, fail=fail, crash_after="0.3"),
    )
    await api.create(f"{APPS}/{space}/deployments", deployment("web", behaves, replicas=1))

    def looping(listed):
        return any(
            status["restartCount"] >= 1
            and status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
            for pod in listed["items"]
            for status in pod["status"].get("containerStatuses", ())
        )

    found = (await api.until(path, looping))["items"][0]
    last = found["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["reason"], last["exitCode"]) == (reason, code)
    assert found["status"]["phase"] == "Running"


async def test_endpoints_follow_the_selector_of_the_service(api, space):
    for name in ("blue", "green"):
        await api.create(f"{APPS}/{space}/deployments", deployment(name, template(name), replicas=1))
        await api.until(
            f"{APPS}/{space}/deployments/{name}", lambda root: done({"kind": "Deployment", **root})
        )
    await api.create(f"{CORE}/{space}/services", service("web", "blue"))
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"

    def serves(color):
        def check(listed):
            ends = [
                end
                for each in listed["items"]
                for end in each["endpoints"] or ()
                if end["conditions"]["ready"]
            ]
            return {end["targetRef"]["name"].partition("-")[0] for end in ends} == {color}

        return check

    await api.until(slices, serves("blue"))
    await api.patch(f"{CORE}/{space}/services/web", {"spec": {"selector": {"app": "green"}}})
    await api.until(slices, serves("green"))
