"""What a gate learns of CI, over real databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.evidence import Holds, Person
from app.domain.gates import Gate, Origin, Subject, Version
from app.ingest import Ingest
from app.live import Live
from app.read.reported import reported
from tests.ci import made, pushed, ran, sha_of
from tests.databases import fresh
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def version(name: str) -> Version:
    return Version(name, (f"registry.example/cart:{name}",))


def gate(before: str, after: str) -> Gate:
    subject = Subject("cart", "production", "May it?", version(before), version(after))
    return Gate("g", "k", Origin.PROMOTION, subject, NOW, NOW + HOUR)


def shipped(name: str, hours_ago: int, **run):
    at = NOW - hours_ago * HOUR
    return [pushed("cart", name, at, f"Change {name}"), made("cart", name, at), *ran("cart", name, at, **run)]


async def test_gate_is_told_of_ci_people_and_commits_of_its_version(database_url):
    async with opened(database_url) as database:
        ingest = Ingest(database, Live())
        await ingest([fact for n in range(1, 6) for fact in shipped(f"1.{n}", 10 - n)])
        async with database.reading() as connection:
            found = await reported(connection, gate("1.1", "1.3"))
    assert (found.ci.holds, found.ci.said) == (
        Holds.YES,
        f"the run of {sha_of('cart 1.3')[:7]} passed",
    )
    assert found.people == (Person("author", "ada"), Person("starter", "ada"))
    assert [c.title for c in found.commits or ()] == ["Change 1.3", "Change 1.2"]
    assert [c.title for c in found.left_out or ()] == ["Change 1.5", "Change 1.4"]


@pytest.mark.parametrize(
    ("run", "holds"), [({"fails": "unit"}, Holds.NO), ({"running": True}, Holds.UNKNOWN)]
)
async def test_run_that_failed_or_goes_on_proves_nothing(tmp_path, run, holds):
    async with opened(fresh(tmp_path)) as database:
        await Ingest(database, Live())(shipped("1.1", 3) + shipped("1.2", 2, **run))
        async with database.reading() as connection:
            found = await reported(connection, gate("1.1", "1.2"))
    assert (found.ci.holds, found.ci.said != "") == (holds, True)


async def test_version_that_nothing_links_with_a_commit_is_unknown(tmp_path):
    async with opened(fresh(tmp_path)) as database:
        await Ingest(database, Live())(shipped("1.1", 3))
        async with database.reading() as connection:
            found = await reported(connection, gate("1.1", "9.9"))
    assert (found.ci.holds, found.people, found.commits) == (Holds.UNKNOWN, None, None)


async def test_what_is_live_and_not_in_the_version_would_be_lost(tmp_path):
    async with opened(fresh(tmp_path)) as database:
        ingest = Ingest(database, Live())
        await ingest([fact for n in range(1, 5) for fact in shipped(f"1.{n}", 10 - n)])
        hotfix = pushed("cart", "1.2.1", NOW - HOUR, "Hotfix")
        await ingest([replace(hotfix, branch="release-1"), made("cart", "1.2.1", NOW - HOUR)])
        async with database.reading() as connection:
            back = await reported(connection, gate("1.4", "1.2"))
            aside = await reported(connection, gate("1.2.1", "1.3"))
            on = await reported(connection, gate("1.2", "1.4"))
    assert [c.title for c in back.lost or ()] == ["Change 1.4", "Change 1.3"]
    assert (back.commits, [c.title for c in back.left_out or ()]) == ((), [])
    assert [c.title for c in aside.lost or ()] == ["Hotfix"]
    assert (aside.commits, on.lost) == (None, ())
    (before, old), (after, new) = on.digests
    assert (before, after) == ("registry.example/cart:1.2", "registry.example/cart:1.4")
    assert old != new
