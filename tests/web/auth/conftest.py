"""Boards that the tests of a module share: each test finds one as it was at the start."""

import pytest

from tests.web.auth.door import LOCAL, door


@pytest.fixture(scope="module")
async def shared(tmp_path_factory, anyio_backend):
    async with door(tmp_path_factory.mktemp("board")) as here:
        yield here


@pytest.fixture
async def board(shared):
    """A board of the demo's people."""
    await shared.anew()
    return shared


@pytest.fixture(scope="module")
async def shared_local(tmp_path_factory, anyio_backend):
    async with door(tmp_path_factory.mktemp("local"), LOCAL) as here:
        yield here


@pytest.fixture
async def local(shared_local):
    """A board of people with passwords; there is Vera, without a role of her own."""
    await shared_local.anew()
    await shared_local.account("vera")
    return shared_local
