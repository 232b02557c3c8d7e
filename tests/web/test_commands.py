"""Commands and audit over HTTP: the whole board, a cluster, and a program with a token."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.domain.audit import Entry, check_lines
from app.settings import ClusterSettings
from app.store import audit
from app.store.audit import key_from
from tests.demo.client import DEPLOYMENTS, Client, deployment, stored, until
from tests.web.auth.door import Door, door

pytestmark = pytest.mark.anyio
HERE = "/api/v1/workloads/real/default/Deployment/web"
COMMANDS = f"{HERE}/commands"


class Caller:
    """A program with a token."""

    def __init__(self, here: Door, token: str) -> None:
        self._here, self._headers = here, {"authorization": f"Bearer {token}", "accept": "application/json"}

    async def get(self, path: str, **more: Any) -> Any:
        return await self._here.http.get(path, headers=self._headers, **more)

    async def post(self, body: Any, key: str = "", path: str = COMMANDS, **query: Any) -> Any:
        keyed = {"idempotency-key": key} if key else {}
        return await self._here.http.post(path, headers=self._headers | keyed, json=body, params=query)

    async def over(self, ident: str) -> dict[str, Any]:
        """The command once it is over, waited for as the CLI waits."""
        phase = "pending"
        async with asyncio.timeout(20):
            while phase in ("pending", "running", "sent"):
                answer = await self.get(f"/api/v1/commands/{ident}", params={"unlike": phase})
                assert answer.status_code == 200, answer.text
                phase = answer.json()["phase"]
        return dict(answer.json())


@pytest.fixture
async def kube(tmp_path: Path) -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(time_scale=25.0) as running:
        async with Client(running.url, running.token) as client:
            await client.call("POST", DEPLOYMENTS, deployment())
            await until(
                lambda: stored(running, "deployments", "web").get("status", {}).get("availableReplicas") == 4,
                "ready",
            )
        running.kubeconfig(tmp_path / "kubeconfig")
        yield running


@pytest.fixture
async def here(kube: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[Door]:
    clusters = (ClusterSettings("real", tmp_path / "kubeconfig", "demo"),)
    async with door(tmp_path, clusters=clusters, audit_key="k" * 32) as board:
        operator = Caller(board, await board.token(role="operator"))
        async with asyncio.timeout(20):
            while (await operator.get(HERE)).status_code != 200:
                await asyncio.sleep(0.05)
        yield board


async def test_command_is_rehearsed_asked_once_and_done(kube, here):
    operator = Caller(here, await here.token(role="operator"))
    before = stored(kube, "deployments", "web")["metadata"]["generation"]
    preview = await operator.post({"verb": "restart"}, dry_run=1)
    assert (preview.status_code, preview.json()["dry_run"]) == (200, "accepted"), preview.text
    assert preview.json()["patches"][0]["path"].endswith("/deployments/web")
    assert stored(kube, "deployments", "web")["metadata"]["generation"] == before

    body = {"verb": "restart", "expected": {k: v for k, v in preview.json()["expected"].items() if v}}
    assert (await operator.post(body)).status_code == 400
    first = await operator.post(body, "k1")
    assert first.status_code == 202, first.text
    assert first.headers["location"] == f"/api/v1/commands/{first.json()['id']}"
    again = await operator.post(body, "k1")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert (await operator.post({"verb": "pause"}, "k1")).status_code == 422
    done = await operator.over(first.json()["id"])
    assert done["phase"] == "done", done
    assert stored(kube, "deployments", "web")["metadata"]["generation"] == before + 1
    async with asyncio.timeout(60):
        while (landing := done["landing"])["state"] != "landed":
            assert landing["state"] == "moving", landing
            await asyncio.sleep(0.05)
            done = (await operator.get(f"/api/v1/commands/{done['id']}")).json()
    assert (landing["state"], landing["seconds"] > 0) == ("landed", True)
    (listed,) = (await operator.get("/api/v1/commands")).json()["items"]
    assert listed == done
    assert (await operator.get("/api/v1/commands", params={"running": True})).json()["items"] == []


async def test_what_stands_in_the_way_is_told(here):
    operator, viewer = Caller(here, await here.token(role="operator")), Caller(here, await here.token())
    moved = await operator.post({"verb": "restart", "expected": {"revision": "another"}}, "k")
    assert (moved.status_code, moved.headers["content-type"]) == (409, "application/problem+json")
    assert moved.json()["difference"][0]["what"] == "the revision"
    barred = await viewer.post({"verb": "restart"}, "k")
    assert (barred.status_code, [b["rule"] for b in barred.json()["blocked_by"]]) == (403, ["role"])
    not_now = await operator.post({"verb": "resume"}, "k2")
    assert not_now.status_code == 409
    assert not_now.json()["blocked_by"]
    assert (await operator.post({"verb": "restart", "expcted": {}}, "k")).status_code == 422
    assert (await operator.post({"verb": "fly"}, "k")).status_code == 422
    queries: list[dict[str, Any]] = [{}, {"dry_run": 1}]
    for query in queries:
        not_its = await operator.post(
            {"verb": "pause", "arguments": {"images": {"web": "x:1"}, "weight": 0}}, "k3", **query
        )
        assert not_its.status_code == 422
        assert not_its.json()["why"] == "Pause (pause) takes no arguments, not images and weight."
    nobody = COMMANDS.replace("/web/", "/nobody/")
    assert (await operator.post({"verb": "restart"}, "k", nobody)).status_code == 404
    assert (await operator.get("/api/v1/commands/abc")).status_code == 404
    kinds = [row["kind"] for row in (await operator.get("/api/v1/audit")).json()["items"]]
    assert kinds == ["refused"] * 3, "moved, not permitted, not now"


async def test_audit_is_filtered_paged_shown_and_exported(here):
    operator = Caller(here, await here.token(role="operator"))
    database = here.keeper.database
    for n in range(1, 151):
        entry = Entry(
            datetime(2026, 11, 20, tzinfo=UTC) if n < 100 else datetime.now(UTC),
            "asked" if n % 2 else "refused",
            f"test|p{n % 3}",
            f"Person {n % 3}",
            object=f"real/default/Deployment/w{n}",
            environment="staging",
            verb="pause",
            reason="=cmd|' /C calc'!A0" if n == 150 else "<script>alert(1)</script>",
        )
        async with database.writing() as session:
            await audit.append(session, entry)
    found, cursor = [], ""
    while True:
        page = (
            await operator.get(
                "/api/v1/audit", params={"limit": 40, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        found += [row["seq"] for row in page["items"]]
        if not (cursor := page["next"]):
            break
    assert found == list(range(150, 0, -1))

    async def count(**filters: str) -> int:
        return len((await operator.get("/api/v1/audit", params={"limit": 500, **filters})).json()["items"])

    assert await count(who="person 1") == 50
    assert await count(result="refused") == 75
    assert await count(workload="w15") == 2
    assert await count(since="2h") == 51
    assert await count(since="2026-11-21") == 51
    assert await count(environment="production") == 0
    assert (await operator.get("/api/v1/audit", params={"since": "yesterday"})).status_code == 400

    page = await here.ask("GET", "/audit?result=refused", await here.be("viewer"))
    assert page.status_code == 200
    assert "&lt;script&gt;" in page.text
    assert "<script>alert" not in page.text
    assert page.text.count('<tr id="e-') == 75
    older = await here.ask("GET", "/audit", await here.be("viewer"))
    assert 'rel="next" href="/audit?cursor=' in older.text

    rows = list(csv.reader(io.StringIO((await operator.get("/audit.csv")).text)))
    head, *rows = rows
    rows = [row for row in rows if row[head.index("verb")] == "pause"]  # others signed in
    assert len(rows) == 150
    assert rows[-1][head.index("reason")].startswith("'=")
    whole = await here.ask("GET", "/audit.jsonl", await here.be("admin"))
    lines = [json.loads(line) for line in whole.text.splitlines()]
    assert check_lines(lines, key_from("k" * 32)).sound == 153, "with three sign-ins"
    assert len((await operator.get("/audit.jsonl", params={"result": "asked"})).text.splitlines()) == 75
