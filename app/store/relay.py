"""What processes that share a PostgreSQL tell one another: which topics changed, by NOTIFY.

A hint makes pages quick, and the tables are the truth. Hints are lost while nobody listens, and with a process that
dies between its commit and its hint; so EVERYTHING is heard after each connecting, and when a
process that told of itself falls silent. A process hears its own beats, too: where those do not come back (a pooler
between that shares sessions), it connects anew, and so looks at everything every 20 s.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from secrets import token_hex

import msgspec
import psycopg
import structlog

from app.domain.names import EVERYTHING, Topic
from app.store import postgresql
from app.store.db import Database

CHANNEL = "shipboard"
BEAT = 5.0
"""Seconds between two signs of life."""
SILENT = 4 * BEAT
"""Seconds without a sign of life after which its maker (or our own hearing) is taken to be gone."""
MOST = 7000
"""Bytes of one hint; PostgreSQL takes less than 8000."""
MANY = 2000
"""From so many topics on, they are told as EVERYTHING."""
REST = 0.02
"""Seconds in which topics gather after a hint."""

log = structlog.get_logger("shipboard.relay")
Hear = Callable[[Iterable[Topic]], None]


class _Deaf(Exception):
    """Our own hints do not come back."""


class Relay:
    """One a process. `tell` gathers, `run` sends and hears."""

    def __init__(self, database: Database, *, beat: float = BEAT) -> None:
        self._address, self._beat, self._silent = database.address, beat, beat * SILENT / BEAT
        self._ident = token_hex(8)
        self._topics: set[Topic] = set()
        self._bell = asyncio.Event()
        self._heard: dict[str, float] = {}

    def tell(self, topics: Iterable[Topic]) -> None:
        """Have other processes told that `topics` changed."""
        self._topics.update(topics)
        self._bell.set()

    async def run(self, hear: Hear) -> None:
        """Send and hear, for ever; what is heard goes to `hear`."""
        wait = 0.0
        while True:
            began = time.monotonic()
            try:
                async with await postgresql.connected(self._address) as ears:
                    await ears.execute(f"LISTEN {CHANNEL}")
                    hear((EVERYTHING,))
                    async with (
                        await postgresql.connected(self._address) as mouth,
                        asyncio.TaskGroup() as both,
                    ):
                        both.create_task(self._say(mouth))
                        both.create_task(self._listen(ears, hear))
            except* (psycopg.Error, OSError, _Deaf) as errors:
                first: BaseException = errors
                while isinstance(first, BaseExceptionGroup):
                    first = first.exceptions[0]
                wait = min(max(1.0, wait * 2), 10.0) if time.monotonic() - began < 60 else 1.0
                said = str(first).partition("\n")[0][:200] or type(first).__name__
                log.warning("other processes are not heard", reason=said, again_in=wait)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    async def _say(self, mouth: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            self._bell.clear()
            topics, self._topics = self._topics, set()
            try:
                for text in hints(self._ident, topics):
                    await mouth.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
            except BaseException:
                self._topics |= topics
                raise
            await asyncio.sleep(REST)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await self._bell.wait()

    async def _listen(self, ears: psycopg.AsyncConnection[tuple[object, ...]], hear: Hear) -> None:
        self._heard = {self._ident: time.monotonic()}
        while True:
            async for hint in ears.notifies(timeout=self._beat / 5):
                self._take(hint.payload, hear)
            now = time.monotonic()
            gone = {ident for ident, at in self._heard.items() if now - at > self._silent}
            if self._ident in gone:
                raise _Deaf("What this process tells does not come back to it; is there a pooler between?")
            for ident in gone:
                del self._heard[ident]
                hear((EVERYTHING,))

    def _take(self, payload: str, hear: Hear) -> None:
        try:
            ident, topics = _decode(payload)
        except msgspec.MsgspecError:
            log.warning("a hint that is not ours", bytes=len(payload))
            return
        if ident in self._heard or len(self._heard) < 100:
            self._heard[ident] = time.monotonic()
        if ident != self._ident:
            hear(Topic(*pair) for pair in topics)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, list[tuple[str, str]]]).decode


def hints(ident: str, topics: Iterable[Topic]) -> list[str]:
    """Texts of at most `MOST` bytes that tell of `topics`; one of no topics is a sign of life."""
    known = sorted(topics)
    if len(known) > MANY or any(len(_encode(topic)) > MOST // 2 for topic in known):
        known = [EVERYTHING]
    texts: list[str] = []
    part: list[Topic] = []
    size = 0
    for topic in known:
        bytes_ = len(_encode(topic)) + 1
        if part and size + bytes_ > MOST - 100:
            texts.append(_encode((ident, part)).decode())
            part, size = [], 0
        part.append(topic)
        size += bytes_
    return [*texts, _encode((ident, part)).decode()]
