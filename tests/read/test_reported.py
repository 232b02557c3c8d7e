"""What a gate learns of CI, over real databases."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.evidence import Holds, Person
from app.domain.gates import Gate, Origin, Subject, Version
from app.ingest import Ingest
from app.live import Live
from app.read.reported import reported
from tests.ci import made, pushed, ran, sha_of
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
    async with opened(f"sqlite:///{tmp_path}/x.db") as database:
        await Ingest(database, Live())(shipped("1.1", 3) + shipped("1.2", 2, **run))
        async with database.reading() as connection:
            found = await reported(connection, gate("1.1", "1.2"))
    assert (found.ci.holds, found.ci.said != "") == (holds, True)


async def test_version_that_nothing_links_with_a_commit_is_unknown(tmp_path):
    async with opened(f"sqlite:///{tmp_path}/x.db") as database:
        await Ingest(database, Live())(shipped("1.1", 3))
        async with database.reading() as connection:
            found = await reported(connection, gate("1.1", "9.9"))
    assert (found.ci.holds, found.people, found.commits) == (Holds.UNKNOWN, None, None)
