"""Trails of main branches: places by time, read once, and forgotten by repository when something is told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from app.read.trails import Trails
from app.store.ledger import Ledger
from tests.ci import made, pushed, sha_of
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
CART, MAIL = "github.com/acme/cart", "github.com/acme/mail"


def at(minutes: int) -> datetime:
    return AT + timedelta(minutes=minutes)


async def test_trail_places_commits_by_time_and_versions_by_their_images(database_url):
    trails = Trails()
    async with opened(database_url) as database:

        async def told(*facts) -> None:
            async with database.writing() as session:
                topics = await Ledger().record(session, facts)
            async with database.reading() as connection:
                await trails.refresh(connection, topics)

        async def look():
            async with database.reading() as connection:
                wanted = [(CART, "1"), (CART, "3"), (MAIL, "1")]
                return await trails.read(connection, {CART, MAIL}, wanted, [(CART, sha_of("cart side"))])

        await told(
            *(pushed("cart", str(n), at(n)) for n in (1, 2, 3)),
            pushed("cart", "side", at(2), branch="change-1"),
            made("cart", "1", at(1)),
        )
        found = await look()
        first = found.place(CART, found.commit(CART, "1"))
        assert (first, found.commit(CART, "3"), found.place(CART, "")) == (1, "", None)
        assert found.place(CART, sha_of("cart side")) is None  # it is not on the main branch
        assert found.between(CART, 1, 3) == (at(2), at(3))
        mail = found.trails[MAIL]

        # Told late, of an instant that has one already: both went together.
        await told(pushed("cart", "2b", at(2)), made("cart", "3", at(3)))
        again = await look()
        assert again.commit(CART, "3") == sha_of("cart 3")
        assert again.place(CART, sha_of("cart 3")) == 4
        assert again.between(CART, 1, 4) == (at(2), at(2), at(3))
        assert again.trails[MAIL] is mail  # nothing was told of it, so nothing was read of it
