"""The programs of the control plane keep to themselves."""

import asyncio

import psutil
import pytest

pytestmark = pytest.mark.anyio


def listeners() -> dict[int, set[str]]:
    """The addresses each of our processes listens on."""
    ours = psutil.Process().children(recursive=True)
    found = {p.pid: {c.laddr.ip for c in p.net_connections("tcp") if c.status == "LISTEN"} for p in ours}
    return {pid: addresses for pid, addresses in found.items() if addresses}


async def test_nothing_listens_beyond_loopback(real):
    assert real.own
    await real.install_argo()
    await real.install_flagger()
    async with asyncio.timeout(30):
        while len(listeners()) < 4:  # etcd, the API server and both operators
            await asyncio.sleep(0.1)
    assert set().union(*listeners().values()) <= {"127.0.0.1", "::1"}
