"""Figures for the store: `python -m tests.store.bench [URL]`. Prints milliseconds, median of several runs."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.facts import WorkloadObserved
from app.domain.names import Topic
from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.read.fleet import Fleet
from app.store.db import Database
from app.store.ledger import Ledger
from tests.store import looks

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


async def timed(name: str, runs: int, work: Callable[[int], Awaitable[object]]) -> None:
    spent = []
    for run in range(runs):
        start = time.perf_counter()
        await work(run)
        spent.append((time.perf_counter() - start) * 1000)
    print(f"{name:<58} {statistics.median(spent):7.1f} ms (worst {max(spent):.1f})")


def changed(facts: list[WorkloadObserved], run: int, salt: str) -> list[WorkloadObserved]:
    return [
        replace(
            f,
            state=replace(f.state, phase=Phase.PROGRESSING, message=f"{salt} {run}", progress=run),
            seen_at=NOW + timedelta(seconds=run + 1),
        )
        for f in facts
    ]


async def main(url: str) -> None:
    database = await Database.open(url)
    try:
        facts = [looks.workload(n, pods=10, at=NOW) for n in range(1000)]
        ingest = Ingest(database, Live())
        print(database.dialect, len(ingest._ledger.__class__.__name__) and f"{len(looks.encoded(facts[0]))} bytes a state")

        async def record(batch: list[WorkloadObserved], ledger: Ledger) -> None:
            async with database.writing() as session:
                await ledger.record(session, batch)

        await timed("record 1,000 new", 1, lambda _: ingest(facts))
        await timed("record 1,000 changed, cached", 5, lambda n: ingest(changed(facts, n, "a")))
        await timed("record 1,000 changed, not cached", 5, lambda n: record(changed(facts, n, "b"), Ledger()))
        await timed("record 1,000 unchanged, cached", 5, lambda n: ingest(changed(facts, 4, "b")))
        await timed("record 1,000 unchanged, not cached", 5, lambda n: record(changed(facts, 4, "b"), Ledger()))
        few = facts[:5]
        await ingest(few)
        await timed("record 5 changed, cached", 40, lambda n: ingest(changed(few, n, "c")))
        await timed("record 5 changed, not cached", 40, lambda n: record(changed(few, n, "d"), Ledger()))
        fleet = Fleet(database, lambda: NOW)
        await timed("Fleet.load of 1,000", 7, lambda _: fleet.load())
        topics = [Topic("workload", f.key) for f in few]
        await timed("Fleet.refresh of 5", 40, lambda _: fleet.refresh(topics))
    finally:
        await database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/bench.db"))
