"""Figures for the store: `python -m tests.store.bench [URL]`, in milliseconds.

On a busy machine trust "cpu"; the targets are for a quiet one.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from app.domain.facts import WorkloadObserved
from app.domain.names import Topic
from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.store import mapping
from app.store.db import Database
from app.store.ledger import record
from tests.store import looks

T = TypeVar("T")
serial = itertools.count(1)
NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


async def timed(name: str, jobs: Sequence[T], work: Callable[[T], Awaitable[object]]) -> None:
    wall, cpu = [], []
    for job in jobs:
        start, used = time.perf_counter(), time.process_time()
        await work(job)
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    print(f"{name:<38} best {min(wall):6.1f}  median {statistics.median(wall):6.1f}  cpu {min(cpu):6.1f} ms")


def changed(facts: list[WorkloadObserved], run: int) -> list[WorkloadObserved]:
    return [
        replace(
            f,
            state=replace(f.state, phase=Phase.PROGRESSING, message=f"look {run}"),
            seen_at=NOW + timedelta(seconds=run + 1),
        )
        for f in facts
    ]


async def main(url: str) -> None:
    database = await Database.open(url)
    try:
        facts = [looks.workload(n, pods=10, at=NOW) for n in range(1000)]
        ingest = Ingest(database, Live())
        print(f"{database.dialect}, {len(mapping.encode_state(facts[0].state))} bytes a state")

        async def ledgerless(batch: list[WorkloadObserved]) -> None:
            async with database.writing() as session:
                await record(session, batch)

        def runs(batch: list[WorkloadObserved], count: int) -> list[list[WorkloadObserved]]:
            return [changed(batch, next(serial)) for _ in range(count)]

        await timed("record 1,000 new", [facts], ingest)
        await timed("record 1,000 changed, cached", runs(facts, 5), ingest)
        await timed("record 1,000 changed, not cached", last := runs(facts, 5), ledgerless)
        await ingest(last[-1])
        await timed("record 1,000 unchanged, cached", last[-1:] * 5, ingest)
        await timed("record 1,000 unchanged, not cached", last[-1:] * 5, ledgerless)
        few = facts[:5]
        await timed("record 5 changed, cached", runs(few, 40), ingest)
        await timed("record 5 changed, not cached", runs(few, 40), ledgerless)
        fleet = Fleet(database, lambda: NOW)
        await timed("Fleet.load of 1,000", [None] * 7, lambda _: fleet.load())
        topics = [Topic("workload", f.key) for f in few]
        await timed("Fleet.refresh of 5", [topics] * 40, fleet.refresh)
    finally:
        await database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/bench.db"))
