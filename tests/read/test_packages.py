"""Packages of bills over a real database: kept once, found by any of an image's names, and where they run."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.domain.artifacts import Alias, AliasKind
from app.domain.packages import Package, words
from app.domain.reports import Bill, Image, Reported, ReportSubject, Upload
from app.read import packages
from app.read.fleet import Fleet
from app.read.holders import CUT_BILL, NO_BILL, NO_DIGEST, holders
from app.store.db import Database
from app.store.ledger import record
from app.store.packages import packed, unpacked
from app.store.report_tables import BILL, PACKAGE
from app.store.retention import prune
from tests.store.looks import NOW, opened, revision, state, workload

pytestmark = pytest.mark.anyio
INDEX, MANIFEST, OTHER, CUT = (f"sha256:{letter * 64}" for letter in "abcd")
LOG4J = Package("org.apache.logging.log4j/log4j-core", "2.14.1", "Apache-2.0", "pkg:maven/log4j-core@2.14.1")
LIBC = Package("libc6", "2.36", "LGPL-2.1-or-later")
LIBS = tuple(Package(f"lib{n}_a", "1.0", "MIT") for n in range(600))


def bill(digest: str, *some: Package, number: int = 0, days: float = 0, **more) -> Reported:
    at = NOW - timedelta(days=days)
    upload = Upload(
        ReportSubject("github.com/a/b", "", digest), "cyclonedx", f"{number:064x}", 1, "i|s", "", at
    )
    return Reported(upload, Bill("CycloneDX 1.6", "x", len(some), packages=some, **more))


def runs(number: int, *digests: str, images: tuple[str, ...] = ("ghcr.io/a/b:1",)):
    return workload(number, state(revision=replace(revision("1"), images=images, digests=digests)))


async def tell(database: Database, *facts) -> None:
    async with database.writing() as session:
        await record(session, facts)


async def count(database: Database, table) -> int:
    async with database.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


def test_ids_come_back_from_a_few_bytes():
    ids = [7, 9, 2**31 - 1, *range(1000, 1500)]
    assert unpacked(packed(ids)) == frozenset(ids)
    assert len(packed(ids)) < 100
    assert unpacked(packed([])) == frozenset()


@pytest.mark.parametrize("search", ["x", "a b", "a\x00b", "x" * 101, " ".join("abcdefghi")])
def test_search_without_a_word_or_beyond_the_limits_is_refused(search):
    with pytest.raises(ValueError, match="Search for"):
        words(search)


async def test_packages_of_many_bills_are_kept_once_and_go_after_the_last_of_them(database_url):
    async with opened(database_url) as database:
        await tell(database, bill(INDEX, *LIBS, LIBC, days=20), bill(OTHER, LIBC, LOG4J, days=10))
        await tell(database, bill(OTHER, LIBC, number=1, days=2))
        assert (await count(database, PACKAGE), await count(database, BILL)) == (len(LIBS) + 2, 3)
        async with database.reading() as connection:
            assert (await packages.of_image(connection, INDEX)).items == (*sorted([LIBC, *LIBS]),)
        await prune(database, NOW - timedelta(days=15), pause=0)
        assert (await count(database, PACKAGE), await count(database, BILL)) == (2, 2)
        await prune(database, NOW - timedelta(days=5), pause=0)
        async with database.reading() as connection:
            assert (await packages.of_image(connection, OTHER)).items == (LIBC,)
        assert await count(database, PACKAGE) == 1


async def test_search_answers_which_running_images_contain_a_package_and_of_which_nobody_can_tell(
    database_url,
):
    image = Image(INDEX, (), (Alias(MANIFEST, AliasKind.MANIFEST, INDEX),))
    async with opened(database_url) as database:
        await tell(
            database,
            bill(INDEX, LIBC, LOG4J, image=image),
            bill(INDEX, LIBC, number=1),  # another tool saw less
            bill(OTHER, LIBC, replace(LOG4J, name="log4j_core", purl="")),
            bill(CUT, LIBC, left_out=9),
            runs(1, MANIFEST),
            runs(2, MANIFEST, OTHER, images=("a", "b")),
            runs(3, CUT),
            runs(4, "sha256:" + "e" * 64),
            runs(5, images=("ghcr.io/a/none:1",)),
        )
        fleet = Fleet(database)
        await fleet.load()
        async with database.reading() as connection:
            found = await holders(connection, fleet, "log4j-core 2.14", NOW)
            everything = await holders(connection, fleet, "libc6 lgpl", NOW)
            nothing = await holders(connection, fleet, "100%", NOW)
            (held,) = {one.left_out for one in (await packages.bills(connection, [CUT])).values()}
    (holder,) = found.holders
    assert (holder.digest, holder.found, holder.packages) == (MANIFEST, 1, (LOG4J,))
    assert {line.ref.rpartition("/")[2] for line in holder.running} == {"service-1", "service-2"}
    assert {one.why for one in found.untold} == {NO_BILL, CUT_BILL, NO_DIGEST}
    assert found.images == 5
    assert found.sentence.text == (
        "One running image contains it, in production. Of three more nobody can tell."
    )
    assert {one.digest for one in everything.holders} == {MANIFEST, OTHER, CUT}
    assert not nothing.holders
    assert nothing.sentence.text.startswith("None of the two running images that tell contains it.")
    assert held == 9


async def test_search_that_means_too_much_is_refused(database_url):
    async with opened(database_url) as database:
        await tell(database, bill(INDEX, *LIBS))
        async with database.reading() as connection:
            with pytest.raises(LookupError, match="Search for more"):
                await packages.named(connection, ["lib"], most=100)
            assert len(await packages.named(connection, ["lib1_"], most=100)) == 1  # "_" is no wildcard
