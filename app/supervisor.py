"""Keeps tasks running: one that dies is logged, shown in /healthz and started again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from app.domain.errors import StoreUnavailable
from app.domain.refusals import ClusterError
from app.store.lease import Leases

STOP_SECONDS = 2.0
"""How long tasks may take to stop."""
Work = Callable[[], Awaitable[None]]
log = structlog.get_logger("shipboard")


class Supervisor:
    """Keeps tasks running: one that ends or fails is started again after 1 to 30 s, sooner after a long good
    life."""

    def __init__(self, down: dict[str, str] | None = None) -> None:
        self.down: dict[str, str] = {} if down is None else down
        """Tasks waiting to be started again, by name, with the reason."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work) -> None:
        """Run `work` for ever under `name`."""
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=name)

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end, within bounds."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=STOP_SECONDS)
            for task in late:
                log.error("a task does not end", task=task.get_name())
        self._tasks.clear()

    def start_crew(self, name: str, leases: Leases, crew: Mapping[str, Work]) -> None:
        """Run all of `crew` for ever, but only while this process has the lease `name`."""

        async def lead() -> None:
            several = Supervisor(self.down)
            try:
                for each, work in crew.items():
                    several.start(each, work)
                await asyncio.Event().wait()
            finally:
                await several.stop()
                for each in crew:
                    self.down.pop(each, None)

        self.start(name, leases.alone(name, lead))

    async def _keep(self, name: str, work: Work) -> None:
        wait = 1.0
        while True:
            began = time.monotonic()
            try:
                await work()
                reason = "ended by itself"
                log.error("a task ended by itself; it is started again", task=name)
            except (ClusterError, StoreUnavailable) as error:
                reason = str(error)
                log.warning("a task cannot go on; it is started again", task=name, reason=reason)
            except Exception as error:
                reason = type(error).__name__
                log.exception("a task failed; it is started again", task=name)
            wait = 1.0 if time.monotonic() - began > 60 else min(wait * 2, 30.0)
            self.down[name] = reason
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            self.down.pop(name, None)
