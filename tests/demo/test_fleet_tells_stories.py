"""The fleet: settled at first, then its stories go on, wait for a person, and fail as clusters do."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.demo.fleet import PLACES
from app.demo.resources import Resource
from app.demo.services import SERVICES
from app.demo.store import Change
from tests.demo.client import Client, stored, until

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]
SCALE = 60.0
PATH = "/apis/apps/v1/namespaces/production"


async def test_opening_state_leaves_the_controllers_nothing_to_do() -> None:
    written: list[str] = []

    def note(resource: Resource, change: Change) -> None:
        written.append(f"{change.type} {resource.plural} {change.entry.key}")

    cluster = EmbeddedCluster(fleet=True)
    async with cluster:
        cluster.store.subscribe(note)
        begun = cluster.clock.now()
        await until(lambda: cluster.clock.now() > begun + 1, "a second to pass")
        services = {row.name for row in cluster.store.rows("services", "production")}
        owners = {p.obj["metadata"]["ownerReferences"][0]["kind"] for p in cluster.store.rows("pods")}
    noted = (
        "endpointslices",
        "applications",
        "kustomizations",
    )  # what those who look write down of their looks
    assert [line for line in written if line.split()[1] not in noted] == []
    assert {"checkout-api", "search-index"} <= services
    assert owners == {"ReplicaSet", "StatefulSet", "DaemonSet"}


async def test_search_index_waits_at_its_partition_for_a_person() -> None:
    async with (
        EmbeddedCluster(fleet=True, time_scale=SCALE) as cluster,
        Client(cluster.url, cluster.token) as client,
    ):

        def status() -> Obj:
            found: Obj = stored(cluster, "statefulsets", "search-index", "production")["status"]
            return found

        await until(
            lambda: (status().get("updatedReplicas"), status().get("readyReplicas")) == (1, 4), "1 of 4"
        )
        assert status()["currentRevision"] != status()["updateRevision"]
        warnings = await client.get("/api/v1/namespaces/production/events", fieldSelector="type!=Normal")
        said = [e["message"] for e in warnings["items"] if e["involvedObject"]["name"] == "search-index-3"]
        assert said[0].startswith('Readiness probe failed: Get "http://10.244.')
        assert said[0].endswith(":8080: connect: connection refused")
        opened = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
        await client.patch(f"{PATH}/statefulsets/search-index", opened)
        await until(lambda: status()["currentRevision"] == status()["updateRevision"], "all pods to be new")


def workloads(cluster: EmbeddedCluster) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The metadata of every workload by its service, its environment and its name."""
    kinds = ("deployments", "rollouts", "statefulsets", "daemonsets")
    metas = [row.obj["metadata"] for kind in kinds for row in cluster.store.rows(kind)]
    return {(m["labels"]["app.kubernetes.io/name"], m["namespace"], m["name"]): m for m in metas}


async def test_fleet_is_calm_but_for_its_stories() -> None:
    """A quarter of an hour of the fleet: every story moves its workload, nothing else is touched."""
    async with EmbeddedCluster(fleet=True) as cluster:
        begun, before = cluster.clock.now(), workloads(cluster)
        cluster.clock.catch_up(300)
        assert len({key[:2] for key in before}) == sum(len(service.environments) for service in SERVICES)
        await until(lambda: cluster.clock.now() > begun + 900, "a quarter of an hour")
        told = {where for where, place in PLACES.items() if place.story}

        def moving() -> set[tuple[str, str]]:
            after = workloads(cluster)
            return {key[:2] for key in before if after[key]["generation"] != before[key]["generation"]}

        await until(lambda: moving() >= told, "every story to begin, however busy the machine is")
        after, moved = workloads(cluster), moving()
        touched = {
            key[:2] for key in before if after[key]["resourceVersion"] != before[key]["resourceVersion"]
        }
        assert moved == touched == told
