"""An embedded cluster of its own for each test, whose time runs fast, and the real client to talk to it."""

from collections.abc import AsyncIterator

import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import Client

SCALE = 25.0


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(time_scale=SCALE) as running:
        yield running


@pytest.fixture
async def client(cluster: EmbeddedCluster) -> AsyncIterator[Client]:
    async with Client(cluster.url, cluster.token) as connected:
        yield connected
