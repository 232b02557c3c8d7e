"""The outbox: what was noticed, once each, and the messages about it until their targets took them.

A message is taken by moving its hour in the row itself, so that of several senders one has it, and a sender that is
killed leaves it to be sent again. Nothing is lost, and a target may get the same message twice, with the same id.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import String as Text
from sqlalchemy import case, cast, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.domain.audit import Entry
from app.domain.names import cut
from app.domain.notices import Notice
from app.store.audit import append
from app.store.db import Database
from app.store.mapping import AnyRow
from app.store.notice_tables import MESSAGE, NOTICE

BEGAN = "began"
AT_ONCE = 200
_encode = msgspec.json.Encoder().encode
_notice = msgspec.json.Decoder(Notice)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that waits. `name` is its id to the outside, the same at every try."""

    id: int
    target: str
    notice: Notice
    thread: str
    tries: int
    batch: str
    due_at: datetime

    @property
    def name(self) -> str:
        """Follows from what is told to whom."""
        return named(f"{self.target} {self.notice.key}")


@dataclass(frozen=True, slots=True)
class TargetStanding:
    """How a target's messages stand: how many wait and are set aside, how many were sent, when the last was, and why
    the last try failed (empty: it did not)."""

    waiting: int = 0
    aside: int = 0
    sent: int = 0
    sent_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message to be shown."""

    id: int
    target: str
    kind: str
    title: str
    path: str
    state: str
    tries: int
    made_at: datetime
    due_at: datetime
    done_at: datetime | None
    reason: str


def named(text: str) -> str:
    """An id of a message that follows from `text`."""
    return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:28]}"


class Outbox:
    """One a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bells: list[asyncio.Event] = []

    def bell(self) -> asyncio.Event:
        """An event that is set whenever there may be something to send."""
        self._bells.append(asyncio.Event())
        return self._bells[-1]

    async def known(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of `keys` that were noticed before. Raises StoreUnavailable."""
        found: set[str] = set()
        async with self._database.reading() as connection:
            for start in range(0, len(keys), 500):
                query = select(NOTICE.c.key).where(NOTICE.c.key.in_(keys[start : start + 500]))
                found |= set(await connection.scalars(query))
        return frozenset(found)

    async def note(self, told: Iterable[tuple[Notice, Sequence[str]]], now: datetime) -> int:
        """Keep notices, and a message for each of their targets; how many messages. Those that were noticed before
        are passed over. Raises StoreUnavailable."""
        make = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        put, made = make(NOTICE).on_conflict_do_nothing().returning(NOTICE.c.key), 0
        async with self._database.writing() as session:
            connection = await session.connection()
            for notice, targets in told:
                row = {"key": notice.key, "body": _encode(notice).decode(), "noticed_at": now}
                if (await connection.scalar(put.values(row))) is None or not targets:
                    continue
                rows = [_row(target, notice, now) for target in dict.fromkeys(targets)]
                await connection.execute(insert(MESSAGE), rows)
                made += len(rows)
        if made:
            self._ring()
        return made

    async def waiting(self, target: str) -> list[Outgoing]:
        """The oldest messages that `target` has not got. Raises StoreUnavailable."""
        query = select(MESSAGE, NOTICE.c.body).join(NOTICE, NOTICE.c.key == MESSAGE.c.notice)
        query = query.where(MESSAGE.c.state == "waiting", MESSAGE.c.target == target)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(MESSAGE.c.id).limit(AT_ONCE))
            return [_outgoing(row) for row in rows]

    async def sent(self, target: str, since: datetime) -> list[datetime]:
        """When messages went to `target` since, a digest counted once. Raises StoreUnavailable."""
        what = case((MESSAGE.c.batch == "", cast(MESSAGE.c.id, Text)), else_=MESSAGE.c.batch)
        where = (MESSAGE.c.target == target, MESSAGE.c.state == "sent", MESSAGE.c.done_at > since)
        async with self._database.reading() as connection:
            found = await connection.scalars(select(func.max(MESSAGE.c.done_at)).where(*where).group_by(what))
            return list(found)

    async def take(self, some: Sequence[Outgoing], batch: str, until: datetime) -> bool:
        """Have these messages to oneself until then, as one digest if `batch`; False: somebody else has one of them.
        Raises StoreUnavailable."""
        values: dict[str, Any] = {"due_at": until, "batch": batch}
        try:
            async with self._database.writing() as session:
                connection = await session.connection()
                for each in some:
                    where = (MESSAGE.c.id == each.id, MESSAGE.c.state == "waiting")
                    mine = update(MESSAGE).where(*where, MESSAGE.c.due_at == each.due_at)
                    if (await connection.execute(mine.values(values))).rowcount != 1:
                        raise _Taken
        except _Taken:
            return False
        return True

    async def settle(
        self, some: Sequence[Outgoing], state: str, now: datetime, *,
        due_at: datetime | None = None, reason: str = "", ref: str = "",
    ) -> None:  # fmt: skip
        """Record what became of messages: "sent", "aside", or "waiting" until `due_at`. Raises StoreUnavailable."""
        values: dict[str, Any] = {
            "state": state,
            "tries": MESSAGE.c.tries + 1,
            "reason": cut(reason),
            "ref": cut(ref, 200),
        }
        values |= {"due_at": due_at} if due_at else {"done_at": now}
        async with self._database.writing() as session:
            mine = update(MESSAGE).where(MESSAGE.c.id.in_([each.id for each in some]))
            await (await session.connection()).execute(mine.values(values))

    async def root(self, target: str, thread: str) -> str:
        """What `target` calls the first message of a thread; empty: it has none. Raises StoreUnavailable."""
        where = (
            MESSAGE.c.target == target,
            MESSAGE.c.thread == thread,
            MESSAGE.c.ref != "",
            MESSAGE.c.batch == "",
        )
        async with self._database.reading() as connection:
            first = select(MESSAGE.c.ref).where(*where).order_by(MESSAGE.c.id).limit(1)
            return await connection.scalar(first) or ""

    async def standing(self, target: str) -> TargetStanding:
        """How the messages of `target` stand. Raises StoreUnavailable."""
        of_it = MESSAGE.c.target == target
        counted = select(MESSAGE.c.state, func.count().label("many")).where(of_it).group_by(MESSAGE.c.state)
        last = select(func.max(MESSAGE.c.done_at)).where(of_it, MESSAGE.c.state == "sent")
        failed = select(MESSAGE.c.reason).where(of_it, MESSAGE.c.state == "waiting", MESSAGE.c.reason != "")
        async with self._database.reading() as connection:
            counts = {row.state: int(row.many) for row in await connection.execute(counted)}
            at = await connection.scalar(last)
            reason = await connection.scalar(failed.order_by(MESSAGE.c.due_at.desc()).limit(1))
        return TargetStanding(
            counts.get("waiting", 0), counts.get("aside", 0), counts.get("sent", 0), at, reason or ""
        )

    async def lines(self, state: str, target: str, limit: int, before: int | None) -> list[MessageLine]:
        """Messages of a state and a target ("" for all), newest first, those with an id below `before`. Raises
        StoreUnavailable."""
        query = select(MESSAGE, NOTICE.c.body).join(NOTICE, NOTICE.c.key == MESSAGE.c.notice)
        for column, wanted in ((MESSAGE.c.state, state), (MESSAGE.c.target, target)):
            query = query.where(column == wanted) if wanted else query
        if before is not None:
            query = query.where(MESSAGE.c.id < before)
        async with self._database.reading() as connection:
            return [
                _line(row)
                for row in await connection.execute(query.order_by(MESSAGE.c.id.desc()).limit(limit))
            ]

    async def replay(self, ident: int, entry: Entry, now: datetime) -> bool:
        """Have a message that was set aside sent anew, which `entry` tells the audit; False when it is not set aside.
        Raises StoreUnavailable."""
        query = update(MESSAGE).where(MESSAGE.c.id == ident, MESSAGE.c.state == "aside")
        async with self._database.writing() as session:
            done = await (await session.connection()).execute(
                query.values(state="waiting", tries=0, reason="", batch="", due_at=now, done_at=None)
            )
            if done.rowcount:
                await append(session, entry)
        self._ring()
        return bool(done.rowcount)

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()


class _Taken(Exception):
    """Undoes the unit of work."""


def _row(target: str, notice: Notice, now: datetime) -> Mapping[str, Any]:
    return {
        "target": target,
        "notice": notice.key,
        "thread": notice.thread,
        "state": "waiting",
        "tries": 0,
        "batch": "",
        "reason": "",
        "ref": "",
        "made_at": now,
        "due_at": now,
        "done_at": None,
    }


def _outgoing(row: AnyRow) -> Outgoing:
    notice = _notice.decode(row.body)
    return Outgoing(row.id, row.target, notice, row.thread, row.tries, row.batch, row.due_at)


def _line(row: AnyRow) -> MessageLine:
    notice = _notice.decode(row.body)
    return MessageLine(
        row.id, row.target, notice.kind.value, notice.title, notice.path, row.state,
        row.tries, row.made_at, row.due_at, row.done_at, row.reason,
    )  # fmt: skip
