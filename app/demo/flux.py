"""What Flux does with a Kustomization, as far as others rely on it: apply at each interval, a new revision, when asked.

What differs from the source lasts until then; a suspended one is left alone. Limits: the source is a GitRepository
whose commits are there at once; no health checks, no pruning. Source: kustomize-controller and source-controller.
"""

from __future__ import annotations

import re
from typing import Any

from app.demo.controllers import Controllers
from app.demo.git import Git, applied
from app.demo.store import Entry, copy

Obj = dict[str, Any]
HOME = "flux-system"
ASKED = "reconcile.fluxcd.io/requestedAt"
LABEL = "kustomize.toolkit.fluxcd.io"
MANAGER = "kustomize-controller"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


class Kustomizations:
    """One instance serves every Kustomization."""

    def __init__(self, controllers: Controllers, git: Git) -> None:
        self.controllers, self.git = controllers, git
        self.store, self.registry = controllers.store, controllers.registry
        self._applied: dict[tuple[str, str], float] = {}
        controllers.add("kustomizations", self.reconcile)
        git.listen(self._pushed)

    def _pushed(self, url: str) -> None:
        for entry in self.store.rows("kustomizations"):
            if self._url(entry) == url:
                self.controllers.enqueue("kustomizations", entry.namespace, entry.name)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("kustomizations", namespace, name)
        if entry is None or entry.obj["spec"].get("suspend"):
            return
        url, now, key = self._url(entry), self.store.clock.now(), (namespace, name)
        head = self.git.head(url)
        status, meta = entry.obj.get("status") or {}, entry.obj["metadata"]
        asked = (meta.get("annotations") or {}).get(ASKED, "")
        revision = f"main@sha1:{head}"
        left = self._applied.get(key, 0.0) + _seconds(entry.obj["spec"]["interval"]) - now
        known = (status.get("observedGeneration"), status.get("lastAttemptedRevision"))
        answered = asked == status.get("lastHandledReconcileAt", "")
        if left > 0 and answered and known == (meta["generation"], revision):
            self.controllers.enqueue("kustomizations", namespace, name, left)
            return
        self._applied[key] = now
        manifests = self.git.at(url, head)
        wrong = f"artifact of {url} not found" if manifests is None else ""
        wrong = wrong or applied(self.registry, manifests or (), MANAGER)
        obj = copy(entry)
        told = {**status, "observedGeneration": meta["generation"], "lastAttemptedRevision": revision}
        if asked:
            told["lastHandledReconcileAt"] = asked
        if not wrong:
            told["lastAppliedRevision"] = revision
        told["conditions"] = [self._ready(status, wrong, wrong or f"Applied revision: {revision}")]
        obj["status"] = told
        self.registry.update("kustomizations", obj, manager=MANAGER, status=True)
        self.controllers.enqueue("kustomizations", namespace, name, _seconds(obj["spec"]["interval"]))

    def _ready(self, status: Obj, wrong: str, said: str) -> Obj:
        word, reason = ("False", "ReconciliationFailed") if wrong else ("True", "ReconciliationSucceeded")
        before: Obj = next(iter(status.get("conditions") or ()), {})
        same = before.get("status") == word
        since = before["lastTransitionTime"] if same else self.store.clock.stamp()
        told = {"type": "Ready", "status": word, "reason": reason, "message": said}
        return {**told, "lastTransitionTime": since}

    def _url(self, entry: Entry) -> str:
        source = self.store.get("gitrepositories", entry.namespace, entry.obj["spec"]["sourceRef"]["name"])
        return str(source.obj["spec"]["url"]) if source else ""


def _seconds(interval: str) -> float:
    """Seconds of a duration such as "1m30s"."""
    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)([hms])", interval)) or 60.0


def repository(name: str, url: str) -> Obj:
    """A source."""
    spec = {"url": url, "interval": "1m", "ref": {"branch": "main"}}
    return {"metadata": {"name": name, "namespace": HOME}, "spec": spec}


def kustomization(name: str, source: str, interval: str = "1m") -> Obj:
    """A Kustomization that applies what a source wants."""
    ref = {"kind": "GitRepository", "name": source}
    spec = {"interval": interval, "path": "./deploy", "prune": True, "sourceRef": ref}
    return {"metadata": {"name": name, "namespace": HOME}, "spec": spec}
