"""Argo Rollouts on a control plane of ours: its definitions as published, and its controller."""

import asyncio
import time
from collections.abc import Callable

from tests.cluster import definitions
from tests.cluster.api import Api, Obj
from tests.cluster.building import ARGO
from tests.cluster.control_plane import ControlPlane, free_ports

_PROCESS = "rollouts-controller"


async def install(api: Api, plane: ControlPlane) -> None:
    """Create the definitions and start the controller, as administrator. Raises building.Unavailable."""
    program = await asyncio.to_thread(ARGO.build)
    await definitions.install(api, program.parent.glob("*-crd.yaml"))
    health, metrics = free_ports(2)
    await plane.leash(
        _PROCESS, str(program), f"--kubeconfig={plane.kubeconfig}", "--leader-elect=false", "--loglevel=warn",
        f"--healthzPort={health}", f"--metricsPort={metrics}", "--qps=200", "--burst=400",
    )  # fmt: skip


async def heard(api: Api, path: str, holds: Callable[[Obj], object], seconds: float = 60) -> Obj:
    """The Rollout at `path` once that `holds`, which its controller has to bring about. Raises AssertionError.

    A change can be lost on v1.9.1: what the controller's own write was answered goes into its cache over what the
    watch has brought since (Controller.writeBackToInformer), and it acts on that until the Rollout changes again.
    Said again the same is no change, so an annotation is.
    """
    ends, again = time.monotonic() + seconds, 0
    while True:
        try:
            return await api.until(path, holds, 5)
        except AssertionError:
            if time.monotonic() > ends:
                raise
        again += 1
        await api.patch(path, {"metadata": {"annotations": {"tests/said-again": str(again)}}})


async def tell(api: Api, path: str, status: Obj, holds: Callable[[Obj], object]) -> Obj:
    """Change a Rollout's status as `kubectl argo rollouts` does; the Rollout once that `holds` for it."""
    await api.patch(f"{path}/status", {"status": status})
    return await heard(api, path, holds)


async def remove(api: Api, plane: ControlPlane) -> None:
    """End the controller and delete the definitions with everything of their kind."""
    await plane.end(_PROCESS)
    await definitions.remove(api, "argoproj.io")
