"""Probes and figures: alive means advancing, ready has reasons, figures have bounded labels."""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from prometheus_client.parser import text_string_to_metric_families

from app.domain.facts import WorkloadGone
from app.web import errors, logs, ops
from app.web.metrics import Metrics
from app.web.watchdog import Watchdog

pytestmark = pytest.mark.anyio
GONE = WorkloadGone("east", "1", datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class Loop:
    """A projection loop as the probes see it."""

    ready: bool = True
    age: float = 0.0

    def beat_age(self) -> float:
        return self.age


@dataclass
class Clock:
    """Monotonic seconds, moved by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def running(clock: Clock | None = None, age: float = 0.0) -> ops.Vitals:
    vitals = ops.Vitals(lambda: "", clock or Clock())
    vitals.projection = Loop(age=age)
    vitals.heard = lambda: True
    return vitals


async def ask(vitals: ops.Vitals, path: str):
    app = FastAPI(openapi_url=None)
    errors.install(app)
    ops.install(app, vitals, Metrics(Watchdog()).exposition)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as http:
        return await http.get(path)


async def test_healthz_is_well_while_both_loops_advance():
    answer = await ask(running(), "/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"alive": True, "ages": {"projection": 0.0, "writer": 0.0}, "down": {}}


@pytest.mark.parametrize(("age", "status"), [(29.0, 200), (31.0, 503)])
async def test_healthz_says_which_loop_is_stuck(age, status):
    answer = await ask(running(age=age), "/healthz")
    assert answer.status_code == status
    assert ("the projection has not advanced for 31 s" in answer.text) is (status == 503)


async def test_healthz_notices_a_writer_that_never_comes_round():
    clock = Clock()
    vitals = running(clock)
    clock.now += 40
    assert vitals.stuck() == ["the writer has not advanced for 40 s"]
    vitals.wrote("probe", "The disk is full.")
    assert vitals.stuck() == []


async def test_ready_gives_every_reason():
    vitals = ops.Vitals(lambda: "the event loop was blocked")
    vitals.draining = True
    vitals.wrote("ingest", "The disk is full.")
    answer = await ask(vitals, "/ready")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        "draining: this process was told to end",
        "starting: the board is not read yet",
        "the database does not take writes: The disk is full",
        "the event loop was blocked",
    ]


async def test_ready_waits_for_a_first_list_but_not_for_ever():
    clock = Clock()
    vitals = running(clock)
    vitals.heard = lambda: False
    assert vitals.reasons() == ["starting: no cluster has been listed yet"]
    clock.now += 31
    vitals.wrote("probe")
    assert vitals.reasons() == []


async def test_ready_again_once_the_same_writer_succeeds():
    vitals = running()
    vitals.wrote("ingest", "The disk is full.")
    vitals.wrote("probe")
    assert len(vitals.reasons()) == 1
    vitals.wrote("ingest")
    assert (await ask(vitals, "/ready")).status_code == 200


async def test_metrics_can_be_parsed_and_count_what_is_ingested():
    metrics = Metrics(Watchdog())

    async def fails(facts):
        raise OSError

    async def stores(facts):
        pass

    await metrics.counted(stores)([GONE] * 3)
    with pytest.raises(OSError):
        await metrics.counted(fails)([GONE])
    found = {f.name: f for f in text_string_to_metric_families(metrics.exposition().decode())}
    counts = {
        s.labels["result"]: s.value for s in found["shipboard_ingest_batches"].samples if "result" in s.labels
    }
    assert {result: counts[result] for result in ("stored", "refused")} == {"stored": 1, "refused": 1}
    assert {"shipboard_loop_lag_seconds", "process_resident_memory_bytes"} <= set(found)
    total = next(s for s in found["shipboard_ingest_facts"].samples if s.name.endswith("_total"))
    assert total.value == 3


async def test_watchdog_logs_the_stack_of_a_blocked_loop_while_it_is_blocked(capsys):
    logs.configure("json")
    watchdog = Watchdog(blocked=0.3)
    task = asyncio.create_task(watchdog.run())
    await asyncio.sleep(0)
    assert watchdog.trouble() == ""
    block_the_loop(1.0)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert said[0]["event"] == "the event loop is blocked"
    assert "block_the_loop" in said[0]["stack"]
    assert len(said) == 1
    assert watchdog.blocks == 1
    assert "blocked" in watchdog.trouble()
    async with asyncio.timeout(5):
        while not watchdog.lag:
            await asyncio.sleep(0.05)
    assert watchdog.lag > 0.5
    task.cancel()


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)
