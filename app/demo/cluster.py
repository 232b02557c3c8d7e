"""The embedded cluster put together: store, controllers, API and bench on one event loop.

    async with EmbeddedCluster(fleet=False) as cluster:
        cluster.url, cluster.token, cluster.kubeconfig(path), cluster.store, cluster.faults, cluster.bench

Binds loopback only. The API and the bench have a port each; the bench is served on both.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from aiohttp import web

from app.demo import nodes
from app.demo.analysis import AnalysisRuns
from app.demo.api import MAX_BODY, Api
from app.demo.argocd import Applications
from app.demo.bench import Bench
from app.demo.clock import Clock
from app.demo.controllers import Controllers
from app.demo.daemonsets import DaemonSets
from app.demo.deployments import Deployments
from app.demo.endpoints import Endpoints
from app.demo.faults import Faults
from app.demo.flagger import Canaries
from app.demo.fleet import Fleet
from app.demo.flux import Kustomizations
from app.demo.git import Git
from app.demo.kubelet import Kubelet
from app.demo.log import LOG_WINDOW
from app.demo.registry import Registry
from app.demo.replicasets import ReplicaSets
from app.demo.rollouts import Rollouts
from app.demo.statefulsets import StatefulSets
from app.demo.store import Store

Obj = dict[str, Any]


HURRY = 2.5
"""Seconds that a head start takes on the machine, however long it is for the cluster."""


class EmbeddedCluster:
    """A Kubernetes API server with controllers, in this process. Use as an async context manager."""

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        fleet: bool = False,
        token: str = "",
        time_scale: float = 1.0,
        head_start: float = 0.0,
        window: int = LOG_WINDOW,
        argo: bool = True,
        gates: str = "",
        clock: Clock | None = None,
    ) -> None:
        """`time_scale`: how much faster than real the cluster's own time runs. `head_start`: seconds of it that
        have passed, in a hurry, before anybody can connect. `clock`: a time of its own instead of both.
        `gates`: the address below which the hooks of Flagger's Canaries ask. Raises ValueError off loopback."""
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the embedded cluster has no TLS and binds loopback addresses only, not {host}")
        self.host = host
        self.port = port
        self.token = token or secrets.token_urlsafe(24)
        self.key = secrets.token_urlsafe(24)
        self._time_scale, self._head_start = time_scale, head_start
        self.clock = clock or Clock(head_start / HURRY if head_start else time_scale, behind=head_start)
        self.store = Store(self.clock, window=window)
        self.registry = Registry(self.store)
        self.faults = Faults(crd_absent=not argo)
        self.controllers = Controllers(self.store, self.registry, self.clock)
        self.behaviours = self.controllers.behaviours
        self.kubelet = Kubelet(self.controllers)
        ReplicaSets(self.controllers)
        Deployments(self.controllers)
        StatefulSets(self.controllers)
        DaemonSets(self.controllers)
        Rollouts(self.controllers)
        AnalysisRuns(self.controllers)
        Endpoints(self.controllers)
        self.git = Git()
        Applications(self.controllers, self.git)
        Kustomizations(self.controllers, self.git)
        self.canaries, self.gates = Canaries(self.controllers), gates
        self.api = Api(self.store, self.registry, self.faults, self.token, self.key)
        self.bench = Bench(self)
        self.fleet = Fleet(self, head_start) if fleet else None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._bench_port = 0

    @property
    def url(self) -> str:
        return f"http://{self._shown_host}:{self.port}"

    @property
    def bench_url(self) -> str:
        """Where the control path is reachable even while the API refuses connections."""
        return f"http://{self._shown_host}:{self._bench_port}/_bench"

    @property
    def _shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def kubeconfig(self, path: str | os.PathLike[str]) -> str:
        """Write a kubeconfig (context `demo`), readable by the owner only. Returns its path.

        kubectl sends no bearer token over plain HTTP, so the server URL carries a secret path as well.
        """
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "demo", "cluster": {"server": f"{self.url}/key/{self.key}"}}],
            "users": [{"name": "demo", "user": {"token": self.token}}],
            "contexts": [
                {"name": "demo", "context": {"cluster": "demo", "user": "demo", "namespace": "default"}}
            ],
            "current-context": "demo",
        }
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            yaml.safe_dump(document, file)
        return str(target)

    # -- life ------------------------------------------------------------------------------------------------
    async def __aenter__(self) -> EmbeddedCluster:
        nodes.install(self)
        self.controllers.start()
        if self.fleet:
            self.fleet.install()
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/_bench/{verb:.*}", self.bench.answer)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.2,
            keepalive_timeout=75,
        )
        await self._runner.setup()
        if self.fleet:
            self.fleet.start()
        if self._head_start:
            await asyncio.sleep(HURRY)
            self.clock.catch_up(self._time_scale)
        await self._listen()
        bench = web.TCPSite(self._runner, self.host, 0)
        await bench.start()
        self._bench_port = self._last_port()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.fleet:
            self.fleet.stop()
        self.bench.stop()
        self.controllers.stop()
        await self.canaries.close()
        for table in self.store.tables.values():
            table.log.reset(self.store.version)
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await self.api.answer(request)

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await self._site.start()
        self.port = self.port or self._last_port()

    def _last_port(self) -> int:
        assert self._runner is not None
        port: int = self._runner.addresses[-1][1]
        return port

    # -- faults that live in the listener --------------------------------------------------------------------
    async def apply_faults(self) -> None:
        """Make the listener agree with the switches; in-process users call it after changing `refuse`."""
        for table in self.store.tables.values():
            table.log.wake()
        if self.faults.refuse and self._site:
            await self._site.stop()
            self._site = None
            self.cut()
        elif not self.faults.refuse and self._site is None and self._runner:
            await self._listen()

    def cut(self) -> int:
        """Abort every connection of the API port, as a killed server would. Returns how many."""
        count = 0
        server = self._runner.server if self._runner else None
        for protocol in list(server.connections) if server else ():
            transport = protocol.transport
            address = transport.get_extra_info("sockname") if transport else None
            if transport is not None and address and address[1] == self.port:
                transport.abort()
                count += 1
        return count
