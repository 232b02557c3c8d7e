"""Commits between two versions, forward and back, and the commit that an owner would have to lose."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.facts import Fact
from app.domain.owners import Source
from app.domain.revisions import Revision
from app.ingest import Ingest
from app.live import Live
from app.read.changes import SHOWN, between, revert
from tests.ci import made, pushed, sha_of
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC).replace(microsecond=0)


def revision(n: int) -> Revision:
    return Revision(f"r{n}", version=f"1.{n}", images=(f"registry.example/cart:1.{n}",))


async def test_commits_go_in_or_are_undone_and_unknown_ones_are_not_guessed(database_url):
    async with opened(database_url) as database:
        facts: list[Fact] = []
        for n in range(1, 13):
            at = NOW - timedelta(hours=20 - n)
            facts += [pushed("cart", f"1.{n}", at, f"Change {n}"), made("cart", f"1.{n}", at)]
        await Ingest(database, Live())(facts)
        async with database.reading() as connection:
            back = await between(connection, revision(4), revision(2))
            forth = await between(connection, revision(1), revision(12))
            same = await between(connection, revision(4), revision(4))
            nobody = await between(connection, revision(4), revision(99))
            sources = await between(
                connection,
                Revision("4", version=sha_of("cart 1.4")),
                Revision("3", version=sha_of("cart 1.3")),
            )
            known = await revert(connection, Source("", sha_of("cart 1.4")))
            far = await revert(connection, Source("git.example/ops", "a1" * 20))
    assert back is not None
    assert (back.back, back.total, [c.title for c in back.commits]) == (True, 2, ["Change 4", "Change 3"])
    assert (back.before, back.after) == (sha_of("cart 1.4"), sha_of("cart 1.2"))
    assert forth is not None
    assert (forth.back, forth.total, len(forth.commits)) == (False, 11, SHOWN)
    assert (same, nobody) == (None, None)
    assert sources is not None
    assert [c.title for c in sources.commits] == ["Change 4"]
    assert (known.title, known.repo != "", known.url != "") == ("Change 4", True, True)
    assert (far.title, far.url) == ("", f"https://git.example/ops/commit/{'a1' * 20}")
