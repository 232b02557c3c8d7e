"""The bench: fill the cluster fast, move pods at a rate, break objects, and the HTTP control path for it
all.

Control lives under `/_bench/` and needs the same bearer token; it is served on its own port too, so that it
stays reachable while the API refuses connections. Bench writes are quiet: the controllers do not react to
them.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from app.demo import flips, poison, settled
from app.demo.clock import stamp
from app.demo.store import Entry, copy, decode, encode

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
BATCH = 250


class Bench:
    """Verbs on a running cluster; every one answers a small dict of figures."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self._backup: tuple[int, dict[str, list[Entry]]] | None = None
        self._touching: asyncio.Task[None] | None = None

    # -- filling ---------------------------------------------------------------------------------------------
    async def fill(self, workloads: int, pods: int, *, namespaces: int = 20, prefix: str = "load") -> Obj:
        """`workloads` settled Deployments of `pods` ready pods each, spread over `namespaces` namespaces."""
        started = time.perf_counter()
        for number in range(workloads):
            namespace = f"{prefix}-{number % namespaces:02d}"
            settled.namespace(self.cluster, namespace)
            settled.deployment(self.cluster, namespace, f"{prefix}-{number:04d}", pods, quiet=True)
            if number % 10 == 9:
                await asyncio.sleep(0)
        gc.freeze()  # what was filled stays: the collector need not walk it again and again
        return {"pods": workloads * pods, "seconds": round(time.perf_counter() - started, 3)}

    # -- moving ----------------------------------------------------------------------------------------------
    async def blast(self, events: int, *, resource: str = "pods", flip: bool = False) -> Obj:
        """`events` MODIFIED events as fast as they can be made, without outrunning the log's window.

        `flip`: each turns its pod over, ready or crash-looping, from pass to pass; workloads' status is left alone."""
        store = self.cluster.store
        started = time.perf_counter()
        log = store.tables[resource].log
        done = 0
        while done < events:
            rows = store.rows(resource)
            if not rows:
                break
            now = self.cluster.clock.stamp()
            for entry in rows[: events - done]:
                if not flip or self._flip(entry, now) is None:
                    self._touch(resource, entry)
                done += 1
                if done % BATCH == 0:
                    await asyncio.sleep(0)
                    # a watcher that falls out of the window would be cut off: give it time, but not for ever
                    for _ in range(2000):
                        if log.end - log.slowest() < log.window // 4:
                            break
                        await asyncio.sleep(0.001)
        return {
            "events": done,
            "seconds": round(time.perf_counter() - started, 3),
            "resourceVersion": str(store.version),
        }

    async def touch(self, rate: float, seconds: float, *, resource: str = "pods") -> Obj:
        """`rate` MODIFIED events a second for `seconds`, round robin, in the background; replaces an
        earlier one."""
        if self._touching:
            self._touching.cancel()
        self._touching = asyncio.create_task(self._touch_loop(rate, seconds, resource))
        return {"rate": rate, "seconds": seconds}

    async def _touch_loop(self, rate: float, seconds: float, resource: str) -> None:
        loop = asyncio.get_running_loop()
        start, done = loop.time(), 0
        while (elapsed := loop.time() - start) < seconds:
            rows = self.cluster.store.rows(resource)
            due = int(elapsed * rate)
            for number in range(done, due if rows else done):
                self._touch(resource, rows[number % len(rows)])
            done = due
            await asyncio.sleep(max(0.002, 1 / rate) if rate > 0 else seconds)

    def _touch(self, resource: str, entry: Entry) -> None:
        obj = entry.obj
        current = self.cluster.store.get(resource, entry.namespace, entry.name)
        if current is None:
            return
        obj = current.obj
        meta = {
            **obj["metadata"],
            "annotations": {
                **(obj["metadata"].get("annotations") or {}),
                "bench/touched": str(self.cluster.store.version),
            },
        }
        self.cluster.store.put(resource, {**obj, "metadata": meta}, quiet=True)

    def _flip(self, entry: Entry, now: str) -> Entry | None:
        current = self.cluster.store.get("pods", entry.namespace, entry.name)
        return flips.flip(self.cluster.store, current, now) if current else None

    async def ready(self, namespace: str, name: str, value: bool, at: float | None = None) -> Obj:
        """Flip one pod's readiness, stamped in the annotation `bench/at` (epoch seconds of this machine)."""
        entry = self.cluster.store.get("pods", namespace, name)
        if entry is None:
            return {"error": f"no pod {namespace}/{name}"}
        obj = copy(entry)
        now = at if at is not None else time.time()
        obj["status"] = flips.turned(obj["status"], value, stamp(now))
        obj["metadata"].setdefault("annotations", {})["bench/at"] = repr(now)
        done = self.cluster.store.put("pods", obj, quiet=True)
        return {"at": now, "resourceVersion": str(done.version)}

    # -- breaking --------------------------------------------------------------------------------------------
    async def poison(self, resource: str = "pods", namespace: str = "poison") -> Obj:
        """Objects with wrong types and nulls, as a broken or newer writer could leave them."""
        settled.namespace(self.cluster, namespace)
        store, names = self.cluster.store, []
        for obj in poison.objects(resource, namespace):
            entry = store.create(resource, obj, quiet=True)
            names.append(entry.name)
            if entry.name.endswith("null-labels"):
                nulls = dict.fromkeys(("labels", "annotations", "ownerReferences", "managedFields"))
                store.put(resource, {**entry.obj, "metadata": {**entry.obj["metadata"], **nulls}}, quiet=True)
        return {"names": names}

    async def compact(self) -> Obj:
        return {"resourceVersion": str(self.cluster.store.compact())}

    async def backup(self) -> Obj:
        """Remember the present state for `restart` with `older`."""
        self._backup = self.cluster.store.freeze()
        return {"resourceVersion": str(self._backup[0])}

    async def restart(self, *, older: bool = False) -> Obj:
        """Cut everybody off and start with empty watch caches; with `older`, from the backup (versions go
        back)."""
        if older and self._backup is not None:
            self.cluster.store.restore(self._backup)
            self.cluster.controllers.resync()
        else:
            self.cluster.store.restart()
        self.cluster.cut()
        return {"resourceVersion": str(self.cluster.store.version)}

    async def drop(self) -> Obj:
        """Cut every connection of the API once."""
        return {"connections": self.cluster.cut()}

    async def image(self, image: str, behaviour: str) -> Obj:
        """How containers of an image behave: empty, or a word that `Controllers.behaviour` knows."""
        self.cluster.behaviours[image] = behaviour
        return {"image": image, "behaviour": behaviour}

    async def metric(self, name: str, value: float | None) -> Obj:
        """What analysis runs measure from here on under a metric's name; null: its provider does not answer."""
        self.cluster.controllers.metrics[name] = value
        return {"name": name, "value": value}

    def stop(self) -> None:
        if self._touching:
            self._touching.cancel()

    # -- over HTTP -------------------------------------------------------------------------------------------
    async def answer(self, request: web.Request) -> web.Response:
        """`/_bench/faults` (GET, POST to change some, DELETE to heal) and `POST /_bench/{verb}` with
        keyword JSON."""
        if request.headers.get("Authorization") != f"Bearer {self.cluster.token}":
            return web.json_response({"error": "the bench needs the cluster's bearer token"}, status=401)
        what = request.path.removeprefix("/_bench/").strip("/")
        raw = await request.read()
        try:
            body = decode(raw) if raw else {}
            if what == "faults":
                return await self._faults(request.method, body)
            verb = self._verbs().get(what)
            if verb is None or request.method != "POST":
                return web.json_response(
                    {"error": f"unknown verb {what!r}", "verbs": sorted(self._verbs())}, status=404
                )
            return web.Response(body=encode(await verb(**body)), content_type="application/json")
        except (msgspec.ValidationError, msgspec.DecodeError, TypeError, ValueError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)

    def _verbs(self) -> dict[str, Callable[..., Awaitable[Obj]]]:
        return {
            "fill": self.fill,
            "blast": self.blast,
            "touch": self.touch,
            "ready": self.ready,
            "poison": self.poison,
            "compact": self.compact,
            "backup": self.backup,
            "restart": self.restart,
            "drop": self.drop,
            "image": self.image,
            "metric": self.metric,
        }

    async def _faults(self, method: str, body: Obj) -> web.Response:
        faults = self.cluster.faults
        if method == "POST":
            faults.switch(**body)
        elif method == "DELETE":
            faults.reset()
        await self.cluster.apply_faults()
        return web.Response(body=encode(faults), content_type="application/json")
