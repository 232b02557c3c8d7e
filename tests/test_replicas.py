"""Two processes on one PostgreSQL: one collects, both show it, and when the one is killed the other goes on."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from app.demo import EmbeddedCluster
from tests.demo.client import STRATEGIC, Client, deployment
from tests.processes import Shipboard, free_port, shipboard, until
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
PATH = "/apis/apps/v1/namespaces/default/deployments"
KEY = {"SHIPBOARD_AUDIT_KEY": "k" * 32}


async def collects(url: str) -> str:
    """Who has the lease of the cluster."""
    async with opened(url) as database, database.reading() as connection:
        query = "SELECT owner FROM lease WHERE name LIKE 'cluster %' AND until > clock_timestamp()"
        return str(await connection.scalar(text(query)) or "")


async def shows(board: Shipboard, version: str) -> None:
    """Wait until it shows that version of the Deployment."""

    def shown() -> bool:
        status, _, body = board.get("/api/v1/workloads")
        return status == 200 and version in json.dumps(json.loads(body))

    await asyncio.to_thread(until, shown, f"port {board.port} shows {version}", 120)


async def test_replicas_show_the_same_and_one_follows_the_other(postgres_url, tmp_path: Path):
    async with EmbeddedCluster() as kube, Client(kube.url, kube.token) as client:
        serve = (
            "serve",
            "--kubeconfig",
            kube.kubeconfig(tmp_path / "kubeconfig"),
            "--database",
            postgres_url,
        )
        homes = [tmp_path / "one", tmp_path / "two"]
        for home in homes:
            home.mkdir()
        with (
            shipboard(homes[0], *serve, port=free_port(), **KEY) as one,
            shipboard(homes[1], *serve, port=free_port(), **KEY) as two,
        ):
            for board in (one, two):
                await asyncio.to_thread(board.until_serving, "/ready")
            await client.call("POST", PATH, deployment("web:1.1"))
            await shows(one, "1.1")
            await shows(two, "1.1")
            owner = await collects(postgres_url)
            leader, other = (one, two) if f" {one.port}/" in owner else (two, one)
            assert f" {leader.port}/" in owner
            leader.signal(signal.SIGKILL)
            op = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2.2"}]}}}}
            status, said = await client.patch(f"{PATH}/web", op, STRATEGIC)
            assert status == 200, said
            await shows(other, "2.2")
            assert f" {other.port}/" in await collects(postgres_url)
