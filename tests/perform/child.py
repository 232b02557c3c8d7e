"""A process that acts, to be killed: python -m tests.perform.child DATABASE URL TOKEN NAMESPACE KIND [VERB]

With VERB it asks for it under the key "the-key", once the workload is known; then, in any case, it ends as soon as no
command is unfinished.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from app.domain.commands import Verb
from app.domain.errors import StoreUnavailable
from app.domain.names import WorkloadRef
from app.ingest import Ingest
from app.kube import Cluster
from app.live import Live
from app.perform import NotKnown, Perform, Rules
from app.sources.runner import Collector
from app.store import commands
from app.store.db import Database
from tests.perform.rig import ADA, NAME, TIMING, ask, now

KEY = "the-key"


async def main(url: str, server: str, token: str, namespace: str, kind: str, verb: str = "") -> None:
    """Act until there is nothing to do."""
    database, live = await Database.open(url, audit_key="k" * 32), Live()
    cluster = await Cluster.at(NAME, server, token)
    perform = Perform(database, live, {NAME: cluster}, Rules(), now, dead_after=0.3)
    collector = Collector(cluster, Ingest(database, live), timing=TIMING, namespaces=(namespace,))
    tasks = [asyncio.create_task(perform.run()), asyncio.create_task(collector.run())]
    ref = WorkloadRef(NAME, namespace, kind, "web")
    async with asyncio.timeout(120):
        while True:
            try:
                await perform.known(ref)
                break
            except NotKnown:
                await asyncio.sleep(0.02)
        if verb:
            await perform.ask(ask(Verb(verb), ref, key=KEY), ADA)
        while True:
            with suppress(StoreUnavailable):  # one that was stopped for long has lost its connections
                async with database.reading() as connection:
                    if not await commands.unfinished(connection):
                        break
            await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await cluster.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
