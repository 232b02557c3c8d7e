"""The demo's CI sends what GitHub would, signed, and every version that is live has its commit, run and image; its jobs
leave reports behind that the product reads."""

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
from app.demo.ci_payloads import JOBS, REGISTRY, Build, commit_of
from app.demo.ci_reports import FLAKY, files
from app.demo.ci_sending import Board
from app.demo.cluster import EmbeddedCluster
from app.demo.services import SERVICES
from app.domain.ci import ArtifactSeen, RunSeen
from app.domain.reports import Attestation, Bill, CaseResult, ScanReport, Severity, TestReport
from app.sources import reports
from app.sources.hooks import PROVIDERS, Delivery
from app.sources.hooks.payload import decoded
from app.sources.hooks.verify import Signed, proven

pytestmark = pytest.mark.anyio
SECRET, TOKEN = "of the demo", "shipboard_of_the_demo"


class Receiver:
    """Takes webhooks as the product would: proves, decodes, reads."""

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self.events: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.away = 3
        self.uploads: list[tuple[dict[str, str], str, Any]] = []

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

    async def upload(self, request: web.Request) -> web.Response:
        """Takes reports as the product would: reads each."""
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        if request.content_type == "multipart/form-data":
            form = (await request.post()).values()
            bodies = [value.file.read() for value in form if isinstance(value, web.FileField)]
        else:
            bodies = [await request.read()]
        for body in bodies:
            kind, contents = reports.read(request.match_info["kind"], body)
            self.uploads.append((dict(request.query), kind, contents))
        return web.Response(status=201)


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, Board]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/api/v1/ingest/{kind}", receiver.upload)
    app.router.add_post("/hooks/github/demo", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield receiver, Board(f"{url}/hooks/github/demo", SECRET, f"{url}/api/v1/ingest", TOKEN)
    finally:
        await runner.cleanup()


async def test_every_live_version_has_its_commit_run_and_image_and_new_ones_are_built():
    async with receiving() as (receiver, board), EmbeddedCluster(fleet=True, time_scale=60.0) as cluster:
        ci = Ci(cluster, board)
        ci.start()
        try:
            async with asyncio.timeout(60):
                while not (
                    receiver.events["deployment_status"] > 1
                    and receiver.events["workflow_job"] > 330
                    and len({about["repo"] for about, _, _ in receiver.uploads}) == len(SERVICES)
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
    told = {(about["sha"], about["job"]) for about, _, _ in receiver.uploads}
    newest = {(commit_of(service.name, service.version), "unit tests") for service in SERVICES}
    assert len(newest - told) <= 1  # the last service's may be under way
    for about, kind, contents in receiver.uploads:
        assert about["repo"].startswith("https://github.com/acme/")
        if kind in ("cyclonedx", "attestation", "trivy"):
            assert contents.image.digest == about["digest"]
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


def left_by(build: Build, job: str) -> TestReport:
    (found,) = (contents for _, contents in (reports.read(*file) for file in files(build, job)))
    assert isinstance(found, TestReport)
    return found


def test_jobs_leave_reports_that_say_what_became_of_the_build() -> None:
    build = Build("invoicing", "1.0.0", fails="unit tests", bad=3)
    told = {job: [reports.read(kind, body) for kind, body in files(build, job)] for job, _, _ in JOBS}
    unit, whole = (told[name][0][1] for name in ("unit tests", "integration tests"))
    assert isinstance(unit, TestReport)
    assert isinstance(whole, TestReport)
    assert (unit.count(CaseResult.FAILED), whole.count(CaseResult.FAILED)) == (3, 0)
    assert all(case.message for case in unit.cases if case.result is CaseResult.FAILED)
    before = left_by(Build("invoicing", "0.9.0", fails="unit tests", bad=1), "unit tests")
    names = [{c.name + c.suite for c in one.cases if c.result is CaseResult.FAILED} for one in (before, unit)]
    assert names[0] < names[1]  # one is known, the others are new
    scan = told["security scan"][0][1]
    assert isinstance(scan, ScanReport)
    assert scan.count(Severity.CRITICAL) == 1
    bill, provenance = (contents for _, contents in told["build image"])
    assert isinstance(bill, Bill)
    assert isinstance(provenance, Attestation)
    assert (bill.components > 50, bill.image.digest) == (True, build.digest)
    assert (provenance.subjects, provenance.sha) == ((build.digest,), build.sha)
    wavers = [left_by(Build(s, f"1.0.{n}"), "integration tests") for s in FLAKY for n in range(9)]
    assert 0 < sum(case.flaky for one in wavers for case in one.cases) < len(wavers)
    assert not files(Build("cart", "1", "change-7"), "security scan")
