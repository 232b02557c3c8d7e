"""What webhooks lost is found by asking, told as a gap, and asked for again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from app.ingest import Ingest
from app.live import Live
from app.sources.hooked import Hook, Hooked
from app.sources.outbound import Outbound
from app.sources.polled import Polled
from app.store.ci_tables import JOB, RUN
from app.store.db import Database
from app.store.inbox import Inbox, Letter
from app.store.tables import SOURCE
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REPO = "github.com/acme/cart"


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Api:
    """What GitHub, GitLab and Woodpecker answer, as far as it is asked."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.again: list[str] = []
        self.unchanged = 0
        self.status = 200
        self.url = ""

    async def github_runs(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.status != 200:
            return web.json_response({}, status=self.status, headers={"retry-after": "90"})
        tag = f'"{len(str(self.runs))}-{request.query.get("page", "1")}"'
        if request.headers.get("if-none-match") == tag:
            self.unchanged += 1
            return web.Response(status=304)
        page = int(request.query.get("page", "1"))
        some = self.runs[(page - 1) * 2 : page * 2]
        headers = {"etag": tag}
        if len(self.runs) > page * 2:
            headers["link"] = f'<{self.url}{request.path}?page={page + 1}>; rel="next", <x>; rel="last"'
        return web.json_response({"total_count": len(self.runs), "workflow_runs": some}, headers=headers)

    async def github_jobs(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        run = int(request.match_info["run"])
        job = {"id": run * 10, "run_id": run, "run_attempt": 1, "name": "build", "status": "completed"}
        return web.json_response({"jobs": [{**job, "conclusion": "success", "started_at": at(-20)}]})

    async def deliveries(self, request: web.Request) -> web.Response:
        lost = {"id": 2, "guid": "b", "status": "Invalid HTTP Response: 502", "delivered_at": at(-5)}
        found = [
            {"id": 1, "guid": "a", "status": "OK", "delivered_at": at(-9)},
            lost,
            {"id": 3, "guid": "a", "status": "timed out", "delivered_at": at(-10)},
            {"id": 4, "guid": "c", "status": "timed out", "delivered_at": at(-60 * 24 * 5)},
        ]
        return web.json_response(found)

    async def attempt(self, request: web.Request) -> web.Response:
        self.again.append(request.match_info["id"])
        return web.json_response({}, status=202)

    async def gitlab(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        if request.path.endswith("/jobs"):
            job = {"id": 9, "name": "rspec", "stage": "test", "status": "success", "started_at": at(-9)}
            return web.json_response([job])
        pipeline = {"id": 3, "project_id": 1, "sha": "a" * 40, "status": "success", "updated_at": at(-5)}
        return web.json_response([{**pipeline, "created_at": at(-10)}])

    async def woodpecker(self, request: web.Request) -> web.Response:
        if "lookup" in request.path:
            return web.json_response({"id": 4})
        pipeline = {"number": 8, "status": "failure", "commit": "b" * 40, "created": NOW.timestamp() - 90}
        if request.path.endswith("/8"):
            child = {"id": 1, "name": "unit", "state": "failure"}
            return web.json_response({**pipeline, "workflows": [{"id": 1, "children": [child]}]})
        return web.json_response([pipeline])


@asynccontextmanager
async def serving() -> AsyncIterator[Api]:
    api, app = Api(), web.Application()
    app.router.add_get("/repos/acme/cart/actions/runs", api.github_runs)
    app.router.add_get("/repos/acme/cart/actions/runs/{run}/attempts/1/jobs", api.github_jobs)
    app.router.add_get("/repos/acme/cart/hooks/77/deliveries", api.deliveries)
    app.router.add_post("/repos/acme/cart/hooks/77/deliveries/{id}/attempts", api.attempt)
    app.router.add_get("/projects/{rest:.*}", api.gitlab)
    app.router.add_get("/api/repos/{rest:.*}", api.woodpecker)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()


def run(ident: int, status: str = "completed", minutes: float = -10) -> dict[str, Any]:
    conclusion = "success" if status == "completed" else None
    told = {"id": ident, "run_attempt": 1, "name": "CI", "head_sha": "a" * 40, "status": status}
    return {**told, "conclusion": conclusion, "created_at": at(-30), "updated_at": at(minutes)}


class Rounds:
    """A poller on a database, with the worker beside it."""

    def __init__(self, database: Database, api: Api, provider: str = "github", scope: str = REPO) -> None:
        self.database, self.inbox = database, Inbox(database)
        ingest = Ingest(database, Live())
        hook = Hook("acme", provider, (scope,))
        self.hooked = Hooked(self.inbox, ingest, [hook], clock=lambda: NOW)
        self.api = Outbound(api.url, {}, private=True)
        self.polled = Polled(hook, self.api, ingest, database, self.inbox, self.hooked, clock=lambda: NOW)

    async def rows(self, table) -> list[Any]:
        async with self.database.reading() as connection:
            return list(await connection.execute(select(table).order_by(*table.primary_key)))

    async def heard(self, minutes: float) -> None:
        """A webhook came, from GitHub's hook 77."""
        when = NOW + timedelta(minutes=minutes)
        headers = {"x-github-hook-id": "77"}
        await self.inbox.put(
            Letter("acme", "github", "ping", f"p{minutes}", headers, f'{{"zen":{minutes}}}'.encode(), when)
        )


@asynccontextmanager
async def rounds(url: str, *args: str) -> AsyncIterator[tuple[Api, Rounds]]:
    async with serving() as api, opened(url) as database:
        found = Rounds(database, api, *args)
        try:
            yield api, found
        finally:
            await found.api.close()


async def test_runs_that_webhooks_lost_are_found_with_their_jobs_on_every_page(database_url):
    async with rounds(database_url) as (api, polling):
        api.runs = [run(n) for n in range(1, 6)]
        await polling.polled.round()
        assert [row.phase for row in await polling.rows(RUN)] == ["done"] * 5
        assert [row.stage for row in await polling.rows(JOB)] == ["build"] * 5
        before = len(api.asked)
        await polling.polled.round()
        assert api.unchanged == 3, "what did not change is not sent again"
        assert len(api.asked) - before == 3, "nor are its jobs asked for"


async def test_gap_is_told_until_webhooks_are_heard_again(database_url):
    async with rounds(database_url) as (api, polling):
        await polling.heard(-60)
        api.runs = [run(1), run(2, "in_progress", minutes=-0.5)]
        await polling.polled.round()
        await polling.hooked.report()
        (row,) = await polling.rows(SOURCE)
        assert row.freshness == "stale"
        assert row.message.startswith("Webhooks silent since 2026-11-25 11:00 UTC: polling found a run")
        await polling.heard(1)
        await polling.hooked.report()
        (row,) = await polling.rows(SOURCE)
        assert (row.freshness, row.message) == ("live", "")


async def test_failed_delivery_is_asked_for_again_once(database_url):
    async with rounds(database_url) as (api, polling):
        await polling.polled.round()
        assert api.again == [], "which hook is ours is not known yet"
        await polling.heard(-60)
        await polling.polled.round()
        await polling.polled.round()
        assert api.again == ["2"]


async def test_api_that_asks_to_wait_is_waited_for(database_url):
    async with rounds(database_url) as (api, polling):
        api.status = 429
        assert await polling.polled.round() == 90
        api.status = 200
        assert await polling.polled.round() == 60


async def test_api_that_is_away_is_told_and_stops_nothing(database_url):
    async with rounds(database_url) as (api, polling):
        api.status = 500
        await polling.polled.round()
        assert polling.polled._source().freshness == "stale"
        assert "500" in polling.polled._source().message
        api.status = 200
        await polling.polled.round()
        assert (polling.polled._source().freshness, polling.polled._source().message) == ("live", "")


async def test_scope_of_globs_alone_is_not_asked_about(database_url):
    async with rounds(database_url, "github", "github.com/acme/*") as (api, polling):
        await polling.polled.round()
        assert api.asked == []
        assert "without a glob" in polling.polled._source().message


async def test_gitlab_pipelines_and_their_jobs_are_found(database_url):
    async with rounds(database_url, "gitlab", "git.example.org/group/sub/cart") as (api, polling):
        await polling.polled.round()
        (found,), (job,) = await polling.rows(RUN), await polling.rows(JOB)
        assert (found.repo, found.outcome, job.stage) == ("git.example.org/group/sub/cart", "success", "unit")
        assert "/projects/group%2Fsub%2Fcart/pipelines" in api.asked[0]


async def test_woodpecker_pipelines_are_found(database_url):
    async with rounds(database_url, "woodpecker", "git.example.org/acme/cart") as (_, polling):
        await polling.polled.round()
        (found,), (job,) = await polling.rows(RUN), await polling.rows(JOB)
        assert (found.provider, found.outcome, job.outcome) == ("woodpecker", "failure", "failure")
