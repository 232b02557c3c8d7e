"""What an image is made of, as its bills of materials list it, and which bills list a package.

An image is immutable, so all of its bills are true of it: what any of them lists is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.packages import Package
from app.store.packages import unpacked
from app.store.report_tables import ALIAS, BILL, PACKAGE, REPORT, TAG

BILLS = 10
"""Newest bills of an image that are looked at."""
MOST = 20_000
"""Packages that a search may find."""
_AT_ONCE = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages by name, of the bills `reports` (newest first; none: no bill lists any); `left_out` are not kept."""

    items: tuple[Package, ...] = ()
    left_out: int = 0
    reports: tuple[str, ...] = ()

    def found(self, words: Sequence[str]) -> tuple[Package, ...]:
        """Those that have all of `words` (in lower case) in name, version, licence or address."""
        return tuple(one for one in self.items if all(word in one.said for word in words))


@dataclass(frozen=True, slots=True)
class Held:
    """The bills of one image: ids of the packages, how many are not kept, and the reports, newest first."""

    ids: frozenset[int]
    left_out: int
    reports: tuple[str, ...]


async def of_report(connection: AsyncConnection, report: str) -> Packages:
    """What one report lists."""
    row = (await connection.execute(select(BILL).where(BILL.c.report == report))).first()
    if row is None:
        return Packages()
    return Packages(await packages(connection, unpacked(row.held)), row.left_out, (report,))


async def of_image(connection: AsyncConnection, digest: str) -> Packages:
    """What the image `digest` is made of, by the bills of all of its names."""
    held = (await bills(connection, [digest])).get(digest)
    if held is None:
        return Packages()
    return Packages(await packages(connection, held.ids), held.left_out, held.reports)


async def bills(connection: AsyncConnection, digests: Iterable[str]) -> dict[str, Held]:
    """The bills of each image of `digests`; those are missing that have none."""
    names = await _names(connection, set(digests))
    images: dict[str, list[str]] = {}
    for digest, others in names.items():
        for name in others:
            images.setdefault(name, []).append(digest)
    found: dict[str, list[tuple[str, int, frozenset[int]]]] = {}
    for some in _chunks(images):
        query = (
            select(REPORT.c.digest, BILL)
            .join(BILL, BILL.c.report == REPORT.c.id)
            .where(REPORT.c.digest.in_(some))
            .order_by(REPORT.c.received_at.desc())
        )
        for row in await connection.execute(query):
            mine = [found.setdefault(digest, []) for digest in images[row.digest]]
            if any(len(bills) < BILLS for bills in mine):
                bill = (row.report, row.left_out, unpacked(row.held))
                for bills in mine:
                    bills.append(bill)
    return {
        digest: Held(
            frozenset[int]().union(*(ids for _, _, ids in bills)),
            min(left_out for _, left_out, _ in bills),
            tuple(report for report, _, _ in bills),
        )
        for digest, bills in found.items()
    }


async def packages(connection: AsyncConnection, ids: Iterable[int]) -> tuple[Package, ...]:
    """The packages with `ids`, by name."""
    found = (await by_id(connection, ids)).values()
    return tuple(sorted(found, key=lambda one: (one.name.lower(), one)))


async def by_id(connection: AsyncConnection, ids: Iterable[int]) -> dict[int, Package]:
    """The packages with `ids`."""
    found: dict[int, Package] = {}
    for some in _chunks(ids):
        for row in await connection.execute(select(PACKAGE).where(PACKAGE.c.id.in_(some))):
            found[row.id] = Package(row.name, row.version, row.licence, row.purl)
    return found


async def named(connection: AsyncConnection, words: Sequence[str], most: int = MOST) -> frozenset[int]:
    """Ids of the packages that have all of `words` in name, version, licence or address. Raises LookupError with a
    sentence when more than `most` do."""
    said = PACKAGE.c.name + " " + PACKAGE.c.version + " " + PACKAGE.c.licence + " " + PACKAGE.c.purl
    query = select(PACKAGE.c.id).where(*(said.icontains(word, autoescape=True) for word in words))
    found = frozenset(await connection.scalars(query.limit(most + 1)))
    if len(found) > most:
        raise LookupError(f"More than {most:,} packages are called so. Search for more of the name.")
    return found


async def tags(connection: AsyncConnection, digests: Iterable[str]) -> dict[str, str]:
    """The newest tag ("name:tag") that each of `digests` was seen with; those are missing that have none."""
    found: dict[str, str] = {}
    for some in _chunks(digests):
        query = select(TAG).where(TAG.c.digest.in_(some)).order_by(TAG.c.at)
        found |= {row.digest: f"{row.name}:{row.tag}" for row in await connection.execute(query)}
    return found


async def _names(connection: AsyncConnection, digests: set[str]) -> Mapping[str, frozenset[str]]:
    """All names of each image of `digests`: its index, manifest and config."""
    beside: dict[str, set[str]] = {}
    fresh = set(digests)
    for _ in range(3):  # config to manifest, manifest to index, index to its other manifests
        more: set[str] = set()
        for some in _chunks(fresh):
            query = select(ALIAS.c.digest, ALIAS.c.of).where(ALIAS.c.digest.in_(some) | ALIAS.c.of.in_(some))
            for one, other in await connection.execute(query):
                beside.setdefault(one, set()).add(other)
                beside.setdefault(other, set()).add(one)
                more |= {one, other}
        fresh = more - digests - fresh
        if not fresh:
            break
    found = {}
    for digest in digests:
        names, ends = {digest}, [digest]
        while ends and len(names) < 64:
            new = beside.get(ends.pop(), set()) - names
            names |= new
            ends += new
        found[digest] = frozenset(names)
    return found


def _chunks(some: Iterable[T]) -> Iterator[list[T]]:
    every = list(some)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
