"""Flagger on a control plane of ours: its definitions as published, and its controller, without a mesh."""

import asyncio

from tests.cluster import definitions
from tests.cluster.api import Api
from tests.cluster.building import FLAGGER
from tests.cluster.control_plane import ControlPlane, free_ports


async def install(api: Api, plane: ControlPlane) -> None:
    """Create the definitions and start the controller, as administrator. Raises building.Unavailable."""
    program = await asyncio.to_thread(FLAGGER.build)
    await definitions.install(api, [program.with_name("crd.yaml")])
    (port,) = free_ports(1)
    await plane.leash(
        "flagger", str(program), f"--kubeconfig={plane.kubeconfig}", "--mesh-provider=kubernetes",
        f"--port={port}", "--control-loop-interval=500ms", "--log-level=info", "--metrics-server=http://127.0.0.1:1",
    )  # fmt: skip


async def hurry(api: Api, path: str) -> None:
    """Have the Canary at `path` looked at every second and not every ten, which is the least Flagger allows: it looks
    at once when the interval has changed. For ever; cancel to stop."""
    seconds = 10
    while True:
        await asyncio.sleep(1)
        seconds = 21 - seconds
        await api.patch(path, {"spec": {"analysis": {"interval": f"{seconds}s"}}})
