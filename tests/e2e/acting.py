"""A whole board that can act on a cluster of its own, on a thread, since the browser's driver keeps this one's loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from app.demo import EmbeddedCluster, argocd, pairs, settled
from app.demo.ci_payloads import digest
from app.demo.git import Manifest
from app.demo.pairs import Pair
from app.demo.resources import FLEET_GROUPS
from app.demo.settled import Workload
from app.domain.names import WorkloadRef
from app.domain.people import Role
from app.settings import AuthSettings, ClusterSettings, Mode
from app.store.tables import AUDIT, COMMAND
from tests.demo.client import JSON_PATCH, Client, deployment, until
from tests.perform.rig import STEPS
from tests.web.auth.door import Door, door, persona

DEMO = AuthSettings(
    modes=(Mode.DEMO,),
    anonymous=True,
    personas=(persona("omar", (Role.OPERATOR, "*")), persona("vera", (Role.VIEWER, "*"))),
)
API = {"Rollout": "argoproj.io/v1alpha1", "Deployment": "apps/v1"}
Obj = dict[str, Any]


class Acting:
    """The board, its cluster, and ways to change and ask both from a test."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._loop = directory, asyncio.new_event_loop()
        self._over, self._ready = asyncio.Event(), threading.Event()
        work = self._loop.run_until_complete
        self._thread = threading.Thread(target=work, args=(self._run(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(self) -> None:
        async with EmbeddedCluster(time_scale=25.0) as kube, Client(kube.url, kube.token) as client:
            kube.faults.absent -= {*FLEET_GROUPS}
            settled.namespace(kube, argocd.HOME)
            kube.kubeconfig(self._directory / "kubeconfig")
            clusters = (ClusterSettings("real", self._directory / "kubeconfig", "demo"),)
            async with door(self._directory, DEMO, clusters=clusters, audit_key="k" * 32) as board:
                self.kube, self.client, self.board = kube, client, board
                self._ready.set()
                await self._over.wait()

    def do(self, work: Coroutine[Any, Any, Any], seconds: float = 30.0) -> Any:
        """The answer of something done on the board's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)

    @property
    def url(self) -> str:
        board: Door = self.board
        return board.url

    def stored(self, kind: str, name: str) -> Obj:
        entry = self.kube.store.get(f"{kind.lower()}s", "default", name)
        assert entry is not None
        return entry.obj

    def image(self, kind: str, name: str) -> str:
        return str(self.stored(kind, name)["spec"]["template"]["spec"]["containers"][0]["image"])

    def deployed(self, name: str) -> str:
        """A Deployment that went from web:1.0 to web:2.0; answers its path on the board."""
        return self._made("Deployment", name, _renamed(deployment(replicas=2), name))

    def canary(self, name: str) -> str:
        """A Rollout whose web:2.0 waits at 20 %; answers its path on the board."""
        spec = {**deployment(replicas=5)["spec"], "strategy": {"canary": {"steps": STEPS}}}
        return self._made("Rollout", name, _renamed({"metadata": {"name": "web"}, "spec": spec}, name))

    def kept(self, name: str) -> str:
        """A Deployment that Argo CD brought from web:1.0 to web:2.0, and heals; answers its path on the board."""
        self.do(self._keep(name))
        return f"/workloads/real/default/Deployment/{name}"

    def colours(self, name: str) -> str:
        """A Service that leads to green, web:1.0, while blue, web:2.0, is ready; answers its path on the board."""
        self.do(self._pair(name, Pair.COLOURS, "blue"))
        return f"/workloads/real/default/Service/{name}"

    def weighed(self, name: str) -> str:
        """A Deployment of web:1.0 with a canary of web:2.0 that has no traffic yet; answers its path on the board."""
        self.do(self._pair(name, Pair.CANARY, "canary"))
        return f"/workloads/real/default/Deployment/{name}"

    def application(self, name: str) -> Obj:
        """The Application that keeps a Deployment."""
        entry = self.kube.store.get("applications", argocd.HOME, name)
        assert entry is not None
        return entry.obj

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Until something is so in the cluster."""
        self.do(until(condition, what, 25.0))

    def let_be(self, seconds: float) -> None:
        """Until that much of the cluster's time went by."""
        later = self.kube.clock.now() + seconds
        self.wait(lambda: self.kube.clock.now() > later, f"{seconds} s")

    def scale(self, name: str, replicas: int) -> None:
        """Another number of pods of a Deployment, written past the board."""
        self.do(
            self.client.patch(
                f"/apis/apps/v1/namespaces/default/deployments/{name}", {"spec": {"replicas": replicas}}
            )
        )

    def ship(self, kind: str, name: str, image: str) -> None:
        """Another image, written past the board."""
        self.do(self._ship(kind, name, image))

    def commands(self, name: str) -> list[Obj]:
        """All commands about a workload, oldest first."""
        rows = self.do(self.board.rows(COMMAND))
        mine = [dict(row) for row in rows if f'"name":"{name}"' in row["body"]]
        return sorted(mine, key=lambda row: row["asked_at"])

    def audited(self, name: str) -> list[str]:
        """Kinds of the audit entries about commands for a workload, oldest first; a gate has its own."""
        rows = self.do(self.board.rows(AUDIT))
        return [
            row["kind"]
            for row in sorted(rows, key=lambda r: r["seq"])
            if row["object"].endswith(f"/{name}") and row["kind"] not in ("opened", "void")
        ]

    def _made(self, kind: str, name: str, body: Obj) -> str:
        self.do(self._make(kind, name, body))
        return f"/workloads/real/default/{kind}/{name}"

    async def _make(self, kind: str, name: str, body: Obj) -> None:
        path = f"/apis/{API[kind]}/namespaces/default/{kind.lower()}s"
        status, answer = await self.client.call("POST", path, body)
        assert status == 201, answer
        await self._known(kind, name, "1.0", "idle")
        await self._ship(kind, name, "web:2.0")
        await self._known(kind, name, "2.0", "awaiting_approval" if kind == "Rollout" else "idle")

    async def _keep(self, name: str) -> None:
        url = f"https://github.com/acme/{name}"
        body = argocd.application(name, "default", url, enabled=True, selfHeal=True)
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{argocd.HOME}/applications"
        for number, version in enumerate(("1.0", "2.0")):
            wanted = _renamed(deployment(f"web:{version}", replicas=2), name)
            tracked = {argocd.TRACKED_BY: f"{name}:apps/Deployment:default/{name}"}
            part = {"metadata": {"annotations": tracked}, "spec": wanted["spec"]}
            self.kube.git.push(
                url, digest(f"{name} {version}"), Manifest("deployments", "default", name, part)
            )
            if not number:
                status, answer = await self.client.call("POST", path, body)
                assert status == 201, answer
            await self._known("Deployment", name, version, "idle")

    async def _pair(self, name: str, pair: Pair, part: str) -> None:
        chosen = Workload(name=name, namespace="default", image="web:1.0", past=("web:0.9",), replicas=2)
        pairs.place(self.kube, chosen, pair)
        kind, of = ("Service" if pair is Pair.COLOURS else "Deployment"), f"{name}-{part}"
        await self._known(kind, name, "1.0", "idle")
        path = f"/apis/apps/v1/namespaces/default/deployments/{of}"
        status, answer = await self.client.patch(path, {"spec": {"replicas": 2}})
        assert status == 200, answer
        await self._ship("Deployment", of, "web:2.0")
        await self._known(kind, name, "2.0", "awaiting_approval")

    async def _ship(self, kind: str, name: str, image: str) -> None:
        path = f"/apis/{API[kind]}/namespaces/default/{kind.lower()}s/{name}"
        op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}
        status, answer = await self.client.patch(path, [op], JSON_PATCH)
        assert status == 200, answer

    async def _known(self, kind: str, name: str, version: str, phase: str) -> None:
        ref, fleet = WorkloadRef("real", "default", kind, name), self.board.app.state.hub.fleet

        def there() -> bool:
            row = fleet.at(ref)
            at = row and row.state.revision and row.state.revision.version == version
            return bool(at and row.state.phase.value == phase)

        await until(there, f"{name} is {phase} at {version}", 25.0)


def _renamed(body: Obj, name: str) -> Obj:
    text = json.dumps(body).replace('"app": "web"', f'"app": "{name}"')
    made: Obj = json.loads(text)
    made["metadata"]["name"] = name
    return made
