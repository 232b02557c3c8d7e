"""A stream on its way to one client: raw ASGI, one send a message, no queue.

It sends what brings the client to the view's present version and sleeps until the view rings. Big messages go
in pieces, so that a client which does not read holds back one piece and not a copy of the page.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from . import sse
from .auth.watchers import TooMany
from .errors import problem
from .packing import OPENING, Tally, block
from .streams import Hub
from .views import View, Watcher

PIECE = 32 * 1024
_jitter = random.SystemRandom()
RETRY_MS = (500, 5000)
"""Range the farewell's reconnection time is drawn from, so that a restart is not answered by a stampede."""


class Stream(Response):
    """Streams the view that `view` gives, from the moment the hub is ready. `revoked` is the data of the last event to
    a reader who may no longer read; `packs`: with gzip. Raises `Full` beyond the limit."""

    media_type = sse.MEDIA_TYPE

    def __init__(
        self, hub: Hub, view: Callable[[], View], revoked: bytes = b"", *, packs: bool = False
    ) -> None:
        hub.admit()
        self.status_code = 200
        self.background = None
        self.init_headers(
            {
                "cache-control": "no-cache, no-transform",
                "x-accel-buffering": "no",
                "vary": "Accept, Accept-Encoding, HX-Request",
                **({"content-encoding": "gzip"} if packs else {}),
            }
        )
        self._hub = hub
        self._view = view
        self._revoked = revoked
        self._tally = Tally() if packs else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the stream to its end: client gone, hub closing, or dropped for not reading."""
        watcher = Watcher()
        try:
            watch = scope.get("watch")
            no_more = watch(scope["principal"], watcher.revoke, watcher.end) if watch else None
        except TooMany:
            why = "You have as many streams open as anybody may. Close one."
            await problem(429, "Too many streams", why, headers={"retry-after": "5"})(scope, receive, send)
            return
        try:
            await self._run(watcher, scope, receive, send)
        finally:
            if no_more:
                no_more()

    async def _run(self, watcher: Watcher, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if self._tally:
            await send({"type": "http.response.body", "body": OPENING, "more_body": True})
        watcher.task = task = asyncio.current_task()
        listener = asyncio.create_task(_until_gone(receive, watcher))
        self._hub.join(watcher)
        try:
            await self._follow(watcher, send)
            if not watcher.gone:
                last = sse.farewell(_jitter.randint(*RETRY_MS))
                if watcher.revoked and self._revoked:
                    last = sse.event(self._revoked) + last
                if self._tally:
                    self._tally.add(last)
                    last = block(last) + self._tally.closing()
                await send({"type": "http.response.body", "body": last, "more_body": False})
        except asyncio.CancelledError:
            if not watcher.gone or task is None:
                raise
            task.uncancel()
        finally:
            listener.cancel()
            self._hub.part(watcher)

    async def _follow(self, watcher: Watcher, send: Send) -> None:
        while not self._hub.ready and not watcher.over():
            await watcher.sleep()
        if watcher.over():
            return
        view, tally = self._view(), self._tally
        view.watchers.add(watcher)
        try:
            while not watcher.over():
                message = view.after(watcher.version)
                if not message:
                    await watcher.sleep()
                    continue
                if tally:
                    tally.add(message)
                    message = view.block(watcher.version)
                watcher.version = view.version
                watcher.writing_since = time.monotonic()
                for start in range(0, len(message), PIECE):
                    piece = message[start : start + PIECE]
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                watcher.writing_since = 0.0
        finally:
            view.watchers.discard(watcher)
            view.used_at = time.monotonic()


async def _until_gone(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.leave()
