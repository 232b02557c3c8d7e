"""The transport: credentials from every place they come from, and every failure as one typed, plain error."""

import asyncio
import gzip
import json
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from app.demo import EmbeddedCluster
from app.domain.refusals import (
    Absent,
    Broken,
    ClusterError,
    Conflict,
    Denied,
    Failed,
    Gone,
    Invalid,
    Misconfigured,
    Oversized,
    Throttled,
    Unauthorized,
    Unreachable,
)
from app.engines.port import DEPLOYMENT, POD, Kind
from app.kube import Cluster, failure, transport

pytestmark = pytest.mark.anyio


def kubeconfig(file: Path, server: str, user: dict[str, Any]) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "main",
    }
    file.write_text(yaml.safe_dump(document))
    return file


async def pods_by(cluster: Cluster) -> int:
    try:
        return len(json.loads(await cluster.page(POD))["items"])
    finally:
        await cluster.close()


async def test_kubeconfig_context_signs_in(tmp_path: Path) -> None:
    async with EmbeddedCluster() as server:
        await server.bench.fill(2, 3)
        file = server.kubeconfig(tmp_path / "config")
        assert await pods_by(await Cluster.from_kubeconfig("shop", file)) == 6
        assert await pods_by(await Cluster.from_kubeconfig("shop", file, "demo")) == 6


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "clusters: 7", "current-context: x\ncontexts: []\nclusters: []"]
)
async def test_unusable_kubeconfig_is_said_plainly(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(Misconfigured, match="context other of"):
        await Cluster.from_kubeconfig("shop", tmp_path / "config", "other")


async def test_missing_kubeconfig_and_missing_service_account_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        await Cluster.from_kubeconfig("shop", tmp_path / "none")
    with pytest.raises(Misconfigured, match="service account"):
        await Cluster.in_cluster("shop")


async def test_exec_plugin_gives_the_token(tmp_path: Path) -> None:
    async with EmbeddedCluster() as server:
        said = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": server.token, "expirationTimestamp": "2999-01-01T00:00:00Z"},
        }
        plugin = {
            "apiVersion": said["apiVersion"],
            "command": sys.executable,
            "args": ["-c", f"print({json.dumps(json.dumps(said))})"],
        }
        file = kubeconfig(tmp_path / "config", server.url, {"exec": plugin})
        assert await pods_by(await Cluster.from_kubeconfig("shop", file)) == 0


async def test_f03_renew_reads_a_rotated_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("expired")
    async with EmbeddedCluster() as server:
        file = kubeconfig(tmp_path / "config", server.url, {"tokenFile": str(token)})
        cluster = await Cluster.from_kubeconfig("shop", file)
        with pytest.raises(Unauthorized, match="not signed in"):
            await cluster.page(POD)
        token.write_text(server.token)
        cluster.renew_gap = 0
        await cluster.renew()
        assert await pods_by(cluster) == 0


STATUSES = {
    400: Failed,
    401: Unauthorized,
    403: Denied,
    404: Absent,
    410: Gone,
    409: Conflict,
    422: Invalid,
    429: Throttled,
    500: Failed,
}


@pytest.mark.parametrize(("status", "error"), STATUSES.items())
def test_each_status_has_its_error(status: int, error: type[ClusterError]) -> None:
    found = failure("list pods in shop", status, b'{"message":"because"}')
    assert type(found) is error
    assert "list pods in shop" in str(found)
    assert "Because." in str(found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"404 page not found\n",
        b"\xff\xfe",
        b"[1]",
        b'{"message":7}',
        b'{"message":"' + b"x" * 9000 + b'"}',
    ],
)
def test_any_body_gives_a_short_printable_message(body: bytes) -> None:
    text = str(failure("list pods", 500, body))
    assert len(text) < 700
    assert text.isprintable()


def test_f10_retry_after_is_read_from_header_and_body() -> None:
    header = failure("list pods", 503, b"", {"Retry-After": "7"})
    body = failure("list pods", 504, b'{"details":{"retryAfterSeconds":3}}')
    assert isinstance(header, Throttled)
    assert header.retry_after == 7
    assert isinstance(body, Throttled)
    assert body.retry_after == 3
    assert isinstance(failure("list", 503, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), Failed)


async def test_unknown_group_is_absent_although_its_body_is_plain_text() -> None:
    async with EmbeddedCluster() as server:
        cluster = await Cluster.at("shop", server.url, server.token)
        with pytest.raises(Absent, match="page not found"):
            await cluster.page(Kind("nothing.example/v1", "things", "Thing"))
        await cluster.close()


async def test_closed_port_is_unreachable() -> None:
    async with EmbeddedCluster() as server:
        url = server.url
    cluster = await Cluster.at("shop", url)
    with pytest.raises(Unreachable, match="Cannot connect: Connection refused"):
        await cluster.page(POD)
    await cluster.close()


async def test_silent_server_is_unreachable_within_the_limit() -> None:
    async with EmbeddedCluster() as server:
        server.faults.latency = 30
        cluster = await Cluster.at("shop", server.url, server.token)
        async with asyncio.timeout(2):
            with pytest.raises(Unreachable, match="No answer in time"):
                await cluster.probe(DEPLOYMENT, seconds=0.1)
            with pytest.raises(Unreachable, match="No answer in time"):
                await cluster.page(DEPLOYMENT, silence=0.1)
            with pytest.raises(Unreachable, match="No answer in time"):
                await anext(cluster.watch(DEPLOYMENT, "", "1", 30, silence=0.1))
        await cluster.close()


async def serve(body: bytes, **headers: str) -> tuple[web.AppRunner, str]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": "application/json", **headers})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def test_page_larger_than_the_limit_is_refused_even_when_compressed() -> None:
    runner, url = await serve(gzip.compress(b" " * (transport.MAX_PAGE + 1)), **{"Content-Encoding": "gzip"})
    cluster = await Cluster.at("shop", url)
    with pytest.raises(Oversized):
        await cluster.page(POD)
    await cluster.close()
    await runner.cleanup()


async def test_watch_yields_whole_lines_and_names_a_cut_one() -> None:
    runner, url = await serve(b'{"a":1}\n{"b":2}\n{"c"')
    cluster = await Cluster.at("shop", url)
    lines: list[bytes] = []

    async def read() -> None:
        async with aclosing(cluster.watch(POD, "", "1", 1)) as batches:
            async for batch in batches:
                lines.extend(batch)

    with pytest.raises(Broken, match="in the middle of an event"):
        await read()
    assert lines == [b'{"a":1}', b'{"b":2}']
    await cluster.close()
    await runner.cleanup()


async def test_rights_and_account_are_asked_of_the_server() -> None:
    async with EmbeddedCluster() as server:
        cluster = await Cluster.at("shop", server.url, server.token)
        assert (await cluster.may("watch", POD)).allowed
        assert await cluster.whoami()
        await cluster.close()
