"""A board of the demo's people for every test that asks for one."""

import pytest

from tests.web.auth.door import door


@pytest.fixture
async def board(tmp_path, sqlite_template, anyio_backend):
    async with door(tmp_path, template=sqlite_template) as here:
        yield here
