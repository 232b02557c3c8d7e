"""The demo's CI: builds what the fleet ships, tells of it by signed webhooks as GitHub would, and uploads what its jobs
leave behind: test results, scans, a bill of materials, signed provenance.

Every version the fleet runs has its commit, pull request, run, jobs and image; the next one is built while the
present one is live. Now and then a branch is built that fails.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

from app.demo.ci_past import deployments
from app.demo.ci_payloads import JOBS, Build
from app.demo.ci_reports import files
from app.demo.ci_sending import Board, Sender
from app.demo.ci_signing import Signing
from app.demo.fleet import PLACES, asked
from app.demo.services import SERVICES
from app.demo.teller import newer, older

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

log = logging.getLogger(__name__)
PAST = 3
"""Versions before the present one that each service has runs of."""
DAY = 86_400.0
BRANCH_EVERY = 75.0
"""Seconds between two builds of branches."""
SHIPPED = 12
"""Services with deployments of the weeks before."""
REPORTED = 2
"""Newest versions whose jobs left all of their reports; older ones left results of tests alone."""
SLOW, RED, REBUILT = "recommendations", "tax-rates", "loyalty"
"""Services whose pipeline takes too long since a version, whose newest commits fail, and one whose image was built a
second time from the same commit and pushed under the same tag."""


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


class Ci:
    """Tells `board` for as long as it is started."""

    def __init__(self, cluster: EmbeddedCluster, board: Board, key: str = "") -> None:
        """`key`: the private key that its images' provenance is signed with, as PEM; empty: with none."""
        self.cluster, self._sender, self._sign = cluster, Sender(board), Signing(key)
        self._random = random.Random(11)
        self._builds: dict[tuple[str, str], Build] = {}
        self._hurried: set[tuple[str, str]] = set()
        self._live: dict[tuple[str, str], str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._sender.open()
        self._spawn(self._run())

    async def stop(self) -> None:
        """End all of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            await self._history()
            self._spawn(self._left())
            self._spawn(self._branches())
            self._spawn(self._years())
            while True:
                self._look()
                await self._sleep(1.0)
        except Exception:
            log.exception("the demo's CI broke off")

    def _versions(self) -> dict[tuple[str, str], str]:
        """The version that each workload of the fleet asks for."""
        found = {}
        for service in SERVICES:
            for environment in service.environments:
                if image := asked(self.cluster, service, environment):
                    found[service.name, environment] = image.rpartition(":")[2]
        return found

    async def _history(self) -> None:
        now = self.cluster.clock.now()
        self._live = self._versions()
        work = []
        for service in SERVICES:
            age = service.changed * 3600
            known = [self._live[key] for key in self._live if key[0] == service.name]
            past = [older(service.version, back) for back in range(1, PAST + 1)]
            for back, version in enumerate(
                sorted({*known, service.version, *past}, key=_number, reverse=True)
            ):
                spread = (back and back + self._random.uniform(-0.6, 0.0)) * DAY
                work.append(self._past(service.name, version, now - age - spread - 900))
        await asyncio.gather(*work)
        once = newer(self._version(RED))
        for version, bad, ago in ((once, 1, 9_000), (newer(once), 3, 2_400)):
            await self._past(RED, version, now - ago, Build(RED, version, fails="unit tests", bad=bad))
        await self._sender.hook(
            "registry_package", Build(REBUILT, self._version(REBUILT)).rebuilt(now - 7_200)
        )

    async def _left(self) -> None:
        """What the jobs of builds before now left behind, service by service, the oldest first, since failing tests are
        held against those before. Services that move come first."""
        storied = {name for (name, _), place in PLACES.items() if place.story} | {RED}
        ended = [build for build in self._builds.values() if build.ended]
        for service in sorted(SERVICES, key=lambda one: one.name not in storied):
            mine = sorted((one for one in ended if one.service == service.name), key=lambda one: one.ended)
            live = {version for (name, _), version in self._live.items() if name == service.name}
            for build in mine:
                whole = build.version in live or build in mine[-REPORTED:]
                for job in build.jobs:
                    if job.ended and (whole or job.name == "unit tests"):
                        await self._leave(build, job.name)

    async def _leave(self, build: Build, job: str) -> None:
        """Upload what a job left behind."""
        about = {"repo": build.repository()["html_url"], "sha": build.sha, "branch": build.branch, "job": job}
        if job in ("build image", "security scan") and build.branch == "main":
            about["digest"] = build.digest
        await self._sender.upload(about, files(build, job, self._sign))

    async def _years(self) -> None:
        """What was deployed in the weeks before, told little by little."""
        now = self.cluster.clock.now()
        for service in SERVICES[:SHIPPED]:
            for event, body in deployments(service.name, service.version, service.changed, now):
                await self._sender.hook(event, body)
                await asyncio.sleep(0.004)

    def _stretch(self, build: Build) -> None:
        """Since a while, the integration tests of one service take too long."""
        if build.service == SLOW and _number(build.version) >= _number(older(self._version(SLOW), 1)):
            build.jobs[-1].length *= 6

    def _version(self, service: str) -> str:
        return next(one.version for one in SERVICES if one.name == service)

    def _look(self) -> None:
        """Take note of what was shipped since the last look."""
        storied = {name for (name, _), place in PLACES.items() if place.story}
        live = self._versions()
        for (service, environment), version in live.items():
            if self._live.get((service, environment)) == version and (service, environment) in self._live:
                continue
            self._spawn(self._shipped(service, environment, version))
        fresh = {key[0] for key in live if live[key] != self._live.get(key)}
        self._live = live
        for service in sorted(fresh & storied):
            self._next(service)
        if not any(key in self._builds and not self._builds[key].ended for key in self._builds):
            self._next(self._random.choice(sorted(storied)))

    def _next(self, service: str) -> None:
        """Build what the story will ship next."""
        versions = [version for (name, _), version in self._live.items() if name == service]
        environment = next((where for (name, where), p in PLACES.items() if name == service and p.story), "")
        try:
            version = newer(self._live.get((service, environment), versions[0]))
        except (IndexError, ValueError):  # a viewer set an image of their own
            return
        if (service, version) not in self._builds:
            self._spawn(self._build(Build(service, version, pace=self._random.uniform(0.8, 1.3))))

    async def _past(self, service: str, version: str, ended: float, build: Build | None = None) -> None:
        """A build that is over."""
        if (service, version) in self._builds:
            return
        build = build or Build(
            service, version, pace=1.0 if service == SLOW else self._random.uniform(0.8, 1.4)
        )
        self._stretch(build)
        self._builds[service, version] = build
        length = max(job.starts + job.length for job in build.jobs)
        build.began, build.ended, build.touched = ended - length, ended, ended
        build.status = "completed"
        for job in build.jobs:
            job.started = build.began + job.starts
            job.ended = job.started + job.length
            job.conclusion = "failure" if job.name == build.fails else "success"
        await self._sender.hook("push", build.push())
        await self._sender.hook("pull_request", build.pull_request())
        await self._sender.hook("workflow_run", build.workflow_run())
        for job in build.jobs:
            await self._sender.hook("workflow_job", build.workflow_job(job))
        if not build.fails:
            await self._sender.hook("registry_package", build.registry_package())

    async def _shipped(self, service: str, environment: str, version: str) -> None:
        """A version went to an environment: its build is over, and the deployment is told."""
        now = self.cluster.clock.now()
        self._hurried.add((service, version))
        fresh = (service, version) not in self._builds
        await self._past(service, version, now - 60)
        build = self._builds[service, version]
        for job in build.jobs if fresh else ():
            await self._leave(build, job.name)
        await self._sender.hook("deployment", build.deployment(environment, now))
        await self._sender.hook(
            "deployment_status", build.deployment_status(environment, now, "in_progress", now)
        )
        await self._sleep(25.0)
        done = self.cluster.clock.now()
        await self._sender.hook(
            "deployment_status", build.deployment_status(environment, now, "success", done)
        )

    async def _branches(self) -> None:
        """Changes that are not merged yet; some fail."""
        while True:
            await self._sleep(self._random.uniform(0.4, 1.6) * BRANCH_EVERY)
            service = self._random.choice(SERVICES)
            branch = f"change-{self._random.randrange(10_000)}"
            fails = self._random.choice([name for name, _, _ in JOBS]) if self._random.random() < 0.35 else ""
            pace = self._random.uniform(0.7, 1.5)
            self._spawn(self._build(Build(service.name, service.version, branch, fails, pace, bad=2)))

    async def _build(self, build: Build) -> None:
        """A build as it happens; at once where what it makes is shipped already."""
        key = (build.service, build.version if build.branch == "main" else build.branch)
        self._builds[key] = build
        self._stretch(build)
        clock = self.cluster.clock
        build.began = build.touched = clock.now()
        await self._sender.hook("push", build.push())
        if build.branch == "main":
            await self._sender.hook("pull_request", build.pull_request())
        await self._sender.hook("workflow_run", build.workflow_run())
        points = [(job.starts, job, False) for job in build.jobs]
        points += [(job.starts + job.length, job, True) for job in build.jobs]
        failed = False
        for when, job, over in sorted(points, key=lambda point: (point[0], point[2])):
            await self._until(build.began + when, key)
            now = build.touched = clock.now()
            if over and not job.started:
                continue
            if not over and failed:
                continue  # what has not begun is not begun any more
            if over:
                job.ended, job.conclusion = now, "failure" if job.name == build.fails else "success"
                failed = failed or job.conclusion == "failure"
            else:
                job.started = now
                if build.status == "queued":
                    build.status = "in_progress"
                    await self._sender.hook("workflow_run", build.workflow_run())
            await self._sender.hook("workflow_job", build.workflow_job(job))
            if over:
                await self._leave(build, job.name)
        build.status, build.ended = "completed", clock.now()
        await self._sender.hook("workflow_run", build.workflow_run())
        if build.branch == "main" and not failed:
            await self._sender.hook("registry_package", build.registry_package())

    async def _until(self, at: float, key: tuple[str, str]) -> None:
        while (left := at - self.cluster.clock.now()) > 0 and key not in self._hurried:
            await self._sleep(min(left, 1.0))

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.01, self.cluster.clock.real(seconds)))
