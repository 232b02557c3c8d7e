"""The real control plane of tests/cluster for the benchmarks, in a process of its own with its hollow kubelet.

    python -m tests.bench.real WORKLOADSxPODS

Prints where it is once its Deployments are available, serves the verbs that the embedded cluster's bench has too
(`touch`, `ready`, `blast`; every change is a request to the API server), and ends when standard input is closed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

from app.demo.flips import turned
from tests.cluster.api import MERGE, Api, Obj, Refused
from tests.cluster.control_plane import ControlPlane, write_kubeconfig
from tests.cluster.kubelet import Kubelet
from tests.cluster.manifests import APPS, CORE, deployment, pod_template
from tests.cluster.pod_life import stamp

NAMESPACES = 20
AT_ONCE = 8
"""Requests under way, at most."""
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def fill(api: Api, workloads: int, pods: int) -> None:
    """Create Deployments called and placed like those of the embedded cluster's bench, and wait for their pods."""
    for number in range(NAMESPACES):
        name = f"load-{number:02d}"
        await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        await api.until(f"{CORE}/{name}/serviceaccounts/default", lambda _: True)
    for number in range(workloads):
        name, namespace = f"load-{number:04d}", f"load-{number % NAMESPACES:02d}"
        template = pod_template(name, f"web:1.{number % 9}", probe=False)
        labels = {"app.kubernetes.io/name": name}
        template["metadata"]["labels"] |= labels
        root = deployment(name, template, replicas=pods)
        root["metadata"]["labels"] = labels
        await api.create(f"{APPS}/{namespace}/deployments", root)
    wanted = workloads * pods

    def available(listed: Obj) -> bool:
        there = (int(each["status"].get("availableReplicas", 0)) for each in listed["items"])
        return sum(there) == wanted

    await api.until("/apis/apps/v1/deployments", available, 300)


async def reader(api: Api, plane: ControlPlane) -> tuple[str, str]:
    """A kubeconfig of an account that may do everything, and its token."""
    accounts = f"{CORE}/default/serviceaccounts"
    await api.create(accounts, {"metadata": {"name": "bench"}})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "bench", "namespace": "default"}
    binding = {"metadata": {"name": "bench"}, "roleRef": role, "subjects": [subject]}
    await api.create(f"{_RBAC}/clusterrolebindings", binding)
    token = (await api.create(f"{accounts}/bench/token", {"spec": {}}))["status"]["token"]
    path = plane.folder / "bench.kubeconfig"
    return str(write_kubeconfig(path, plane.url, plane.folder / "ca.crt", {"token": token})), token


class Verbs:
    """What the benchmarks ask for."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._touching: asyncio.Task[None] | None = None

    async def blast(self, events: int, flip: bool) -> Obj:
        """Turn that many pods over, each pod in its turn."""
        assert flip
        pods = await self._pods()
        ready = [pod["status"]["containerStatuses"][0]["ready"] for pod in pods]
        turn = itertools.cycle(range(len(pods)))
        todo = iter([next(turn) for _ in range(events)])
        began = time.monotonic()

        async def work() -> None:
            for which in todo:
                ready[which] = not ready[which]
                await self._turn(pods[which], ready[which])

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        seconds = time.monotonic() - began
        await self._quiet()
        return {"events": events, "seconds": seconds}

    async def touch(self, rate: float, seconds: float) -> Obj:
        """Change an annotation of `rate` pods a second, in the background, one after the other."""
        if self._touching:
            self._touching.cancel()
        self._touching = asyncio.create_task(self._touch(rate, seconds))
        return {"rate": rate}

    async def ready(self, namespace: str, name: str, value: bool) -> Obj:
        """Turn a pod over, with the time of asking in an annotation of it."""
        pod, now = await self._api.get(f"{CORE}/{namespace}/pods/{name}"), time.time()
        await self._turn(pod, value, {"annotations": {"bench/at": repr(now)}})
        return {"at": now}

    async def _turn(self, pod: Obj, ready: bool, meta: Obj | None = None) -> None:
        status = turned(pod["status"], ready, stamp())
        body = {"status": {key: status[key] for key in ("conditions", "containerStatuses")}}
        await self._patch(f"{_path(pod)}/status", body | ({"metadata": meta} if meta else {}))

    async def _patch(self, path: str, body: Obj) -> None:
        """A merge patch, again until it is taken: a server on two cores with much else to do may be late."""
        for _ in range(10):
            with suppress(Refused, aiohttp.ClientError, TimeoutError):
                await self._api.patch(path, body, type=MERGE)
                return

    async def _quiet(self) -> None:
        """Wait until the controllers have made of it what they will: until the API answers at once again."""
        quick, ends = 0, time.monotonic() + 8
        while quick < 5 and time.monotonic() < ends:
            asked = time.monotonic()
            await self._api.ask("GET", "/apis/apps/v1/deployments", limit=1)
            quick = quick + 1 if time.monotonic() - asked < 0.1 else 0
            await asyncio.sleep(0.2)

    async def _touch(self, rate: float, seconds: float) -> None:
        pods, began = itertools.cycle(await self._pods()), time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(rate * seconds)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                body = {"metadata": {"annotations": {"bench/touch": str(number)}}}
                tasks.create_task(self._patch(_path(next(pods)), body))

    async def _pods(self) -> list[Obj]:
        pods: list[Obj] = (await self._api.get("/api/v1/pods", seconds=60))["items"]
        return pods


def _path(pod: Obj) -> str:
    return f"{CORE}/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


async def main(workloads: int, pods: int) -> None:
    async with ControlPlane() as plane, Api(plane.kubeconfig) as api, Kubelet(api) as kubelet:
        await fill(api, workloads, pods)
        kubelet.rest()
        kubeconfig, token = await reader(api, plane)
        verbs = Verbs(api)

        async def answer(request: web.Request) -> web.Response:
            verb: Any = getattr(verbs, request.match_info["verb"])
            return web.json_response(await verb(**await request.json()))

        site = web.Application()
        site.router.add_post("/_bench/{verb:blast|touch|ready}", answer)
        runner = web.AppRunner(site)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        control = f"http://127.0.0.1:{runner.addresses[0][1]}"
        where = {"url": plane.url, "control": control, "kubeconfig": kubeconfig, "token": token,
                 "authority": str(plane.folder / "ca.crt")}  # fmt: skip
        print(json.dumps(where), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(*(int(number) for number in sys.argv[1].split("x"))))
