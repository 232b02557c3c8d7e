"""The demo's CI sends what GitHub would, signed, and every version that is live has its commit, run and image."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from app.demo.ci import Ci
from app.demo.ci_payloads import Build, commit_of
from app.demo.cluster import EmbeddedCluster
from app.demo.fleet import REGISTRY
from app.demo.services import SERVICES
from app.domain.ci import ArtifactSeen, RunSeen
from app.sources.hooks import PROVIDERS, Delivery
from app.sources.hooks.payload import decoded
from app.sources.hooks.verify import Signed, proven

pytestmark = pytest.mark.anyio
SECRET = "of the demo"


class Receiver:
    """Takes webhooks as the product would: proves, decodes, reads."""

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self.events: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.away = 3

    async def take(self, request: web.Request) -> web.Response:
        if self.away:
            self.away -= 1
            return web.Response(status=503)
        body = await request.read()
        headers = {name.lower(): [value] for name, value in request.headers.items()}
        assert proven(PROVIDERS["github"].schemes, Signed(headers, body, body), [SECRET], datetime.now(UTC))
        event = request.headers["x-github-event"]
        reading = PROVIDERS["github"].read(Delivery(event, decoded(body), {}, datetime.now(UTC)))
        assert reading.facts, (event, reading.ignored, json.loads(body))
        self.facts += reading.facts
        self.events[event] += 1
        assert request.headers["x-github-delivery"] not in self.keys
        self.keys.add(request.headers["x-github-delivery"])
        return web.Response(status=202)


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/hooks/github/demo", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield receiver, f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/github/demo"
    finally:
        await runner.cleanup()


async def test_every_live_version_has_its_commit_run_and_image_and_new_ones_are_built():
    async with receiving() as (receiver, url), EmbeddedCluster(fleet=True, time_scale=60.0) as cluster:
        ci = Ci(cluster, url, SECRET)
        ci.start()
        try:
            async with asyncio.timeout(60):
                while not (
                    receiver.events["deployment_status"] > 1 and receiver.events["workflow_job"] > 330
                ):
                    await asyncio.sleep(0.05)
        finally:
            await ci.stop()
    runs = {fact.sha for fact in receiver.facts if isinstance(fact, RunSeen)}
    images = {fact.digest: fact.sha for fact in receiver.facts if isinstance(fact, ArtifactSeen)}
    for service in SERVICES:
        sha = commit_of(service.name, service.version)
        image = f"{REGISTRY}/{service.name}:{service.version}"
        assert sha in runs
        assert images["sha256:" + hashlib.sha256(image.encode()).hexdigest()] == sha
    assert set(receiver.events) == {
        *("push", "pull_request", "workflow_run", "workflow_job", "registry_package"),
        *("deployment", "deployment_status"),
    }


def test_build_that_fails_says_so() -> None:
    build = Build("cart", "1.0.0", "change-1", "unit tests")
    build.jobs[1].conclusion = "failure"
    assert build.workflow_run()["workflow_run"]["conclusion"] is None
    build.status = "completed"
    assert build.workflow_run()["workflow_run"]["conclusion"] == "failure"
