"""What lets a pod in or out: ServiceAccounts that come later, budgets in percent, evictions that are only tried."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import (
    DEPLOYMENTS,
    MERGE,
    PODS,
    WEB,
    Client,
    condition,
    deployment,
    stored,
    through,
    until,
)

pytestmark = pytest.mark.anyio
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


async def test_pods_come_when_their_serviceaccount_does(client: Client, cluster: EmbeddedCluster) -> None:
    body = deployment(replicas=1)
    body["spec"]["template"]["spec"]["serviceAccountName"] = "late"
    await client.call("POST", DEPLOYMENTS, body)

    def web() -> Any:
        return stored(cluster, "deployments", "web")

    await until(lambda: condition(web(), "ReplicaFailure") == ("True", "FailedCreate"), "the refusal")
    await client.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "late"}})
    await until(lambda: through(web()), "the pod")


async def test_budget_in_percent_is_rounded_in_favour_of_who_evicts(
    client: Client, cluster: EmbeddedCluster
) -> None:
    await client.call("POST", DEPLOYMENTS, deployment(replicas=3))
    await until(lambda: through(stored(cluster, "deployments", "web")), "three pods")
    spec = {"maxUnavailable": "0%", "selector": {"matchLabels": {"app": "web"}}}
    await client.call("POST", BUDGETS, {"metadata": {"name": "web"}, "spec": spec})
    name = cluster.store.rows("pods")[0].name
    path, body = f"{PODS}/{name}/eviction", {"metadata": {"name": name}}

    refused, why = await client.call("POST", path, body)
    await client.patch(f"{BUDGETS}/web", {"spec": {"maxUnavailable": "1%"}}, MERGE)
    tried, _ = await client.call("POST", path, body, dryRun="All")
    left = "deletionTimestamp" not in stored(cluster, "pods", name)["metadata"]
    done, _ = await client.call("POST", path, body)

    assert (refused, tried, left, done) == (429, 201, True, 201)
    assert (
        why["details"]["causes"][0]["message"]
        == "The disruption budget web needs 3 healthy pods and has 3 currently"
    )
    assert "deletionTimestamp" in stored(cluster, "pods", name)["metadata"]
    assert (await client.call("GET", path))[0] == 405
    assert (await client.call("POST", WEB, {}))[0] == 405
