"""The databases tests are given: real, one each, of both kinds."""

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine


@pytest.mark.anyio
@pytest.mark.parametrize("visit", ["first", "second"])
async def test_database_of_a_test_holds_nothing_of_another(database_url: str, visit: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE TABLE left_by_{visit} (n INTEGER)"))
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()

    assert [name for name in tables if name.startswith("left_by_")] == [f"left_by_{visit}"]


@pytest.mark.anyio
async def test_empty_database_has_no_table(empty_database_url: str) -> None:
    engine = create_async_engine(empty_database_url)
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()

    assert tables == []
