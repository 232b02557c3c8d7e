"""A day of builds in minutes: every webhook of 15,000 builds with their jobs, signed, through the whole product.

A build is a push, a run that is queued, begins and ends, five jobs that begin and end, and an image of each tenth. The
server is the one that `serve` runs: each webhook is on disk before its 2xx, then read, stored and shown by the board
while the next ones come. The clock stops when the last job of the day is stored. SHIPBOARD_BUILDS says how many there
are; the bound of ten minutes is held in proportion.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil

from app.demo.ci_payloads import Build

from .rig import ROOT, Row

BUILDS = int(os.environ.get("SHIPBOARD_BUILDS", "15000"))
DAY, BOUND, A_DAY = 86_400.0, 600.0, 15_000
SERVICES, SENDERS = 100, 32
SECRET = "a secret for the benchmark"
SERVER = """
    import sys
    from dataclasses import replace
    from pathlib import Path
    from app.cli.serving import serve
    from app.settings import HookSettings, load
    from app.web.server import open_port

    home = Path(sys.argv[1])
    hook = HookSettings("bench", "github", repositories=("github.com/acme/*",), secrets=(sys.argv[2],))
    settings = replace(load(None, {}, home, {"database": str(home / "ship.db")}), hooks=(hook,))
    port = open_port("127.0.0.1", 0)
    started = lambda: print(port.getsockname()[1], flush=True)
    serve(replace(settings, clusters=()), port, started=started, quiet=True)
"""


def run() -> list[Row]:
    """Builds a second, and how long the day took."""
    with tempfile.TemporaryDirectory(
        prefix="shipboard-bench-", dir=os.environ.get("SHIPBOARD_BENCH_DIR")
    ) as folder:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVER), folder, SECRET],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            idle = sum(psutil.Process(child.pid).cpu_times()[:2])
            hooks, taken, stored = asyncio.run(_replay(port, Path(folder) / "ship.db"))
            used = sum(psutil.Process(child.pid).cpu_times()[:2]) - idle
        finally:
            child.terminate()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
        size = (Path(folder) / "ship.db").stat().st_size
    bound = BOUND * BUILDS / A_DAY
    return [
        Row(
            f"{BUILDS:,} builds, {hooks:,} webhooks: on disk",
            f"{taken:.0f} s",
            f"{hooks / taken:,.0f} a second",
        ),
        Row(
            "the same: read, stored and on the board",
            f"{stored:.0f} s",
            f"{BUILDS / stored:,.1f} builds a second, {DAY / A_DAY * BUILDS / stored:,.0f} x a day of {A_DAY:,}",
            f"<= {bound:.0f} s",
            stored <= bound,
        ),
        Row("its database", f"{size / 1e6:,.0f} MB"),
        Row(
            "processor time of the server, its start left out",
            f"{used:.0f} s",
            f"{used / BUILDS * 1000:.1f} ms a build",
        ),
    ]


def _hooks(number: int, now: float) -> Iterator[tuple[str, bytes]]:
    """The webhooks of one build, as they come."""
    service, version = f"service-{number % SERVICES:03d}", f"1.0.{number // SERVICES}"
    build = Build(
        service, version, fails="unit tests" if number % 20 == 0 else "", pace=1.0 + number % 7 / 10
    )
    build.began = build.touched = now - DAY + DAY * number / BUILDS
    told = [("push", build.push()), ("workflow_run", build.workflow_run())]
    build.status, build.touched = "in_progress", build.began + 5
    told.append(("workflow_run", build.workflow_run()))
    for job in build.jobs:
        job.started = build.began + 5 + job.starts
        told.append(("workflow_job", build.workflow_job(job)))
        job.ended = job.started + job.length
        job.conclusion = "failure" if job.name == build.fails else "success"
        told.append(("workflow_job", build.workflow_job(job)))
    build.status, build.ended = "completed", max(job.ended for job in build.jobs)
    build.touched = build.ended
    told.append(("workflow_run", build.workflow_run()))
    if number % 10 == 1:
        told.append(("registry_package", build.registry_package()))
    for event, body in told:
        yield event, json.dumps(body, separators=(",", ":")).encode()


async def _replay(port: int, file: Path) -> tuple[int, float, float]:
    """How many webhooks were sent, and seconds until all were taken, and until all were stored."""
    now, sent, numbers = time.time(), 0, iter(range(BUILDS))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=SENDERS)) as session:

        async def send() -> None:
            nonlocal sent
            for number in numbers:
                for event, content in _hooks(number, now):
                    sign = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
                    headers = {
                        "content-type": "application/json",
                        "x-github-event": event,
                        "x-github-delivery": hashlib.sha256(content).hexdigest()[:36],
                        "x-hub-signature-256": f"sha256={sign}",
                    }
                    url = f"http://127.0.0.1:{port}/hooks/github/bench"
                    async with session.post(url, data=content, headers=headers) as answer:
                        assert answer.status == 202, await answer.text()
                    sent += 1

        began = time.monotonic()
        await asyncio.gather(*(send() for _ in range(SENDERS)))
        taken = time.monotonic() - began
        left = await asyncio.to_thread(_left, file)
        while left:
            assert time.monotonic() - began < 4 * BOUND, f"{left} webhooks are still to be read"
            await asyncio.sleep(0.25)
            left = await asyncio.to_thread(_left, file)
        while await _shown(session, port) < min(SERVICES, BUILDS):
            assert time.monotonic() - began < 4 * BOUND, "the board does not show every service"
            await asyncio.sleep(0.1)
        stored = time.monotonic() - began
    return sent, taken, stored


async def _shown(session: aiohttp.ClientSession, port: int) -> int:
    """How many services the board shows builds of."""
    async with session.get(f"http://127.0.0.1:{port}/api/v1/pipelines") as answer:
        return len((await answer.json())["services"])


def _left(file: Path) -> int:
    """Webhooks that are still to be read. Once none is, every run and job must be there."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        (left,) = connection.execute("SELECT count(*) FROM inbox WHERE state = 'new'").fetchone()
        if not left:
            (jobs,) = connection.execute("SELECT count(*) FROM pipeline_job WHERE phase = 'done'").fetchone()
            (runs,) = connection.execute("SELECT count(*) FROM pipeline_run WHERE phase = 'done'").fetchone()
            assert (runs, jobs) == (BUILDS, 5 * BUILDS)
    connection.close()
    return int(left)
