"""Whole boards for a browser to look at."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from app.store import people
from app.store.db import Database
from tests.databases import fresh
from tests.web.auth.door import DEMO, Door, door, with_


class Running:
    """A board of the demo's people on a thread of its own, since the browser's driver keeps this one's event loop.

    `prepare` fills its database before it starts."""

    def __init__(
        self, directory: Path, prepare: Callable[[Database], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._over, self._ready = asyncio.Event(), threading.Event()
        work = self._run(directory, prepare)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(work,), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(
        self, directory: Path, prepare: Callable[[Database], Coroutine[Any, Any, None]] | None
    ) -> None:
        if prepare:
            database = await Database.open(fresh(directory))
            await prepare(database)
            await database.close()
        async with door(directory, with_(DEMO, anonymous=True)) as here:
            self.here: Door = here
            self._ready.set()
            await self._over.wait()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done where the board runs, and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def end_all_sessions(self) -> None:
        """As another process would: in the database."""

        async def end() -> None:
            async with self.here.keeper.database.writing() as session:
                await people.end_sessions(session, self.here.keeper.clock(), issuer="demo")

        self.do(end())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
