"""StatefulSets behave as recorded: in order, from the last pod down, held by a partition or a broken pod."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.demo.resources import Resource
from app.demo.store import Change
from tests.demo.client import PODS, STATEFULSETS, STRATEGIC, Client, statefulset, stored, until

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]
DB = f"{STATEFULSETS}/db"


class Watcher:
    """Every status of the StatefulSet, and the pods as they came and went."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self.statuses: list[Obj] = []
        self.moves: list[str] = []
        cluster.store.subscribe(self._note)

    def _note(self, resource: Resource, change: Change) -> None:
        if resource.plural == "statefulsets":
            self.statuses.append(change.entry.obj["status"])
        elif resource.plural == "pods" and change.type != "MODIFIED":
            sign = "+" if change.type == "ADDED" else "-"
            self.moves.append(sign + change.entry.name.removeprefix("db-"))

    @property
    def now(self) -> Obj:
        entry = self.cluster.store.get("statefulsets", "default", "db")
        return entry.obj if entry else {"spec": {}, "status": {}, "metadata": {"generation": 0}}

    def images(self) -> list[str]:
        rows = self.cluster.store.rows("pods")
        return [row.obj["spec"]["containers"][0]["image"].removeprefix("db:") for row in rows]

    def seen(self) -> bool:
        return bool(self.now["status"].get("observedGeneration") == self.now["metadata"]["generation"])

    def ready(self, count: int) -> bool:
        status = self.now["status"]
        return self.seen() and status.get("readyReplicas", 0) == status["replicas"] == count

    async def settled(self, *images: str) -> None:
        """Wait until exactly these images are ready, first ordinal first."""
        await until(
            lambda: self.images() == list(images) and self.ready(len(images)), f"{images} to be ready"
        )
        self.moves.clear()
        self.statuses.clear()


@pytest.fixture
def db(cluster: EmbeddedCluster) -> Watcher:
    return Watcher(cluster)


def image(tag: str, partition: int | None = None) -> Obj:
    spec: Obj = {"template": {"spec": {"containers": [{"name": "web", "image": f"db:{tag}"}]}}}
    if partition is not None:
        spec["updateStrategy"] = {"rollingUpdate": {"partition": partition}}
    return {"spec": spec}


async def test_pods_come_in_order_and_are_updated_from_the_last(client: Client, db: Watcher) -> None:
    await client.call("POST", STATEFULSETS, statefulset())
    await until(lambda: db.ready(3), "three pods")
    assert db.moves == ["+0", "+1", "+2"]
    pods = [row.obj["metadata"]["labels"] for row in db.cluster.store.rows("pods")]
    assert {labels["controller-revision-hash"] for labels in pods} == {db.now["status"]["currentRevision"]}
    await db.settled("1", "1", "1")
    await client.patch(DB, image("2"), STRATEGIC)
    await until(lambda: db.images() == ["2"] * 3 and db.ready(3), "the update")
    assert db.moves == ["-2", "+2", "-1", "+1", "-0", "+0"]
    assert all(s["currentRevision"] != s["updateRevision"] for s in db.statuses[1:-1])
    assert min(s.get("readyReplicas", 0) for s in db.statuses) == 2
    last = db.statuses[-1]
    assert last["currentRevision"] == last["updateRevision"]
    assert last["currentReplicas"] == last["updatedReplicas"] == 3


async def test_partition_holds_the_update_and_its_pods_come_back_old(client: Client, db: Watcher) -> None:
    await client.call("POST", STATEFULSETS, statefulset())
    await db.settled("1", "1", "1")
    await client.patch(DB, image("2", partition=2), STRATEGIC)
    await db.settled("1", "1", "2")
    assert (db.now["status"]["currentReplicas"], db.now["status"]["updatedReplicas"]) == (2, 1)
    assert db.now["status"]["currentRevision"] != db.now["status"]["updateRevision"]
    await client.call("DELETE", f"{PODS}/db-0")
    await until(lambda: db.moves == ["-0", "+0"], "the lost pod to be back")
    await db.settled("1", "1", "2")
    await client.patch(DB, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    await db.settled("2", "2", "2")


async def test_taking_a_broken_template_back_does_not_free_the_broken_pod(
    client: Client, db: Watcher
) -> None:
    await client.call("POST", STATEFULSETS, statefulset())
    await db.settled("1", "1", "1")
    await client.patch(DB, image("bad"), STRATEGIC)
    await until(lambda: db.images() == ["1", "1", "bad"], "the broken pod")
    await client.patch(DB, image("1"), STRATEGIC)
    await until(db.seen, "the old template to be seen")
    begun = db.cluster.clock.now()
    await until(lambda: db.cluster.clock.now() > begun + 20, "nothing to happen")
    assert db.images() == ["1", "1", "bad"]
    await client.call("DELETE", f"{PODS}/db-2")
    await db.settled("1", "1", "1")


async def test_parallel_does_not_wait_and_replaces_what_is_broken(client: Client, db: Watcher) -> None:
    await client.call("POST", STATEFULSETS, statefulset(podManagementPolicy="Parallel"))
    await until(lambda: db.moves == ["+0", "+1", "+2"], "all pods at once")
    assert not db.now["status"].get("readyReplicas")
    await db.settled("1", "1", "1")
    await client.patch(DB, image("bad"), STRATEGIC)
    await until(lambda: db.images() == ["1", "1", "bad"], "the broken pod")
    await client.patch(DB, image("3"), STRATEGIC)
    await db.settled("3", "3", "3")


async def test_on_delete_waits_for_a_person(client: Client, db: Watcher) -> None:
    await client.call("POST", STATEFULSETS, statefulset(updateStrategy={"type": "OnDelete"}))
    await db.settled("1", "1", "1")
    await client.patch(DB, image("2"), STRATEGIC)
    await until(db.seen, "the new template to be seen")
    await client.call("DELETE", f"{PODS}/db-1")
    await until(lambda: db.images() == ["1", "2", "1"] and db.ready(3), "the deleted pod to be new")
    status = db.now["status"]
    assert (status["updatedReplicas"], status["currentReplicas"]) == (1, 2)
    assert status["currentRevision"] != status["updateRevision"]


async def test_scaling_takes_the_last_pods_first(client: Client, db: Watcher) -> None:
    await client.call("POST", STATEFULSETS, statefulset())
    await db.settled("1", "1", "1")
    await client.patch(f"{DB}/scale", {"spec": {"replicas": 1}})
    await until(lambda: db.ready(1), "one pod")
    assert db.moves == ["-2", "-1"]
    await client.patch(f"{DB}/scale", {"spec": {"replicas": 2}})
    await db.settled("1", "1")


async def test_a_template_that_comes_back_gets_a_new_number(
    client: Client, db: Watcher, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", STATEFULSETS, statefulset(replicas=1, revisionHistoryLimit=1))
    for tag in ("2", "1"):
        await client.patch(DB, image(tag), STRATEGIC)
        await db.settled(tag)

    def numbers() -> dict[str, int]:
        return {
            row.obj["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: row.obj["revision"]
            for row in cluster.store.rows("controllerrevisions")
        }

    assert numbers() == {"db:2": 2, "db:1": 3}
    await client.patch(DB, image("3"), STRATEGIC)
    await db.settled("3")
    await until(lambda: numbers() == {"db:1": 3, "db:3": 4}, "the oldest revision to be pruned")
    await client.call("DELETE", DB)
    await until(lambda: not numbers() and not cluster.store.rows("pods"), "everything to go")


async def test_most_of_the_spec_is_immutable(client: Client, db: Watcher) -> None:
    await client.call("POST", STATEFULSETS, statefulset(replicas=1))
    status, body = await client.patch(DB, {"spec": {"serviceName": "other"}})
    assert (status, body["details"]["causes"][0]["field"]) == (422, "spec")
    assert "fields other than 'replicas', 'ordinals', 'template'" in body["message"]


async def test_refused_creation_is_told_in_events_only(client: Client, db: Watcher) -> None:
    db.cluster.behaviours["db:1"] = "quota"
    await client.call("POST", STATEFULSETS, statefulset())
    events = "/api/v1/namespaces/default/events"
    await until(lambda: db.cluster.store.rows("events"), "the event")
    [event] = (await client.get(events, fieldSelector="type=Warning,reason=FailedCreate"))["items"]
    assert event["message"].startswith(
        'create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden'
    )
    assert "conditions" not in stored(db.cluster, "statefulsets", "db")["status"]
