"""The fleet as the board tells it: each way to be stuck, hollow or slow to stop is there, while most is calm."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient

from app.cli.demo import HEAD_START
from app.demo import EmbeddedCluster
from app.main import create_app
from app.settings import ClusterSettings, Settings

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]
STUCK = {
    "image": ("dev/Deployment/thumbnails", "Cannot pull ghcr.io/acme/thumbnails:", "code = NotFound desc"),
    "oom": (
        "staging/Deployment/thumbnails",
        "Runs out of its memory limit of 512Mi",
        "exit code 137, OOMKilled",
    ),
    "crash": ("staging/Deployment/recommendations", "Exits ", "exit code 1, Error"),
    "probe": ("staging/Deployment/notifications", "Readiness probe fails: HTTP probe", "statuscode: 503"),
    "unschedulable": (
        "dev/Deployment/fraud-scoring",
        "No node can take it: 3 node(s) didn't",
        "0/3 nodes are",
    ),
    "quota": ("dev/Deployment/notifications", "Cannot create pods: exceeded quota", "is forbidden: exceeded"),
    "limits": ("dev/Deployment/recommendations", "Cannot create pods: maximum memory usage", "limit is 2Gi"),
    "admission": (
        "dev/DaemonSet/log-shipper",
        "Cannot create pods: violates PodSecurity",
        "hostPath volumes",
    ),
    "account": (
        "staging/Deployment/fraud-scoring",
        "Cannot create pods: error looking up",
        'fraud-scoring" not found',
    ),
    "blocked": (
        "staging/StatefulSet/search-index",
        "Pod search-index-1 (8.15.0) is broken and blocks",
        "Exits at",
    ),
    "deadline": ("production/Deployment/notifications", "No progress within its deadline of 2 min", ""),
}
HOLLOW = {
    "no_probe": ("dev/Deployment/catalogue", "Ready means only that it runs"),
    "no_replicas": ("staging/Deployment/warehouse-sync", "Nothing runs"),
    "no_endpoints": ("staging/Deployment/shipping-rates", "Service shipping-rates leads nowhere"),
    "killed": ("staging/Deployment/payments-worker", "Old pods did not stop within 10 s of SIGTERM"),
    "overran": ("staging/Deployment/invoicing", "Old pods took longer to stop than their grace period"),
}


class Told:
    """What the API says of the demo's workloads."""

    def __init__(self, http: AsyncClient) -> None:
        self._http = http

    async def all(self) -> list[Obj]:
        answer = await self._http.get("/api/v1/workloads", params={"limit": "500"})
        return list(answer.json()["items"]) if answer.status_code == 200 else []

    async def at(self, place: str) -> Obj:
        answer = await self._http.get(f"/api/v1/workloads/demo/{place}")
        found: Obj = answer.json() if answer.status_code == 200 else {}
        return found

    async def of(self, place: str, among: str, key: str, word: str, attention: str) -> Obj:
        """The problem or caution of a workload, once there is one and it wears that state."""
        said: Obj = {}
        try:
            async with asyncio.timeout(30):
                while True:
                    said = await self.at(place)
                    for one in said.get(among, ()):
                        if one[key] == word and said["workload"]["attention"] == attention:
                            return dict(one)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{place} has no {word} among its {among}: {said.get(among)}") from None


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[Told]:
    """The demo as it opens, whose time then goes on ten times as fast."""
    async with EmbeddedCluster(fleet=True, head_start=float(HEAD_START[1]), time_scale=10) as cluster:
        cluster.kubeconfig(folder / "kubeconfig")
        watched = ClusterSettings("demo", folder / "kubeconfig", "demo")
        app = create_app(Settings(database=f"sqlite:///{folder}/board.db", clusters=(watched,)))
        async with (
            app.router.lifespan_context(app),
            AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as http,
        ):
            yield Told(http)


async def test_every_story_is_told_while_most_is_calm(tmp_path: Path) -> None:
    async with demo(tmp_path) as told:
        for kind, (place, words) in HOLLOW.items():
            caution = await told.of(place, "cautions", "kind", kind, "good")
            assert caution["message"].startswith(words)
            assert bool(caution["who"]) == (kind in ("killed", "overran"))
        for category, (place, words, evidence) in STUCK.items():
            problem = await told.of(place, "problems", "category", category, "failed")
            assert problem["message"].startswith(words)
            assert evidence in problem["evidence"]
            assert problem["since"]
        perfect = await told.at("staging/DaemonSet/log-shipper")
        counts, message = perfect["workload"]["counts"], perfect["workload"]["message"]
        assert counts["ready"] == counts["available"] == counts["wanted"] == 3
        assert message.endswith("so its counters look perfect")
        ahead = await told.at("dev/Deployment/thumbnails")
        assert ahead["deadline_at"]
        assert ahead["workload"]["phase"] == "progressing"
        everything = await told.all()
    services: dict[str, set[str]] = {}
    for one in everything:
        services.setdefault(one["place"]["service"], set()).add(one["attention"])
    failing = {name for name, seen in services.items() if "failed" in seen}
    assert len(failing) <= len(services) // 3
    in_production = Counter(w["attention"] for w in everything if w["place"]["environment"] == "production")
    assert in_production["failed"] == 1
    assert in_production["good"] > len(services) // 2
