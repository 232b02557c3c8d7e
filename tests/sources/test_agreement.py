"""Whatever happens, and in whatever order, the cache ends up holding what the server does."""

import random
import uuid
from typing import Any

import pytest

from app.demo.store import copy
from app.domain.facts import WorkloadGone
from app.engines.shapes import Deployment, Rollout

from .bench import LEAKY, Following, following

pytestmark = [pytest.mark.anyio, LEAKY]

FAULTS: tuple[dict[str, Any], ...] = (
    {"gone_watch": {"pods"}},
    {"gone_watch_http": {"*"}},
    {"gone_continue": {"pods", "replicasets"}},
    {"garbage": {"pods", "deployments"}},
    {"truncated": {"pods", "replicasets"}},
    {"busy": 503, "busy_share": 0.3, "retry_after": 0},
    {"unauthorized": True},
    {"refuse": True},
    {"latency": 0.05},
    {"bookmark_interval": 0.05},
)


def change(f: Following, rng: random.Random) -> None:
    """One random write to the server, with the controllers not looking."""
    store = f.server.store
    plural = rng.choice(("deployments", "replicasets", "pods", "pods", "pods"))
    rows = store.rows(plural)
    what = rng.choice(("touch", "touch", "delete", "create", "recreate", "orphan"))
    if what == "create" or not rows:
        owners = store.rows("replicasets")
        if owners and plural == "pods":
            owner = rng.choice(owners).obj
            reference = {
                "kind": "ReplicaSet",
                "name": "x",
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
            namespace = owner["metadata"]["namespace"]
            meta = {"name": f"p-{uuid.UUID(int=rng.getrandbits(128))}", "namespace": namespace}
            store.create(
                "pods", {"metadata": {**meta, "ownerReferences": [reference]}, "spec": {}, "status": {}}
            )
        return
    entry = rng.choice(rows)
    changed = copy(entry)
    if what == "touch":
        store.put(plural, changed, quiet=True)
    elif what == "orphan" and plural == "replicasets":
        changed["metadata"].pop("ownerReferences", None)
        store.put(plural, changed, quiet=True)
    else:
        store.remove(plural, entry.namespace, entry.name, quiet=True)
        if what == "recreate":
            store.create(plural, changed, quiet=True)


@pytest.mark.parametrize("seed", range(12))
async def test_cache_equals_the_server_after_random_changes_and_faults(seed: int) -> None:
    rng = random.Random(seed)
    async with following(fill=6, pods=4) as f:
        f.server.controllers.stop()
        for _ in range(12):
            for _ in range(rng.randrange(8)):
                change(f, rng)
            fault = rng.choice(FAULTS)
            await f.faults(**fault)
            if rng.random() < 0.3:
                await f.server.bench.compact()
            if rng.random() < 0.3:
                await f.server.bench.drop()
            for _ in range(rng.randrange(4)):
                change(f, rng)
            ticks = len(f.heard.facts)
            await f.heard.until(lambda n=ticks: len(f.heard.facts) > n)  # type: ignore[misc]
            await f.heal()
        await f.settled()
        roots = {e.uid for e in f.server.store.rows("deployments")}
        await f.heard.until(lambda: set(f.heard.workloads) == roots)
        pods = {uid: f.collector.cache.kin(uid).pods for uid in roots}
        await f.heard.until(
            lambda: all(len(f.heard.workloads[u].state.pods) == len(p) for u, p in pods.items())
        )
        assert {w.uid for w in f.heard.of(WorkloadGone)}.isdisjoint(roots)


async def test_workload_that_is_a_rollouts_template_is_not_shown_on_its_own() -> None:
    async with following(fill=2) as f:
        await f.settled()
        await f.heard.until(lambda: len(f.heard.workloads) == 2)
        entry = next(e for e in f.server.store.rows("deployments") if e.name == "load-0000")
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": entry.name}
        meta = {"name": "canary", "namespace": entry.namespace}
        made = f.server.store.create(
            "rollouts", {"metadata": meta, "spec": {"workloadRef": reference}, "status": {}}, quiet=True
        )
        await f.heard.until(lambda: made.uid in f.heard.workloads and entry.uid not in f.heard.workloads)
        assert f.heard.workloads[made.uid].ref.kind == Rollout.__name__
        f.server.store.remove("rollouts", entry.namespace, "canary", quiet=True)
        await f.heard.until(lambda: entry.uid in f.heard.workloads and made.uid not in f.heard.workloads)
        assert f.heard.workloads[entry.uid].ref.kind == Deployment.__name__


async def test_a_change_after_quiet_is_delivered_at_once() -> None:
    async with following() as f:
        await f.settled()
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        pod = f.server.store.rows("pods")[0]
        await f.server.bench.ready(pod.namespace, pod.name, value=False)

        def unready() -> bool:
            states = [w.state for w in f.heard.workloads.values()]
            return any(p.name == pod.name and p.condition != "ready" for s in states for p in s.pods)

        await f.heard.until(unready, within=0.5)
