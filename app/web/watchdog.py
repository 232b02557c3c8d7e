"""Notices when the event loop stands still: a thread that looks from outside, since the loop cannot say so
itself.

A blocked loop answers nothing, so nobody could be told; the log gets the main thread's stack while it is
blocked, and the process counts as not ready for a while afterwards, so that a probe sees it too.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback

import structlog

BEAT = 0.25
"""Seconds between two beats of the loop."""
BLOCKED = 5.0
"""Seconds without a beat after which the loop counts as blocked."""
SHAME = 15.0
"""Seconds for which the process stays not ready after a block."""

log = structlog.get_logger("shipboard.watchdog")


class Watchdog:
    """`run` beats on the loop and, next to it, a thread watches the beats. `lag` is how late the last beat
    was."""

    def __init__(self, blocked: float = BLOCKED) -> None:
        self.lag = 0.0
        self.blocks = 0
        self._blocked = blocked
        self._beat_at = time.monotonic()
        self._was_blocked_at = float("-inf")

    def trouble(self) -> str:
        """What is wrong with the loop, or was until a moment ago; empty when it is well."""
        if time.monotonic() - self._was_blocked_at < SHAME:
            return "the event loop was blocked a moment ago; the log has the stack"
        return ""

    async def run(self) -> None:
        """Beat for ever."""
        over = threading.Event()
        self._beat_at = time.monotonic()
        watcher = threading.Thread(
            target=self._watch, args=(over, threading.get_ident()), name="watchdog", daemon=True
        )
        watcher.start()
        try:
            while True:
                await asyncio.sleep(BEAT)
                now = time.monotonic()
                self.lag = max(0.0, now - self._beat_at - BEAT)
                self._beat_at = now
        finally:
            over.set()

    def _watch(self, over: threading.Event, loop_thread: int) -> None:
        since: float | None = None
        while not over.wait(self._blocked / 5):
            silent = time.monotonic() - self._beat_at
            if silent > self._blocked:
                self._was_blocked_at = time.monotonic()
                if since is None:
                    since = self._beat_at
                    self.blocks += 1
                    frame = sys._current_frames().get(loop_thread)
                    stack = "".join(traceback.format_stack(frame)) if frame else "(gone)"
                    log.error("the event loop is blocked", seconds=round(silent, 1), stack=stack)
            elif since is not None:
                log.error("the event loop goes on", blocked_seconds=round(time.monotonic() - since, 1))
                since = None
