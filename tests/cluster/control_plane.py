"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

RBAC is on, certificates live for a day in a temporary folder, every process ends when this one does (they end when
their standard input is closed). Nodes come from `kubelet`. Durations are squeezed where a flag allows it: a lost
node is noticed in 6 s, its pods are evicted 2 s later, a SIGTERM drains for REQUEST_TIMEOUT.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from tests.cluster.api import Api
from tests.cluster.building import CONTROL_PLANE

REQUEST_TIMEOUT = 6
"""Seconds the API server gives a request, and open connections once it is told to stop."""
_CONTROLLERS = (
    "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,"
    "endpointslice-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller,"
    "root-ca-certificate-publisher-controller,resourcequota-controller,disruption-controller,"
    "pod-garbage-collector-controller,node-lifecycle-controller,taint-eviction-controller,"
    "clusterrole-aggregation-controller"
)
_CONTROLLER_MANAGER, _SCHEDULER = "kube-controller-manager", "kube-scheduler"


class ControlPlane:
    """The four processes. Use as an async context manager; `kubeconfig` is its administrator's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="shipboard-cluster-"))
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.audit = self.folder / "audit.log"
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        self._program = await asyncio.to_thread(CONTROL_PLANE.build)
        certs = await asyncio.create_subprocess_exec(self._program, "certs", str(self.folder))
        assert await certs.wait() == 0
        etcd, peer, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        for user in ("admin", "controller-manager", "scheduler"):
            self._write_kubeconfig(user)
        await self.run(
            "etcd", str(self._program), "etcd", f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{etcd}", f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}", "--log-level=warn",
        )  # fmt: skip
        self.etcd = f"http://127.0.0.1:{etcd}"
        await self.start_apiserver()
        await self._start_controllers()
        async with Api(self.kubeconfig) as api:
            await api.until("/api/v1/namespaces/default/serviceaccounts/default", lambda _: True, 20)

    async def _start_controllers(self) -> None:
        await self.run(
            _CONTROLLER_MANAGER, str(self._program), "kube-controller-manager", "--leader-elect=false",
            f"--kubeconfig={self.folder}/controller-manager.kubeconfig", "--secure-port=0",
            "--use-service-account-credentials", f"--root-ca-file={self.folder}/ca.crt",
            f"--service-account-private-key-file={self.folder}/service-account.key",
            f"--controllers={_CONTROLLERS}", "--kube-api-qps=300", "--kube-api-burst=600",
            "--node-monitor-grace-period=6s", "--node-monitor-period=500ms", "--node-eviction-rate=100",
            "--secondary-node-eviction-rate=100", "--unhealthy-zone-threshold=1",
            "--concurrent-gc-syncs=4",
        )  # fmt: skip
        scheduler = self.folder / "scheduler.json"
        scheduler.write_text(json.dumps({
            "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": f"{self.folder}/scheduler.kubeconfig", "qps": 300, "burst": 600},
            "leaderElection": {"leaderElect": False},
            "podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 2,
        }))  # fmt: skip
        await self.run(
            _SCHEDULER, str(self._program), "kube-scheduler", f"--config={scheduler}", "--secure-port=0"
        )  # fmt: skip

    async def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready. Controllers that lost it are started anew: their own
        way back to it takes up to half a minute."""
        flags = {
            "etcd-servers": self.etcd,
            "secure-port": str(self.port),
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",  # a loopback address is no endpoint
            "etcd-compaction-interval": "0",  # the tests decide when a version is too old
            "request-timeout": f"{REQUEST_TIMEOUT}s",
            "authorization-mode": "RBAC",
            "audit-policy-file": str(self._write_audit_policy()),
            "audit-log-path": str(self.audit),
            "kubelet-preferred-address-types": "ExternalIP",  # the only one of a hollow node's that is on loopback
            "client-ca-file": f"{self.folder}/ca.crt",
            "tls-cert-file": f"{self.folder}/apiserver.crt",
            "tls-private-key-file": f"{self.folder}/apiserver.key",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": f"{self.folder}/service-account.pub",
            "service-account-signing-key-file": f"{self.folder}/service-account.key",
            "service-cluster-ip-range": "10.0.0.0/16",
            "requestheader-client-ca-file": f"{self.folder}/front-proxy-ca.crt",
            "requestheader-allowed-names": "front-proxy",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": f"{self.folder}/front-proxy.crt",
            "proxy-client-key-file": f"{self.folder}/front-proxy.key",
            "default-not-ready-toleration-seconds": "2",
            "default-unreachable-toleration-seconds": "2",
            "profiling": "false",
        }
        arguments = [f"--{name}={value}" for name, value in flags.items()]
        await self.run("kube-apiserver", str(self._program), "kube-apiserver", *arguments)
        async with asyncio.timeout(60), Api(self.kubeconfig) as api:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    if (await api.ask("GET", "/readyz", seconds=2)).status == 200:
                        break
                self.check("kube-apiserver")
                await asyncio.sleep(0.1)
        if _CONTROLLER_MANAGER in self._processes:
            await asyncio.gather(self.end(_CONTROLLER_MANAGER), self.end(_SCHEDULER))
            await self._start_controllers()

    async def stop_apiserver(self, how: signal.Signals) -> None:
        """End the API server, by SIGTERM (it drains) or by SIGKILL, and wait for its end."""
        process = self._processes["kube-apiserver"]
        process.send_signal(how)
        await asyncio.wait_for(process.wait(), 60)

    async def compact(self, version: int) -> None:
        """Forget the history of the store before `version`."""
        async with aiohttp.ClientSession() as session:
            order = {"revision": str(version), "physical": True}
            async with session.post(f"{self.etcd}/v3/kv/compaction", json=order) as answer:
                assert answer.status == 200, await answer.text()

    async def run(self, name: str, *command: str) -> None:
        """Start a process whose life is bound to ours; it writes to NAME.log in the folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    async def leash(self, name: str, *command: str) -> None:
        """The same for a program that is not ours, whose standard input says nothing to it."""
        await self.run(name, str(self._program), "leash", *command)

    async def end(self, name: str) -> None:
        """End a process that `run` or `leash` started."""
        process = self._processes.pop(name)
        assert process.stdin
        process.stdin.close()
        await process.wait()

    def check(self, name: str) -> None:
        """Raise RuntimeError with the end of its log if the process is no more."""
        if self._processes[name].returncode is not None:
            raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.log').read_text()[-2000:]}")

    async def stop(self) -> None:
        """End every process, and forget everything."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.kill() if process.stdin is None else process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                for process in self._processes.values():
                    await process.wait()
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()
        if os.environ.get("SHIPBOARD_KEEP_CLUSTER_LOGS"):
            print(f"logs of the control plane: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write_audit_policy(self) -> Path:
        """Who asked for what is written down of service accounts, but not of the controllers' own."""
        path = self.folder / "audit-policy.json"
        path.write_text(json.dumps({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
                {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
                {"level": "None"},
            ],
        }))  # fmt: skip
        return path

    def _write_kubeconfig(self, user: str) -> None:
        named = {"client-certificate": f"{self.folder}/{user}.crt", "client-key": f"{self.folder}/{user}.key"}
        write_kubeconfig(self.folder / f"{user}.kubeconfig", self.url, self.folder / "ca.crt", named)


def write_kubeconfig(path: Path, server: str, authority: Path | str, user: dict[str, str]) -> Path:
    """A kubeconfig of one context, `test`."""
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }))  # fmt: skip
    return path


def free_ports(count: int) -> list[int]:
    """That many ports of loopback nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
