"""A hollow kubelet for the real control plane: five nodes with leases, and pods that live as their annotations say.

It writes what a kubelet writes (node status and lease, pod status, events of component "kubelet", the last DELETE),
in a kubelet's order and words; nothing runs. Annotations of a pod template:

    hollow/ready-after: seconds until a readiness probe passes (default 0.3; without a probe: ready at once)
    hollow/fail: image-pull | crash | oom | never-ready     hollow/crash-after: seconds until crash or oom strikes
    hollow/exceed-grace: "true" to be killed at the end of the grace period

A tag `:bad` cannot be pulled. Back-offs are a tenth of a kubelet's, in fact though not in words.
"""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from tests.cluster.api import MERGE, STRATEGIC, Api, Obj, Refused
from tests.cluster.logs import serve_logs
from tests.cluster.manifests import HOLLOW
from tests.cluster.pod_life import Life, Over, doubted, host_of, stamp

NODES = tuple(f"hollow-{number}" for number in range(1, 6))
LEASE_EVERY = 1.0
_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class Kubelet:
    """The kubelets of all nodes. Use as an async context manager."""

    def __init__(self, api: Api, *, leave: bool = False, certificates: Path | None = None) -> None:
        """`leave`: take the nodes away at the end. `certificates`: where apiserver.crt and .key are, for an API server
        that may be given loopback as the address at which logs are read; None: there are no logs."""
        self._api, self._leave, self._certificates = api, leave, certificates
        self._logs: web.AppRunner | None = None
        self._since = stamp()
        self._lost: set[str] = set()
        self._lives: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._events: dict[tuple[str, str, str], tuple[str, int]] = {}
        self._addresses = itertools.count(2)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        if self._certificates:
            self._logs = await serve_logs(self._certificates)
        await asyncio.gather(*(self._register(node) for node in NODES))
        self._tasks = [asyncio.create_task(self._follow())]
        self._tasks += [asyncio.create_task(self._renew(node)) for node in NODES]
        for node in NODES:
            await self._api.until(f"/api/v1/nodes/{node}", lambda o: len(o["spec"]["taints"]) == 1, 15)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._tasks, *(task for _, task in self._lives.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._logs:
            await self._logs.cleanup()
        if self._leave:
            for node in NODES:
                await self._api.ask("DELETE", f"/api/v1/nodes/{node}")

    def lose(self, node: str) -> None:
        """From now on nothing is heard from `node`."""
        self._lost.add(node)

    async def recover(self, node: str) -> None:
        """Let `node` be heard again: its status, its lease, and the end of pods that were deleted meanwhile."""
        self._lost.discard(node)
        await self._report(node)
        for pod in (await self._api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}"))["items"]:
            self._see(pod)

    def rest(self) -> None:
        """From now on leave all pods alone; the nodes stay as they are."""
        self._tasks[0].cancel()
        for _, task in self._lives.values():
            task.cancel()

    # -- nodes

    async def _register(self, node: str) -> None:
        number = int(node.rpartition("-")[2])
        labels = {"kubernetes.io/hostname": node, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                  "topology.kubernetes.io/zone": f"z{number % 3}"}  # fmt: skip
        labels[HOLLOW] = "true"
        taints = [{"key": HOLLOW, "value": "true", "effect": "NoSchedule"}]
        meta = {"name": node, "labels": labels}
        body: Obj = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"taints": taints}}
        with suppress(Refused):
            await self._api.create("/api/v1/nodes", body)
        await self._report(node)
        await self._lease(node)

    async def _report(self, node: str) -> None:
        room = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "500Gi", "pods": "500"}
        address = host_of(node)
        conditions = [
            {"type": kind, "status": status, "reason": reason, "message": message,
             "lastHeartbeatTime": stamp(), "lastTransitionTime": self._since}
            for kind, status, reason, message in _HEALTHY
        ]  # fmt: skip
        addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": node}]
        status: Obj = {
            "capacity": room,
            "allocatable": room,
            "conditions": conditions,
            "addresses": addresses,
        }
        if self._logs:
            host, port = self._logs.addresses[0]
            addresses.append({"type": "ExternalIP", "address": host})
            status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
        await self._api.patch(f"/api/v1/nodes/{node}/status", {"status": status}, type=STRATEGIC)

    async def _lease(self, node: str) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        spec = {"holderIdentity": node, "leaseDurationSeconds": 40,
                "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}  # fmt: skip
        answer = await self._api.ask("PATCH", f"{path}/{node}", {"spec": spec}, type=MERGE)
        if answer.status == 404:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": node},
                "spec": spec,
            }
            await self._api.create(path, body)

    async def _renew(self, node: str) -> None:
        for turn in itertools.count():
            await asyncio.sleep(LEASE_EVERY * random.uniform(0.8, 1.0))
            if node not in self._lost:
                with suppress(aiohttp.ClientError, TimeoutError, Refused):
                    await self._lease(node)
                    if turn % 2 == 0:  # only this makes a node ready again that was given up
                        await self._report(node)

    # -- pods

    async def _follow(self) -> None:
        """Watch all pods for ever; after any trouble list them again."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, Refused, json.JSONDecodeError):
                listed = await self._api.get("/api/v1/pods")
                there = {pod["metadata"]["uid"] for pod in listed["items"]}
                for uid in set(self._lives) - there:
                    self._forget(uid)
                for pod in listed["items"]:
                    self._see(pod)
                async for event in self._api.watch(
                    "/api/v1/pods", listed["metadata"]["resourceVersion"], seconds=300
                ):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "DELETED":
                        self._forget(event["object"]["metadata"]["uid"])
                    else:
                        self._see(event["object"])
            await asyncio.sleep(0.1)

    def _forget(self, uid: str) -> None:
        if life := self._lives.pop(uid, None):
            life[1].cancel()

    def _see(self, pod: Obj) -> None:
        node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
        if node not in NODES or node in self._lost:
            return
        stage = "end" if "deletionTimestamp" in pod["metadata"] else "life"
        known = self._lives.get(uid)
        if known and (known[0] == stage or known[0] == "end") and not (known[1].done() and doubted(pod)):
            return
        if known:
            known[1].cancel()
        life = Life(
            self._api, pod, self._events, f"10.244.{random.randrange(256)}.{next(self._addresses) % 256}"
        )
        work = life.end() if stage == "end" else life.live()
        self._lives[uid] = (stage, asyncio.create_task(self._heard(node, work)))

    async def _heard(self, node: str, work: AsyncIterator[float]) -> None:
        """Take the steps of a life, none of them while its node is lost."""
        with suppress(Over):
            async for seconds in work:
                await asyncio.sleep(seconds)
                while node in self._lost:
                    await asyncio.sleep(0.1)
