"""A board that can act, on an embedded cluster of its own: collector, database, and the door out."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.demo import EmbeddedCluster
from app.domain.commands import MOVES, Arguments, CommandPhase, Expected, Verb
from app.domain.names import WorkloadRef
from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.domain.rollout import RolloutState
from app.engines.acting import STAMP
from app.ingest import Ingest
from app.kube import Cluster
from app.live import Live
from app.perform import Ask, ClusterLike, NotKnown, Perform, Receipt, Rules
from app.read import audit
from app.read.audit import AuditQuery, AuditRow
from app.sources.runner import Collector
from app.sources.timing import Timing
from app.store.db import Database
from tests.demo.client import STRATEGIC, Client, deployment, template, until
from tests.perform.proxy import Proxy, proxy

NAME = "real"
ADA = Principal(
    PrincipalKind.PERSON, "test", "ada", "Ada", roles={EVERYWHERE: frozenset({Role.OPERATOR})}, session="s1"
)
VIEWER = Principal(PrincipalKind.PERSON, "test", "vi", "Vi", roles={EVERYWHERE: frozenset({Role.VIEWER})})
TIMING = Timing(list_gap=1, probe_every=1, probe_limit=1.5, patience=5, report=1, tick=0.05)
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
WEB = WorkloadRef(NAME, "default", "Deployment", "web")
CANARY = WorkloadRef(NAME, "default", "Rollout", "web")
Obj = dict[str, Any]
APIS = {
    "Service": "/api/v1",
    "Rollout": "/apis/argoproj.io/v1alpha1",
    "Canary": "/apis/flagger.app/v1beta1",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1",
}
_keys = itertools.count(1)


def _plural(kind: str) -> str:
    return "canaries" if kind == "Canary" else f"{kind.lower()}s"


def now() -> datetime:
    return datetime.now(UTC)


def ask(verb: Verb, ref: WorkloadRef = WEB, *, key: str = "", reason: str = "because", **more: Any) -> Ask:
    """An ask under a key of its own; `expected` as given, other keywords are arguments."""
    expected = more.pop("expected", Expected())
    return Ask(verb, ref, Arguments(**more), expected, reason, key or f"k{next(_keys)}")


@dataclass
class Rig:
    """The running parts. `clusters` may be changed while they run; commands go through `between`, looks do not."""

    kube: EmbeddedCluster
    client: Client
    database: Database
    perform: Perform
    clusters: dict[str, ClusterLike]
    between: Proxy
    live: Live

    async def known(self, ref: WorkloadRef) -> None:
        """Wait until the board knows a workload, as it stands in the cluster."""

        async def there() -> bool:
            with suppress(NotKnown):
                return bool(await self.perform.known(ref))
            return False

        await eventually(there, f"{ref} is known")

    async def over(self, receipt: Receipt, seconds: float = 20.0) -> Receipt:
        """The command once it is over."""

        async def final() -> Receipt | None:
            found = await self.perform.receipt(receipt.id)
            return None if found.phase in MOVES else found

        found: Receipt = await eventually(final, f"{receipt.verb} is over", seconds)
        return found

    async def do(self, verb: Verb, ref: WorkloadRef = WEB, **more: Any) -> Receipt:
        """Ask, and wait until it is over."""
        return await self.over(await self.perform.ask(ask(verb, ref, **more), ADA))

    def stored(self, ref: WorkloadRef = WEB) -> Obj:
        entry = self.kube.store.get(_plural(ref.kind), ref.namespace, ref.name)
        assert entry is not None
        return entry.obj

    def stamp(self, ref: WorkloadRef = WEB) -> str:
        return str((self.stored(ref)["metadata"].get("annotations") or {}).get(STAMP, ""))

    async def audit(self, **filters: str) -> list[AuditRow]:
        """Entries, oldest first."""
        found = await audit.page(self.database, AuditQuery(**filters), None, 500, now())
        return list(reversed(found.rows))

    async def make(self, body: Obj, kind: str = "") -> WorkloadRef:
        """Create an object."""
        api = APIS.get(kind or body["kind"], "/apis/apps/v1")
        path = f"{api}/namespaces/default/{_plural(kind or body['kind'])}"
        status, answer = await self.client.call("POST", path, body)
        assert status == 201, answer
        return WorkloadRef(NAME, "default", kind or body["kind"], body["metadata"]["name"])

    async def change(self, ref: WorkloadRef, body: Obj, content: str = STRATEGIC) -> None:
        """Change an object, as somebody else would."""
        path = f"{APIS.get(ref.kind, '/apis/apps/v1')}/namespaces/default/{_plural(ref.kind)}/{ref.name}"
        status, answer = await self.client.patch(path, body, content)
        assert status == 200, answer

    async def shown(self, ref: WorkloadRef, holds: Callable[[RolloutState], object]) -> RolloutState:
        """The state the board knows, once that `holds`."""
        await self.known(ref)

        async def there() -> RolloutState | None:
            state = (await self.perform.known(ref)).state
            return state if holds(state) else None

        found: RolloutState = await eventually(there, f"{ref} is as awaited")
        return found

    async def done(self, verb: Verb, ref: WorkloadRef, **more: Any) -> Receipt:
        """Ask, and wait until its effect is seen."""
        ended = await self.do(verb, ref, **more)
        assert ended.phase is CommandPhase.DONE, f"{verb}: {ended.message}"
        return ended

    async def key(self, ref: WorkloadRef, version: str) -> str:
        """The key of a kept revision."""
        state = (await self.perform.known(ref)).state
        return next(each.key for each in reversed(state.revisions) if each.version == version)

    async def make_web(self, image: str = "web:1.0", **spec: Any) -> None:
        """The Deployment `web`, settled."""
        path = "/apis/apps/v1/namespaces/default/deployments"
        status, answer = await self.client.call("POST", path, deployment(image, **spec))
        assert status == 201, answer
        await until(lambda: self.stored().get("status", {}).get("availableReplicas") == 4, "web is settled")
        await self.known(WEB)

    async def make_canary(self, steps: list[Obj] | None = None) -> None:
        """The Rollout `web`, healthy at web:1.0."""
        body = {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": steps or STEPS}},
            "template": template("web:1.0"),
        }
        path = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
        status, answer = await self.client.call("POST", path, {"metadata": {"name": "web"}, "spec": body})
        assert status == 201, answer
        await self.phase("Healthy")
        await self.known(CANARY)

    async def make_blue_green(self) -> None:
        """The Rollout `web` behind two Services, healthy at web:1.0."""
        for name in ("active", "preview"):
            spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
            await self.make({"metadata": {"name": name}, "spec": spec}, "Service")
        moves = {"activeService": "active", "previewService": "preview", "autoPromotionEnabled": False}
        body = {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"blueGreen": moves},
            "template": template("web:1.0"),
        }
        await self.make({"metadata": {"name": "web"}, "spec": body}, "Rollout")
        await self.phase("Healthy")
        await self.known(CANARY)

    async def phase(self, name: str) -> None:
        """Wait for the Rollout's phase."""

        def there() -> bool:
            status = self.stored(CANARY).get("status") or {}
            paused = name != "Paused" or bool(status.get("pauseConditions"))
            seen = status.get("observedGeneration") == str(self.stored(CANARY)["metadata"]["generation"])
            return bool(seen and paused and status.get("phase") == name)

        await until(there, f"phase {name}")

    async def ship(self, image: str, ref: WorkloadRef = WEB) -> None:
        group = "argoproj.io/v1alpha1" if ref.kind == "Rollout" else "apps/v1"
        path = f"/apis/{group}/namespaces/default/{ref.kind.lower()}s/web"
        op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}
        status, answer = await self.client.patch(path, [op], "application/json-patch+json")
        assert status == 200, answer

    async def ship_canary(self, image: str = "web:2.0") -> None:
        """A new version, up to its first pause."""
        await self.ship(image, CANARY)
        await self.phase("Paused")


async def eventually(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """The first true answer of an async condition."""
    ends = asyncio.get_running_loop().time() + seconds
    while not (found := await condition()):
        assert asyncio.get_running_loop().time() < ends, f"still waiting for: {what}"
        await asyncio.sleep(0.01)
    return found


@asynccontextmanager
async def rig(
    database_url: str,
    *,
    rules: Rules | None = None,
    run: bool = True,
    everything: bool = False,
    **ports: Any,
) -> AsyncIterator[Rig]:
    """All parts, running; with `everything` the cluster has Flagger's kinds and those of the Gateway API, too."""
    async with (
        EmbeddedCluster(time_scale=25.0) as kube,
        Client(kube.url, kube.token) as client,
        proxy(kube.url) as between,
    ):
        if everything:
            kube.faults.absent.clear()
        database, live = await Database.open(database_url, audit_key="k" * 32), Live()
        cluster = await Cluster.at(NAME, kube.url, kube.token)
        acting = await Cluster.at(NAME, between.url, kube.token)
        clusters: dict[str, ClusterLike] = {NAME: acting}
        perform = Perform(database, live, clusters, rules or Rules(), now, **ports)
        tasks = [asyncio.create_task(perform.run())] if run else []
        tasks.append(asyncio.create_task(Collector(cluster, Ingest(database, live), timing=TIMING).run()))
        try:
            yield Rig(kube, client, database, perform, clusters, between, live)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await cluster.close()
            await acting.close()
            await database.close()
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
