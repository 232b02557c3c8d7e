"""What Argo CD does with an Application, as far as others rely on it: compare, sync, go back, heal itself.

An `operation` on the object is run and answered in `status.operationState`; a full sync leaves an entry in the
history, a partial one (healing) does not. Automation that is switched off is left off. Limits: one source, no hooks,
no waves, no pruning, no projects. Source: argo-cd controller/{appcontroller,state,sync}.go.
"""

from __future__ import annotations

from typing import Any

from app.demo.controllers import Controllers
from app.demo.git import Git, Manifest, applied, synced
from app.demo.resources import BY_PLURAL, Resource
from app.demo.store import Change, Store, copy

Obj = dict[str, Any]
TRACKED_BY = "argocd.argoproj.io/tracking-id"
MANAGER = "argocd-controller"
TAKES, HEALS = 1.0, 3.0
"""Seconds that a sync takes, and that a foreign change is let be."""
HOME = "argocd"
_KEPT = frozenset({"deployments", "statefulsets", "daemonsets", "rollouts", "services"})


class Applications:
    """One instance serves every Application."""

    def __init__(self, controllers: Controllers, git: Git) -> None:
        self.controllers, self.git = controllers, git
        self.store, self.registry = controllers.store, controllers.registry
        self._begun: dict[tuple[str, str], float] = {}
        self._drifted: dict[tuple[str, str], float] = {}
        controllers.add("applications", self.reconcile)
        controllers.listen(self._changed)
        git.listen(self._pushed)

    def _changed(self, resource: Resource, change: Change) -> None:
        if resource.plural in _KEPT:
            notes = change.entry.obj["metadata"].get("annotations") or {}
            if name := str(notes.get(TRACKED_BY, "")).partition(":")[0]:
                self.controllers.enqueue("applications", HOME, name)

    def _pushed(self, url: str) -> None:
        for entry in self.store.rows("applications"):
            if entry.obj["spec"]["source"]["repoURL"] == url:
                self.controllers.enqueue("applications", entry.namespace, entry.name)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("applications", namespace, name)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return
        if (entry.obj["metadata"].get("annotations") or {}).get(
            "argocd.argoproj.io/skip-reconcile"
        ) == "true":
            return
        app = copy(entry)
        app.setdefault("status", {})
        if app.get("operation"):
            self._operate(app, (namespace, name))
        self._compare(app)
        if not app.get("operation"):
            self._automate(app, (namespace, name))
        if app != entry.obj:
            app["status"]["reconciledAt"] = self.store.clock.stamp()
            self.registry.update("applications", app, manager="argocd-application-controller")

    def _operate(self, app: Obj, key: tuple[str, str]) -> None:
        state, operation = app["status"].get("operationState") or {}, app["operation"]
        now = self.store.clock
        if state.get("phase") != "Running" or key not in self._begun:
            self._begun[key] = now.now()
            running = {"phase": "Running", "operation": operation, "startedAt": now.stamp()}
            app["status"]["operationState"] = running
        left = self._begun[key] + TAKES - now.now()
        if left > 0:
            self.controllers.enqueue("applications", *key, left)
            return
        del self._begun[key], app["operation"]
        self._sync(app, operation)

    def _sync(self, app: Obj, operation: Obj) -> None:
        status, sync, stamp = app["status"], operation.get("sync") or {}, self.store.clock.stamp()
        source = sync.get("source") or app["spec"]["source"]
        revision = sync.get("revision") or self.git.head(source["repoURL"])
        manifests = self.git.at(source["repoURL"], revision)
        state = status["operationState"]
        if manifests is None:
            said = f"ComparisonError: unable to resolve '{revision}' to a commit SHA"
            status["operationState"] = {**state, "phase": "Error", "message": said, "finishedAt": stamp}
            return
        wrong = applied(self.registry, manifests, MANAGER)
        status["operationState"] = {
            **state,
            "phase": "Failed" if wrong else "Succeeded",
            "message": wrong or "successfully synced (all tasks run)",
            "finishedAt": stamp,
            "syncResult": {"revision": revision, "source": source, "resources": [*map(_row, manifests)]},
        }
        if wrong or sync.get("resources"):
            return
        history = status.setdefault("history", [])
        by = operation.get("initiatedBy") or {}
        history.append(entry_of(history[-1]["id"] + 1 if history else 0, revision, source, stamp, by))
        del history[: -app["spec"].get("revisionHistoryLimit", 10)]

    def _compare(self, app: Obj) -> None:
        status, source = app["status"], app["spec"]["source"]
        head = self.git.head(source["repoURL"])
        manifests = self.git.at(source["repoURL"], head)
        if manifests is None:
            status["sync"] = {"status": "Unknown"}
            return
        rows = [
            {**_row(one), "status": "Synced" if synced(self.store, one) else "OutOfSync"} for one in manifests
        ]
        drifts = any(row["status"] != "Synced" for row in rows)
        compared = {"source": source, "destination": app["spec"]["destination"]}
        status["sync"] = {
            "status": "OutOfSync" if drifts else "Synced", "revision": head, "comparedTo": compared
        }  # fmt: skip
        status["resources"] = rows
        health = health_of(self.store, manifests)
        if (status.get("health") or {}).get("status") != health:
            status["health"] = {"status": health, "lastTransitionTime": self.store.clock.stamp()}

    def _automate(self, app: Obj, key: tuple[str, str]) -> None:
        automated = (app["spec"].get("syncPolicy") or {}).get("automated")
        status = app["status"]
        if automated is None or automated.get("enabled") is False or status["sync"]["status"] != "OutOfSync":
            self._drifted.pop(key, None)
            return
        head, state = status["sync"]["revision"], status.get("operationState") or {}
        sync: Obj = {"revision": head, "prune": bool(automated.get("prune"))}
        if (state.get("syncResult") or {}).get("revision") == head:  # it was synced: what differs is foreign
            if not automated.get("selfHeal"):
                return
            now = self.store.clock.now()
            left = self._drifted.setdefault(key, now) + HEALS - now
            if left > 0:
                self.controllers.enqueue("applications", *key, left)
                return
            sync["resources"] = [
                {name: row[name] for name in ("group", "kind", "namespace", "name") if row[name]}
                for row in status["resources"]
                if row["status"] == "OutOfSync"
            ]
        self._drifted.pop(key, None)
        app["operation"] = {"initiatedBy": {"automated": True}, "sync": sync}


def entry_of(number: int, revision: str, source: Obj, at: str, by: Obj) -> Obj:
    """An entry of the history."""
    times = {"deployStartedAt": at, "deployedAt": at}
    return {"id": number, "revision": revision, "source": source, "initiatedBy": by, **times}


def health_of(store: Store, manifests: tuple[Manifest, ...]) -> str:
    """The worst health of what is kept, as Argo CD tells that of a Deployment."""
    order = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded")
    return max((_health(store, one) for one in manifests), key=order.index, default="Healthy")


def _health(store: Store, manifest: Manifest) -> str:
    entry = store.get(manifest.plural, manifest.namespace, manifest.name)
    if entry is None:
        return "Missing"
    spec, status = entry.obj.get("spec") or {}, entry.obj.get("status") or {}
    if manifest.plural != "deployments":
        return "Healthy"
    if spec.get("paused"):
        return "Suspended"
    if any(one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions") or ()):
        return "Degraded"
    seen = status.get("observedGeneration", 0) >= entry.obj["metadata"]["generation"]
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return "Healthy" if seen and all(n == spec["replicas"] for n in counts) else "Progressing"


def _row(manifest: Manifest) -> Obj:
    resource = BY_PLURAL[manifest.plural]
    place = {"namespace": manifest.namespace, "name": manifest.name, "status": "Synced"}
    return {"group": resource.group, "version": resource.version, "kind": resource.kind, **place}


def application(
    name: str, namespace: str, url: str, *, history: tuple[Obj, ...] = (), **automated: bool
) -> Obj:
    """An Application that keeps what a repository wants in a namespace, automated as told."""
    source = {"repoURL": url, "path": "deploy", "targetRevision": "HEAD"}
    made: Obj = {
        "metadata": {"name": name, "namespace": HOME},
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": automated} if automated else {},
        },
    }
    if history:
        last = {"revision": history[-1]["revision"], "source": source}
        state = {"phase": "Succeeded", "message": "successfully synced (all tasks run)", "syncResult": last}
        done = {"startedAt": history[-1]["deployStartedAt"], "finishedAt": history[-1]["deployedAt"]}
        made["status"] = {"history": list(history), "operationState": {**state, **done}}
    return made
