"""The live edge: one projection loop feeds every view, every view feeds its streams.

The loop is the only maker of heartbeats, so a stalled projector falls silent and the pages cover themselves
with STALE. It reads again only what changed, renders only what is dirty, and rests after each pass for as
long as the pass and its fan-out took (30 to 250 ms; `UNWATCHED` times that where nobody watches): the first
change after quiet goes out at once, a busy fleet is coalesced.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from app.domain.names import EVERYTHING, Topic
from app.live import Live
from app.read.fleet import Fleet
from app.store.db import Database

from .views import Content, View, ViewKey, Watcher

HEARTBEAT = 5.0
"""Seconds between heartbeats."""
REST_MIN, REST_MAX = 0.03, 0.25
"""Seconds between two passes of the loop while changes keep coming."""
UNWATCHED = 4
"""How many times as long it rests while nobody watches."""
KEEP_VIEW = 30.0
"""Seconds for which a view nobody watches is kept up."""
MAX_VIEWS = 200
WRITE_LIMIT = 30.0
"""Seconds a client may take to read one message before its stream is dropped."""

_log = logging.getLogger(__name__)


class Full(Exception):
    """There are as many streams, or watched views, as allowed."""


class Hub:
    """All views, and the loop that keeps them up. Everything runs on one event loop.

    `environments` is their promotion order as settings have it; `clock` tells aware UTC.
    """

    def __init__(
        self,
        database: Database,
        live: Live,
        fleet: Fleet,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_streams: int = 5000,
        max_views: int = MAX_VIEWS,
        environments: Sequence[str] = (),
        heartbeat: float = HEARTBEAT,
        write_limit: float = WRITE_LIMIT,
    ) -> None:
        self.database = database
        self.fleet = fleet
        fleet.environments = environments
        self.clock = clock
        self.environments = environments
        self.ready = False
        self.redrawn = 0
        """Regions drawn anew since the start, over all views."""
        self.closing = asyncio.Event()
        self.epoch = secrets.token_hex(4)
        self._live = live
        self._over = False
        self._max_streams, self._max_views = max_streams, max_views
        self._heartbeat, self._write_limit = heartbeat, write_limit
        self._views: dict[ViewKey, View] = {}
        self._watchers: set[Watcher] = set()
        self._beat_at = time.monotonic()

    @property
    def streams(self) -> int:
        """Streams open now."""
        return len(self._watchers)

    @property
    def views(self) -> int:
        """Views kept up now."""
        return len(self._views)

    def beat_age(self) -> float:
        """Seconds since the loop last made a heartbeat (or since the hub was made)."""
        return time.monotonic() - self._beat_at

    def view(self, key: ViewKey, content: Callable[[Fleet, datetime], Content]) -> View:
        """The view of `key`, opened if need be. Raises `Full` when all views allowed are being watched."""
        view = self._views.get(key)
        now = time.monotonic()
        if view is None:
            if len(self._views) >= self._max_views:
                self._forget(min((v.used_at for v in self._views.values() if not v.watchers), default=0.0))
            if len(self._views) >= self._max_views:
                raise Full

            def make() -> Content:
                return content(self.fleet, self.clock())

            view = self._views[key] = View(make(), self.epoch, now, make)
        view.used_at = now
        return view

    def admit(self) -> None:
        """Raise `Full` when there is no room for another stream."""
        if self._over or len(self._watchers) >= self._max_streams:
            raise Full

    def join(self, watcher: Watcher) -> None:
        """Count a stream in."""
        watcher.ended = self._over
        self._watchers.add(watcher)

    def part(self, watcher: Watcher) -> None:
        """Count a stream out."""
        self._watchers.discard(watcher)

    async def run(self) -> None:
        """Keep every view up, for ever. When it ends, or `closing` is set, every stream says farewell."""
        self._over = self.closing.is_set()
        teller = asyncio.create_task(self._end_when_closing())
        try:
            with self._live.listening() as listener:
                await self._load()
                dirty: frozenset[Topic] = frozenset()
                while True:
                    dirty |= await listener.changes(max(0.001, self._heartbeat - self.beat_age()))
                    started = time.monotonic()
                    try:
                        await self._pass(dirty)
                        dirty = frozenset()
                    except Exception:
                        _log.exception(
                            "projection failed: no heartbeats until it works again; next try in 1 s"
                        )
                        await asyncio.sleep(1)
                    await asyncio.sleep(0)
                    took = (time.monotonic() - started) * (1 if self._watchers else UNWATCHED)
                    await asyncio.sleep(min(max(took, REST_MIN), REST_MAX))
        finally:
            teller.cancel()
            self._end()

    async def _load(self) -> None:
        self.ready = False
        self._over = self.closing.is_set()
        self._views.clear()
        while not self.ready:
            try:
                await self.fleet.load()
                self.ready = True
            except Exception:
                _log.exception("the fleet could not be read; next try in 1 s")
                await asyncio.sleep(1)
        self._beat_at = time.monotonic()
        for watcher in self._watchers:
            watcher.ring()

    async def _pass(self, dirty: frozenset[Topic]) -> None:
        now = self.clock()
        if EVERYTHING in dirty:
            await self.fleet.reload()
            await self._each(lambda view: view.renew())
        elif dirty:
            told = dirty | await self.fleet.refresh(dirty)
            await self._each(lambda view: view.apply(told, now))
        if self.beat_age() >= self._heartbeat:
            await self.fleet.renew()
            await self._each(lambda view: view.beat(now))
            self._beat_at = time.monotonic()
            self._sweep(self._beat_at)

    async def _each(self, work: Callable[[View], None]) -> None:
        for key, view in tuple(self._views.items()):
            before = view.redrawn
            try:
                work(view)
                self.redrawn += view.redrawn - before
            except Exception:
                _log.exception("a view of %s could not be rendered; it is closed", key.path)
                self._views.pop(key, None)
                for watcher in tuple(view.watchers):
                    watcher.end()
            await asyncio.sleep(0)

    def _sweep(self, now: float) -> None:
        self._forget(now - KEEP_VIEW)
        for watcher in tuple(self._watchers):
            if watcher.writing_since and now - watcher.writing_since > self._write_limit:
                watcher.drop()

    def _forget(self, unused_since: float) -> None:
        for key, view in tuple(self._views.items()):
            if not view.watchers and view.used_at <= unused_since:
                del self._views[key]

    async def _end_when_closing(self) -> None:
        await self.closing.wait()
        self._end()

    def _end(self) -> None:
        self._over = True
        for watcher in tuple(self._watchers):
            watcher.end()
