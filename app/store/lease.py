"""Leases: what only one process of several may do at a time, and who does it.

A lease is a row, not a lock of the database's own: those hang on a session, which a pooler between may share. Its end
is told by the database's clock alone, so clocks of hosts need not agree; its holder counts by its own monotonic clock
and stops before that end, without having to reach the database. A holder that is stopped in the middle of a step and
goes on much later can still finish that step: what must never be done twice carries a guard of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.errors import ShipboardError, StoreUnavailable
from app.store.db import Database
from app.store.tables import LEASE

LASTS = 10.0
"""Seconds for which a lease holds unless it is renewed: how long others wait for one that died."""
_AGAIN = 1.0
"""Seconds between two tries to get what another has."""

log = structlog.get_logger("shipboard.lease")


class LeaseLost(ShipboardError):
    """The lease ran out before it could be renewed, or another process has it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that is held: `epoch` is greater than that of whoever had it before."""

    name: str
    epoch: int


class Leases:
    """The leases of one process. A database of one process (SQLite) grants each at once.

    `place` is where only one process can be at a time, so that what it had before it died is ours at once.
    """

    def __init__(self, database: Database, *, place: str = "", lasts: float = LASTS) -> None:
        self._database, self._lasts = database, lasts
        self._place = f"{place}/" if place else ""
        self.owner = f"{self._place}{token_hex(8)}"

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Lease]:
        """Wait until `name` is ours, and hold it for the length of the block, which is cancelled when it is lost.

        Raises LeaseLost then; StoreUnavailable when the database cannot be asked.
        """
        if self._database.dialect == "sqlite":
            yield Lease(name, 1)
            return
        asked = time.monotonic()
        while (epoch := await self._try(name)) is None:
            await asyncio.sleep(_AGAIN)
            asked = time.monotonic()
        held = Lease(name, epoch)
        log.info("lease taken", lease=name, epoch=epoch)
        try:
            async with asyncio.timeout_at(self._until(asked)) as limit:
                renewing = asyncio.create_task(self._renew(held, limit), name=f"lease {name}")
                try:
                    yield held
                finally:
                    renewing.cancel()
                    await asyncio.gather(renewing, return_exceptions=True)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise LeaseLost(f"The lease of {name} was lost.", "It could not be renewed in time.") from error
        finally:
            await self._release(held)

    def alone(self, name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """`work`, done while `name` is held, and begun again each time that it is."""

        async def held() -> None:
            while True:
                try:
                    async with self.lease(name):
                        await work()
                        return
                except LeaseLost as error:
                    log.warning("lease lost", lease=name, reason=str(error))

        return held

    def _until(self, asked: float) -> float:
        """The end of what was asked for then, on the event loop's clock, a little early."""
        return asyncio.get_running_loop().time() + asked + self._lasts * 0.9 - time.monotonic()

    async def _try(self, name: str) -> int | None:
        """Take the lease if nobody has it; its epoch."""
        theirs: list[ColumnElement[bool]] = [LEASE.c.until <= func.clock_timestamp()]
        if self._place:
            before = LEASE.c.owner.startswith(self._place, autoescape=True)
            theirs.append(and_(before, LEASE.c.owner != self.owner))
        free = or_(*theirs)
        async with self._database.reading() as connection:  # most tries fail, and should lock nothing
            row = (await connection.execute(select(free).where(LEASE.c.name == name))).first()
        if row is not None and not row[0]:
            return None
        until = func.clock_timestamp() + timedelta(seconds=self._lasts)
        put = insert(LEASE).values(name=name, owner=self.owner, epoch=1, until=until)
        taken = put.on_conflict_do_update(
            index_elements=["name"],
            set_={"owner": self.owner, "epoch": LEASE.c.epoch + 1, "until": until},
            where=free,
        )
        async with self._database.writing() as session:
            epoch: int | None = await (await session.connection()).scalar(taken.returning(LEASE.c.epoch))
        return epoch

    async def _renew(self, held: Lease, limit: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(self._lasts / 4)
            asked = time.monotonic()
            with suppress(StoreUnavailable):
                if not await self._move_end(held, self._lasts):
                    limit.reschedule(asyncio.get_running_loop().time())
                    return
                limit.reschedule(self._until(asked))

    async def _release(self, held: Lease) -> None:
        with suppress(StoreUnavailable):  # then it runs out by itself
            await self._move_end(held, 0.0)

    async def _move_end(self, held: Lease, seconds: float) -> bool:
        """Whether it was still ours."""
        ours = (LEASE.c.name == held.name, LEASE.c.owner == self.owner, LEASE.c.epoch == held.epoch)
        until = func.clock_timestamp() + timedelta(seconds=seconds)
        async with self._database.writing() as session:
            statement = update(LEASE).where(*ours).values(until=until)
            return (await (await session.connection()).execute(statement)).rowcount == 1
