"""A squash is resolved to the commits of its pull request: for the road, lead times and four eyes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.evidence import Person
from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.read import dora
from app.read.commits import commit_page
from app.read.dora_query import DoraQuery
from app.read.fleet import Fleet
from app.read.reported import reported
from app.sources.hooks import PROVIDERS, Delivery
from app.store.db import Database
from tests.ci import made, pushed, ran, sha_of
from tests.databases import fresh
from tests.read.test_reported import gate
from tests.web.site import look, sources

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def on_branch(name: str, hours: float, author: str, branch: str = "fix") -> Any:
    return replace(pushed("cart", name, NOW - hours * HOUR, f"Step {name}", branch), author=author)


def github(number: int, head: str, landed: str, merged: datetime | None) -> Any:
    change = {
        "number": number,
        "head": {"sha": sha_of(f"cart {head}"), "ref": "fix"},
        "merged": merged is not None,
        "merged_at": iso(merged) if merged else None,
        "merge_commit_sha": sha_of(f"cart {landed}"),
        "created_at": iso(NOW - 9 * HOUR),
        "updated_at": iso(merged or NOW - 8 * HOUR),
    }
    body = {"repository": {"html_url": "https://github.com/acme/cart"}, "pull_request": change}
    return PROVIDERS["github"].read(Delivery("pull_request", body, {}, NOW)).facts


def gitlab(number: int, head: str, landed: str, merged: datetime | None, merge: str = "") -> Any:
    item = {
        "iid": number,
        "last_commit": {"id": sha_of(f"cart {head}")},
        "state": "merged" if merged else "opened",
        "squash_commit_sha": sha_of(f"cart {landed}"),
        "merge_commit_sha": sha_of(f"cart {merge}") if merge else None,
        "created_at": iso(NOW - 9 * HOUR),
        "updated_at": iso(merged or NOW - 8 * HOUR),
    }
    project = {"web_url": "https://github.com/acme/cart", "id": 1}
    body = {"object_kind": "merge_request", "project": project, "object_attributes": item}
    return PROVIDERS["gitlab"].read(Delivery("Merge Request Hook", body, {}, NOW)).facts


@pytest.fixture
async def ship(tmp_path) -> AsyncIterator[tuple[Database, Ingest, Fleet]]:
    database = await Database.open(fresh(tmp_path))
    fleet = Fleet(database)
    fleet.environments = ("production",)
    yield database, Ingest(database, Live()), fleet
    await database.close()


def history(change: Any) -> list[Any]:
    """Version 1; then a branch whose first commit landed as another change before, and two that landed as version 2."""
    return [
        *(pushed("cart", "1", NOW - 20 * HOUR), made("cart", "1", NOW - 20 * HOUR)),
        on_branch("a", 10, "earlier"),
        *change(6, "a", "1.5", NOW - 9 * HOUR),
        pushed("cart", "1.5", NOW - 9 * HOUR),
        *(on_branch("b", 7, "bob"), on_branch("c", 5, "cleo"), on_branch("d", 4, "dan", "other")),
        *change(7, "c", "2", NOW - 2 * HOUR),
        *(pushed("cart", "2", NOW - 2 * HOUR), made("cart", "2", NOW - 2 * HOUR)),
        *ran("cart", "2", NOW - 2 * HOUR),
        *ran("cart", "1", NOW - 20 * HOUR),
    ]


@pytest.mark.parametrize("backwards", [False, True])
async def test_squash_that_gitlab_merged_by_one_more_commit_is_resolved_by_both(ship, backwards):
    database, ingest, fleet = ship
    told = [
        *(pushed("cart", "1", NOW - 20 * HOUR), on_branch("b", 7, "bob"), on_branch("c", 5, "cleo")),
        pushed("cart", "squash", NOW - 3 * HOUR),
        pushed("cart", "2", NOW - 2 * HOUR),
        *gitlab(7, "c", "squash", NOW - 2 * HOUR, merge="2"),
        *(made("cart", "1", NOW - 20 * HOUR), made("cart", "2", NOW - 2 * HOUR)),
        *ran("cart", "2", NOW - 2 * HOUR),
    ]
    await ingest([*sources(), *(reversed(told) if backwards else told), look("cart", "production", "2")])
    await fleet.load()
    async with database.reading() as connection:
        head = (await commit_page(connection, fleet, sha_of("cart c"), NOW)).commit
        pages = [
            await commit_page(connection, fleet, sha_of(f"cart {name}"), NOW) for name in ("squash", "2")
        ]
        people = (await reported(connection, gate("1", "2"))).people
    assert (head.landed, head.change) == (sha_of("cart squash"), "7")
    assert [page.commit.change for page in pages] == ["7", "7"]
    assert [[c.title for c in page.squashed] for page in pages] == [["Step c", "Step b"]] * 2
    assert people is not None
    assert {person.name for person in people} == {"ada", "bob", "cleo"}


@pytest.mark.parametrize("change", [github, gitlab])
async def test_squash_is_resolved_to_its_commits(ship, change):
    database, ingest, fleet = ship
    await ingest([*sources(), *history(change), look("cart", "production", "1")])
    await ingest([look("cart", "production", "2", Phase.PROGRESSING)])
    await ingest([look("cart", "production", "2")])
    await fleet.load()
    async with database.reading() as connection:
        for name in ("b", "c"):
            page = await commit_page(connection, fleet, sha_of(f"cart {name}"), NOW)
            assert page.commit.landed == sha_of("cart 2")
            assert [place.has for place in page.places] == [True]
            titles = [step.title for step in page.way]
            assert f"Landed as {sha_of('cart 2')[:7]}" in titles
            assert "Live in production" in titles
            assert page.lead and page.lead > 3600  # noqa: PT018
        apart = await commit_page(connection, fleet, sha_of("cart d"), NOW)
        assert (apart.commit.landed, [place.has for place in apart.places]) == ("", [None])
        landed = await commit_page(connection, fleet, sha_of("cart 2"), NOW)
        assert (landed.commit.landed, [c.title for c in landed.squashed]) == ("", ["Step c", "Step b"])
        people = (await reported(connection, gate("1", "2"))).people
        assert people == (*(Person("author", n) for n in ("ada", "cleo", "bob")), Person("starter", "ada"))


async def test_lead_time_is_that_of_the_commits_that_were_squashed(ship):
    from tests.ci import reported as deployed

    database, ingest, fleet = ship
    await ingest(
        [*history(github), deployed("cart", "1", NOW - 19 * HOUR), deployed("cart", "2", NOW - HOUR)]
    )
    await fleet.load()
    async with database.reading() as connection:
        rows = await dora.rows(connection, fleet, DoraQuery(environment="production"), NOW)
    (row,) = [row for row in rows if row.committed_at]
    assert sorted(row.committed_at) == [NOW - 10 * HOUR, NOW - 7 * HOUR, NOW - 5 * HOUR]


async def test_before_it_is_merged_the_temporary_merge_is_nothing(ship):
    database, ingest, fleet = ship
    await ingest([on_branch("b", 7, "bob"), *github(7, "b", "temporary", None)])
    async with database.reading() as connection:
        assert (await commit_page(connection, fleet, sha_of("cart b"), NOW)).commit.landed == ""
