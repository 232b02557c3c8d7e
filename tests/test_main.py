"""The parts together: what fails stays where it is, and everything answers in one form."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from starlette.routing import Mount

from app.demo.cluster import EmbeddedCluster
from app.domain.errors import DatabaseRefused, StoreUnavailable
from app.main import create_app
from app.settings import ClusterSettings, Settings
from app.supervisor import Supervisor
from app.web import headers

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[AsyncClient]:
    client = AsyncClient(transport=ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), client as http:
        yield http


def settings(tmp_path, *clusters: ClusterSettings, **more) -> Settings:
    return Settings(database=f"sqlite:///{tmp_path}/x.db", clusters=clusters, **more)


async def until(condition, what: str):
    """The first true answer of an async `condition`."""
    async with asyncio.timeout(20):
        while not (answer := await condition()):
            await asyncio.sleep(0.05)
    assert answer, what
    return answer


async def test_every_route_answers_with_the_policy_whatever_the_method(tmp_path):
    app = create_app(settings(tmp_path))
    async with started(app) as http:
        paths = {"/static/css/base.css", "/static/nothing", "/nothing", "/favicon.ico", "/robots.txt"}
        document = (await http.get("/api/v1/openapi.json")).json()
        paths |= {path.replace("{key}", "x").replace("{id}", "x") for path in document["paths"]}
        paths |= {"/", "/sources", "/healthz", "/ready", "/metrics"}
        assert len(paths) > 12
        for path in sorted(paths):
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"):
                answer = await http.request(method, path)
                assert answer.headers.get_list("content-security-policy") == [headers.CSP], (method, path)
                assert answer.status_code < 500 or path == "/ready", (method, path)
                if answer.status_code >= 400 and method != "HEAD":
                    assert answer.headers["content-type"] == "application/problem+json", (method, path)


async def test_page_of_an_error_is_drawn_by_the_template(tmp_path):
    async with started(create_app(settings(tmp_path))) as http:
        answer = await http.get("/nothing", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] in answer.text
    assert 'class="mast"' in answer.text


async def test_cluster_that_cannot_be_tried_harms_no_other(tmp_path):
    async with EmbeddedCluster() as cluster:
        good = ClusterSettings("good", tmp_path / "kubeconfig", "demo")
        cluster.kubeconfig(tmp_path / "kubeconfig")
        bad = ClusterSettings("bad", tmp_path / "missing", "prod")
        async with started(create_app(settings(tmp_path, bad, good))) as http:

            async def sources():
                rows = (await http.get("/api/v1/sources")).json()["rows"]
                by_cluster = {row["cluster"]: row for row in rows if row["kind"] == "Deployment"}
                return by_cluster if by_cluster.get("good", {}).get("freshness") == "live" else None

            seen = await until(sources, "the good cluster is live")
            assert seen["bad"]["freshness"] == "unknown"
            assert "There is no kubeconfig" in json.dumps(seen["bad"])
            down = (await http.get("/healthz")).json()["down"]
            assert list(down) == ["cluster bad"]
            assert (await http.get("/ready")).status_code == 200
            metrics = (await http.get("/metrics")).text
    assert 'shipboard_sources{cluster="good",freshness="live",kind="Deployment"} 1.0' in metrics
    assert 'shipboard_sources{cluster="bad",freshness="unknown",kind="Deployment"} 1.0' in metrics


async def test_database_that_is_refused_stops_the_start(tmp_path):
    (tmp_path / "x.db").write_bytes(b"no database" * 500)
    app = create_app(settings(tmp_path))
    with pytest.raises(DatabaseRefused):
        async with started(app):
            pass


async def test_application_that_ends_lets_go_of_everything(tmp_path):
    before = asyncio.all_tasks()
    for _ in range(2):
        async with started(create_app(settings(tmp_path))) as http:
            assert (await http.get("/")).status_code == 200
    assert asyncio.all_tasks() == before


async def test_supervisor_starts_again_what_fails_or_ends_and_says_so_meanwhile():
    supervisor = Supervisor()
    runs: list[int] = []
    goes_on = asyncio.Event()

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise StoreUnavailable("The disk is full.")
        if len(runs) == 2:
            return
        goes_on.set()
        await asyncio.Event().wait()

    supervisor.start("work", work)
    for reason in ("The disk is full.", "ended by itself"):

        async def down(reason: str = reason) -> bool:
            return supervisor.down.get("work") == reason

        await until(down, reason)
    async with asyncio.timeout(20):
        await goes_on.wait()
    assert supervisor.down == {}
    await supervisor.stop()


def test_no_mounted_application_stands_outside_the_middleware(tmp_path):
    mounts = [route.path for route in create_app(settings(tmp_path)).routes if isinstance(route, Mount)]
    assert mounts == ["/static"]
