"""The inbox: webhooks on disk before they are acknowledged, worked off later, kept where they cannot be.

Those that arrive together share a transaction, and so one wait for the disk. The same delivery again, by its
sender's id or by its bytes, is no new row. What waits to be written is bounded; beyond that, StoreUnavailable.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.domain.audit import Entry
from app.domain.errors import StoreUnavailable
from app.domain.names import cut
from app.store.audit import append
from app.store.ci_tables import INBOX
from app.store.db import Database
from app.store.mapping import AnyRow

MAX_WAITING = 64 << 20
"""Bytes of bodies that may wait for their transaction at one time."""
BATCH = 500
TRIES = 3
"""How often a webhook is tried before it is set aside."""
log = structlog.get_logger("shipboard.inbox")
_encode = msgspec.json.Encoder().encode
_headers = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Letter:
    """A webhook. `delivery` is its sender's id of it, empty where there is none; `id` is ours, 0 before it is
    stored."""

    hook: str
    provider: str
    event: str
    delivery: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    id: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a letter: "done" with so many facts, "ignored" or "dead" for a reason, "new" to be tried
    again."""

    id: int
    state: str
    reason: str = ""
    facts: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """How a hook's inbox stands: how many wait ("new") and are set aside ("dead"), when one came last."""

    states: Mapping[str, int]
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class InboxLine:
    """A letter to be shown: without its body and headers."""

    id: int
    hook: str
    provider: str
    event: str
    delivery: str
    received_at: datetime
    state: str
    tries: int
    facts: int
    reason: str
    bytes: int


@dataclass(slots=True)
class _Waiting:
    values: dict[str, Any]
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Inbox:
    """One a process. `arrived` rings when letters were written, so that they are worked off at once."""

    def __init__(self, database: Database, *, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self.arrived = asyncio.Event()
        self._database = database
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def put(self, letter: Letter) -> None:
        """Store `letter`; returns once it is on disk, or was there before. Raises StoreUnavailable."""
        if self._bytes + len(letter.body) > self._max_waiting:
            why = "More arrives than the database takes."
            raise StoreUnavailable("The webhook was not stored.", why, "Send it again.")
        waiting = _Waiting(_row(letter))
        self._bytes += len(letter.body)
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="inbox")
        try:
            await asyncio.shield(waiting.written)
        finally:
            self._bytes -= len(letter.body)

    async def take(self, limit: int) -> list[Letter]:
        """The oldest letters that wait for their turn."""
        query = select(INBOX).where(INBOX.c.state == "new").order_by(INBOX.c.id)
        async with self._database.reading() as connection:
            return [_letter(row) for row in await connection.execute(query.limit(limit))]

    async def settle(self, results: Sequence[Result], now: datetime) -> None:
        """Record what became of letters."""
        rows = [
            {
                "of": result.id,
                "state": result.state,
                "reason": cut(result.reason),
                "facts": result.facts,
                "tries": result.tries,
                "done_at": None if result.state == "new" else now,
            }
            for result in results
        ]
        if rows:
            async with self._database.writing() as session:
                await (await session.connection()).execute(_SETTLE, rows)

    async def replay(self, ident: int, entry: Entry) -> bool:
        """Have a dead letter tried anew, which `entry` tells the audit; False when there is no such letter, or it is
        not dead."""
        query = update(INBOX).where(INBOX.c.id == ident, INBOX.c.state == "dead")
        async with self._database.writing() as session:
            done = await (await session.connection()).execute(
                query.values(state="new", tries=0, reason="", done_at=None)
            )
            if done.rowcount:
                await append(session, entry)
        self.arrived.set()
        return bool(done.rowcount)

    async def posts(self, hooks: Iterable[str]) -> dict[str, Post]:
        """How the inbox of each of `hooks` stands."""
        waiting = select(INBOX.c.hook, INBOX.c.state, func.count()).where(INBOX.c.state.in_(("new", "dead")))
        newest = select(func.max(INBOX.c.received_at)).where(INBOX.c.hook == bindparam("hook"))
        async with self._database.reading() as connection:
            counts = list(await connection.execute(waiting.group_by(INBOX.c.hook, INBOX.c.state)))
            return {
                hook: Post(
                    {state: count for of, state, count in counts if of == hook},
                    await connection.scalar(newest, {"hook": hook}),
                )
                for hook in hooks
            }

    async def lines(self, state: str, limit: int, before: int | None = None) -> list[InboxLine]:
        """Letters of a state ("" for all), newest first, those with an id below `before`."""
        names = (
            "id",
            "hook",
            "provider",
            "event",
            "delivery",
            "received_at",
            "state",
            "tries",
            "facts",
            "reason",
        )
        query = select(*(INBOX.c[name] for name in names), func.length(INBOX.c.body).label("bytes"))
        if state:
            query = query.where(INBOX.c.state == state)
        if before is not None:
            query = query.where(INBOX.c.id < before)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(INBOX.c.id.desc()).limit(limit))
            return [InboxLine(**row._mapping) for row in rows]

    async def header(self, hook: str, name: str) -> str:
        """What the newest letter of `hook` has in the header `name`; empty when it has not."""
        query = select(INBOX.c.headers).where(INBOX.c.hook == hook)
        async with self._database.reading() as connection:
            found = await connection.scalar(query.order_by(INBOX.c.received_at.desc()).limit(1))
        return _headers.decode(found).get(name, "") if found else ""

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._insert([each.values for each in batch])
            except StoreUnavailable as error:
                self._answer(batch, error)
            except Exception as error:
                log.exception("webhooks could not be stored together; each is tried by itself")
                if len(batch) == 1:
                    why = type(error).__name__
                    self._answer(batch, StoreUnavailable("The webhook was not stored.", f"{why}."))
                else:
                    for each in batch:
                        await self._alone(each)
            else:
                self._answer(batch, None)
                self.arrived.set()

    async def _alone(self, waiting: _Waiting) -> None:
        try:
            await self._insert([waiting.values])
        except Exception as error:
            failed = StoreUnavailable("The webhook was not stored.", f"{type(error).__name__}.")
            self._answer([waiting], error if isinstance(error, StoreUnavailable) else failed)
        else:
            self._answer([waiting], None)
            self.arrived.set()

    def _answer(self, batch: Sequence[_Waiting], error: StoreUnavailable | None) -> None:
        for each in batch:
            if error:
                each.written.set_exception(error)
            else:
                each.written.set_result(None)

    async def _insert(self, rows: list[dict[str, Any]]) -> None:
        make = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        async with self._database.writing(durable=True) as session:
            await (await session.connection()).execute(make(INBOX).on_conflict_do_nothing(), rows)


_SETTLE = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("of"))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        facts=bindparam("facts"),
        tries=bindparam("tries"),
        done_at=bindparam("done_at"),
    )
)


def _row(letter: Letter) -> dict[str, Any]:
    digest = hashlib.sha256(letter.body).hexdigest()
    return {
        "hook": letter.hook,
        "provider": letter.provider,
        "delivery": cut(letter.delivery, 300) or digest,
        "digest": digest,
        "event": cut(letter.event, 100),
        "received_at": letter.received_at,
        "headers": _encode({name: cut(value, 300) for name, value in letter.headers.items()}).decode(),
        "body": letter.body,
        "state": "new",
        "tries": 0,
        "facts": 0,
        "reason": "",
        "done_at": None,
    }


def _letter(row: AnyRow) -> Letter:
    found = Letter(
        row.hook,
        row.provider,
        row.event,
        row.delivery,
        {},
        bytes(row.body),
        row.received_at,
        row.id,
        row.tries,
    )
    return replace(found, headers=_headers.decode(row.headers))
