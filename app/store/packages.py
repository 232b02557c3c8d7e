"""Packages of bills of materials become rows, each once for all bills; a bill keeps their ids.

Images share most of what they are made of, and those that came in together have ids beside each other: the ids of 500
packages are packed into a few hundred bytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.packages import Package
from app.domain.reports import Bill, Upload
from app.store.report_tables import BILL, PACKAGE

LISTED = timedelta(days=1)
"""How exactly it is known when a package was listed last; a package outlives its bills by so much."""
_AT_ONCE = 500


async def record_packages(connection: AsyncConnection, upload: Upload, bill: Bill) -> None:
    """Write what `bill`, which came by `upload`, lists; packages that are known are dated anew. One at a time."""
    wanted = {_key(one): one for one in bill.packages}
    known = await _known(connection, list(wanted), upload.received_at)
    fresh = [
        {
            "key": key,
            "name": one.name,
            "version": one.version,
            "licence": one.licence,
            "purl": one.purl,
            "at": upload.received_at,
        }
        for key, one in wanted.items()
        if key not in known
    ]
    if fresh:
        await connection.execute(PACKAGE.insert(), fresh)
        known |= await _known(connection, [str(row["key"]) for row in fresh], upload.received_at)
    held = packed(list(known.values()))
    row = {"report": upload.id, "packages": len(known), "left_out": bill.left_out, "held": held}
    await connection.execute(BILL.insert(), row)


async def _known(connection: AsyncConnection, keys: Sequence[str], at: datetime) -> dict[str, int]:
    """Ids of the packages that are there, by key; those listed last long before `at` are dated anew."""
    found: dict[str, int] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = PACKAGE.c.key.in_(keys[start : start + _AT_ONCE])
        rows = (await connection.execute(select(PACKAGE.c.key, PACKAGE.c.id, PACKAGE.c.at).where(some))).all()
        found |= {row.key: row.id for row in rows}
        if any(row.at < at - LISTED / 2 for row in rows):
            await connection.execute(update(PACKAGE).where(some, PACKAGE.c.at < at).values(at=at))
    return found


def _key(one: Package) -> str:
    told = "\x1f".join((one.name, one.version, one.licence, one.purl))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32]


def packed(ids: Sequence[int]) -> bytes:
    """Ids as the steps between them, compressed."""
    steps = [after - before for before, after in pairwise([0, *sorted(ids)])]
    return zlib.compress(struct.pack(f"<{len(steps)}I", *steps))


def unpacked(held: bytes) -> frozenset[int]:
    """The ids that `packed` took."""
    raw = zlib.decompress(held)
    return frozenset(accumulate(struct.unpack(f"<{len(raw) // 4}I", raw)))
