"""The controllers' work queue: what changed is looked at again, a little later, once.

Level-triggered as in kube-controller-manager: a controller is a function of an object's key, called after a
short lag so that a client sees the gap between a write and its observation. Garbage collection is here too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from app.demo.clock import Clock
from app.demo.recorder import Recorder
from app.demo.registry import Registry
from app.demo.resources import Resource
from app.demo.store import DELETED, Change, Entry, Store, controller_uid, copy

log = logging.getLogger(__name__)
Obj = dict[str, Any]
Reconcile = Callable[[str, str], None]
LAG = 0.015
# who owns ReplicaSets looks again when they have followed: else both sides of a move have pods at once
_MOVERS = ("deployments", "rollouts")
_OWNED = ("replicasets", "pods", "endpointslices", "analysisruns", "controllerrevisions")


class Controllers:
    """Queue, timers and garbage collector; the controllers proper register themselves with `add`."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self.recorder = Recorder(store)
        self.behaviours: dict[str, str] = {}
        self.metrics: dict[str, float | None] = {}
        self._reconcile: dict[str, Reconcile] = {}
        self._listeners: list[Callable[[Resource, Change], None]] = []
        self._due: dict[tuple[str, str, str], tuple[float, asyncio.TimerHandle]] = {}
        self._running = False
        store.subscribe(self._changed)

    def add(self, plural: str, reconcile: Reconcile) -> None:
        """Reconcile objects of a resource whenever they, or objects they control, change."""
        self._reconcile[plural] = reconcile

    def listen(self, listener: Callable[[Resource, Change], None]) -> None:
        """For controllers that follow objects they do not own."""
        self._listeners.append(listener)

    def start(self) -> None:
        self._running = True
        self.resync()

    def stop(self) -> None:
        self._running = False
        for _, handle in self._due.values():
            handle.cancel()
        self._due.clear()

    def resync(self) -> None:
        """Look at everything again (after a start or a restored backup)."""
        for plural in self._reconcile:
            for entry in self.store.rows(plural):
                self.enqueue(plural, entry.namespace, entry.name)

    def behaviour(self, pod: Obj) -> str:
        """How a pod goes wrong: image-pull, crash, never-ready, oom, unschedulable, or it is not let in (quota,
        limits, policy, account); empty when it does not.

        From the annotation `hollow/fail`, else the table of images ("namespace/image" before "image"), else a tag
        `:bad` (no registry has it).
        """
        image = pod["spec"]["containers"][0]["image"]
        default = self.behaviours.get(image, "image-pull" if image.endswith(":bad") else "")
        here = self.behaviours.get(f"{pod['metadata']['namespace']}/{image}", default)
        return annotation(pod, "hollow/fail", here)

    def enqueue(self, plural: str, namespace: str, name: str, delay: float = LAG) -> None:
        """Reconcile after `delay` seconds of cluster time; an earlier appointment stands."""
        if not self._running:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + self.clock.real(delay)
        key = (plural, namespace, name)
        known = self._due.get(key)
        if known is not None:
            if known[0] <= at:
                return
            known[1].cancel()
        self._due[key] = (at, loop.call_at(at, self._run, key))

    def _run(self, key: tuple[str, str, str]) -> None:
        self._due.pop(key, None)
        plural, namespace, name = key
        reconcile = self._reconcile.get(plural)
        if reconcile is None or not self._running:
            return
        try:
            reconcile(namespace, name)
        except Exception:
            # one broken object (a poisoned one) must not stop the others; its next change tries again
            log.exception("the %s controller failed on %s/%s", plural, namespace, name)

    def _changed(self, resource: Resource, change: Change) -> None:
        entry = change.entry
        if resource.plural in self._reconcile:
            was = change.before.obj["metadata"].get("generation") if change.before else None
            own = resource.plural in _MOVERS and was == entry.obj["metadata"].get("generation")
            self.enqueue(resource.plural, entry.namespace, entry.name, 2 * LAG if own else LAG)
        for version in (change.before, entry):
            owner = _controller(version.obj) if version else None
            if owner and owner[0] in self._reconcile:
                self.enqueue(owner[0], entry.namespace, owner[1], 2 * LAG if owner[0] in _MOVERS else LAG)
        for listener in self._listeners:
            listener(resource, change)
        meta = entry.obj["metadata"]
        if change.type == DELETED or "deletionTimestamp" in meta:
            self._collect(resource, entry, change.type == DELETED)

    # -- garbage ---------------------------------------------------------------------------------------------
    def _collect(self, resource: Resource, entry: Entry, gone: bool) -> None:
        if not self._running:
            return
        finalizers = entry.obj["metadata"].get("finalizers") or ()
        loop, lag = asyncio.get_running_loop(), self.clock.real(2 * LAG)
        if resource.plural == "namespaces":
            loop.call_later(lag, self._drain, entry.name)
        elif "orphan" in finalizers:
            loop.call_later(lag, self._orphan, resource.plural, entry)
        elif gone or "foregroundDeletion" in finalizers:
            loop.call_later(lag, self._delete_children, resource.plural, entry)
        owner = _controller(entry.obj)
        if gone and owner:
            parent = self.store.get(owner[0], entry.namespace, owner[1])
            if parent and "foregroundDeletion" in (parent.obj["metadata"].get("finalizers") or ()):
                loop.call_later(lag, self._delete_children, owner[0], parent)

    def _children(self, uid: str) -> list[tuple[str, Entry]]:
        return [(plural, child) for plural in _OWNED for child in self.store.children(uid, plural)]

    def _delete_children(self, plural: str, entry: Entry) -> None:
        children = self._children(entry.uid)
        foreground = "foregroundDeletion" in (entry.obj["metadata"].get("finalizers") or ())
        for index, (kind, child) in enumerate(
            children
        ):  # one after the other, so that some are left for a moment
            lag = self.clock.real(4 * LAG) * min(index, 20)
            asyncio.get_running_loop().call_later(lag, self._delete_child, kind, child, foreground)
        if foreground and not children:
            self._finish(plural, entry.namespace, entry.name, "foregroundDeletion")

    def _delete_child(self, plural: str, child: Entry, foreground: bool) -> None:
        found = self.store.get(plural, child.namespace, child.name)
        if found and found.uid == child.uid and "deletionTimestamp" not in found.obj["metadata"]:
            propagation = "Foreground" if foreground else None
            self.registry.delete(plural, child.namespace, child.name, propagation=propagation)

    def _orphan(self, plural: str, entry: Entry) -> None:
        for kind, child in self._children(entry.uid):
            obj = copy(child)
            obj["metadata"].pop("ownerReferences", None)
            self.store.put(kind, obj)
        # the orphans are gone before their owner is, and its controller sees that
        lag = self.clock.real(4 * LAG)
        asyncio.get_running_loop().call_later(
            lag, self._finish, plural, entry.namespace, entry.name, "orphan"
        )

    def _finish(self, plural: str, namespace: str, name: str, finalizer: str) -> None:
        obj = self.store.copy(plural, namespace, name)
        if obj is None or finalizer not in obj["metadata"].get("finalizers", ()):
            return
        obj["metadata"]["finalizers"].remove(finalizer)
        self.registry.update(plural, obj, manager="kube-controller-manager")

    def _drain(self, namespace: str) -> None:
        left = 0
        for plural, table in self.store.tables.items():
            if not table.resource.namespaced:
                continue
            for entry in list(self.store.in_namespace(plural, namespace)):
                left += 1
                if "deletionTimestamp" not in entry.obj["metadata"]:
                    self.registry.delete(plural, namespace, entry.name)
        if left:
            asyncio.get_running_loop().call_later(max(0.01, self.clock.real(0.5)), self._drain, namespace)
        elif self.store.get("namespaces", "", namespace):
            self.store.remove("namespaces", "", namespace)


def annotation(obj: Obj, key: str, default: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(key, default))


def _controller(obj: Obj) -> tuple[str, str] | None:
    """Plural and name of the controlling owner."""
    if controller_uid(obj) is None:
        return None
    for reference in obj["metadata"]["ownerReferences"]:
        if reference.get("controller"):
            return f"{reference['kind'].lower()}s", reference["name"]
    return None
