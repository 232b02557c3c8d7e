"""The DaemonSet controller: one pod a node, replaced within maxUnavailable or surged within maxSurge.

Source: k8s pkg/controller/daemon (daemon_controller, update). Status counts the oldest pod of a node and
there is no deadline, so a surge that is stuck looks healthy but for updatedNumberScheduled, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.demo import scheduler
from app.demo.controllers import Controllers
from app.demo.pod_controller import PodController, ending, over, ready_since
from app.demo.registry import TEMPLATE_GENERATION
from app.demo.resources import Resource
from app.demo.revision_sets import share
from app.demo.revisions import HASH, Revisions, hash_of
from app.demo.store import Change, Entry
from app.demo.tables import suffix

Obj = dict[str, Any]


class DaemonSets(PodController):
    """One instance serves every DaemonSet."""

    plural = "daemonsets"

    def __init__(self, controllers: Controllers) -> None:
        super().__init__(controllers)
        self.revisions = Revisions(controllers, self.resource)
        controllers.listen(self._changed)

    def _changed(self, resource: Resource, change: Change) -> None:
        if resource.plural == "nodes":
            for entry in self.store.rows("daemonsets"):
                self.controllers.enqueue("daemonsets", entry.namespace, entry.name)

    def reconcile(self, namespace: str, name: str) -> None:
        entry = self.store.get("daemonsets", namespace, name)
        if entry is None or ending(entry):
            return
        _Pass(self, entry).run()
        self.write_status(entry, _Pass(self, entry).counts())

    def draft_for(self, entry: Entry, node: str, hashed: str) -> Obj:
        """A pod bound to a node by affinity, the way the scheduler wants to be told."""
        labels = {HASH: hashed, "pod-template-generation": generation_of(entry.obj)}
        pod = self.draft(entry, entry.obj["spec"]["template"], f"{entry.name}-{suffix()}", labels)
        return scheduler.pinned(pod, node)


@dataclass(slots=True)
class _Here:
    """The pods of one node that count: not those that are over and on their way out, oldest first."""

    wanted: bool
    pods: list[Entry]
    new: list[Entry]
    old: list[Entry]


class _Pass:
    """One look at one DaemonSet."""

    def __init__(self, controller: DaemonSets, entry: Entry) -> None:
        self.controller = controller
        self.entry = entry
        self.spec = entry.obj["spec"]
        self.revision = controller.revisions.update(entry)
        self.hash = hash_of(self.revision)
        counted = [p for p in controller.own(entry) if not (ending(p) and over(p))]
        self.pods = sorted(counted, key=lambda p: (p.obj["metadata"]["creationTimestamp"], p.version))
        self.available = {p.uid for p in controller.available(entry, self.pods)}
        nodes = {node.name: scheduler.fits(node, self.spec["template"]["spec"]) for node in self._nodes()}
        self.here = {name: self._look(name, wanted) for name, wanted in nodes.items()}
        self.strays = [p for p in self.pods if scheduler.node_of(p.obj) not in self.here]
        desired = sum(here.wanted for here in self.here.values())
        rolling = self.spec["updateStrategy"].get("rollingUpdate") or {}
        self.surge = share(rolling.get("maxSurge"), desired, up=True)
        self.gone = share(rolling.get("maxUnavailable", 1), desired, up=True)

    def _nodes(self) -> list[Entry]:
        return self.controller.store.rows("nodes")

    def _look(self, node: str, wanted: bool) -> _Here:
        pods = [p for p in self.pods if scheduler.node_of(p.obj) == node]
        living = [p for p in pods if not ending(p)]
        new = [p for p in living if self._updated(p)]
        return _Here(wanted, pods, new, [p for p in living if p not in new])

    def run(self) -> None:
        doomed, places = self._manage()
        if self.spec["updateStrategy"]["type"] == "RollingUpdate" and not doomed and not places:
            doomed, places = self._surge() if self.surge else self._replace()
        for pod in {p.uid: p for p in doomed}.values():
            self.controller.end(self.entry, pod)
        for node in places:
            if self.controller.make(self.entry, self.controller.draft_for(self.entry, node, self.hash)):
                break
        live = {f"{self.entry.name}-{p.obj['metadata']['labels'].get(HASH, '')}" for p in self.pods}
        self.controller.revisions.prune(self.entry, {self.revision.name, *live})

    def counts(self) -> Obj:
        """The status of what is there now."""
        wanted = [here for here in self.here.values() if here.wanted]
        oldest = [here.pods[0] for here in wanted if here.pods]
        astray = sum(bool(here.pods) for here in self.here.values() if not here.wanted)
        available = sum(p.uid in self.available for p in oldest)
        status: Obj = {
            "currentNumberScheduled": len(oldest),
            "numberMisscheduled": astray,
            "desiredNumberScheduled": len(wanted),
            "numberReady": sum(ready_since(p.obj) is not None for p in oldest),
            "observedGeneration": self.entry.obj["metadata"]["generation"],
        }
        for key, value in (
            ("updatedNumberScheduled", sum(self._updated(p) for p in oldest)),
            ("numberAvailable", available),
            ("numberUnavailable", len(wanted) - available),
        ):
            if value:
                status[key] = value
        return status

    def _manage(self) -> tuple[list[Entry], list[str]]:
        """What has to go and where a pod is missing, updates apart."""
        doomed, places = [p for p in self.strays if not ending(p)], []
        for node, here in self.here.items():
            living = [*here.new, *here.old]
            failed = [p for p in living if over(p)]
            if not here.wanted:
                doomed += living
            elif not here.pods:
                places.append(node)
            elif failed:
                doomed += failed
            elif not self.surge:
                doomed += sorted(living, key=self.pods.index)[1:]
            else:
                doomed += [*here.new[1:], *here.old[1:]]
                if here.new and here.old and self._replaced(here):
                    doomed.append(here.old[0])
        return doomed, places

    def _replaced(self, here: _Here) -> bool:
        """Whether a surge has done its work on a node: the new pod is available or the old one broken."""
        return ready_since(here.old[0].obj) is None or here.new[0].uid in self.available

    def _replace(self) -> tuple[list[Entry], list[str]]:
        """Old pods to delete: all that are not available, and as many others as may be."""
        broken: list[Entry] = []
        candidates: list[Entry] = []
        unavailable = 0
        for here in self.here.values():
            if not here.wanted:
                continue
            if here.old and not here.new:
                (candidates if here.old[0].uid in self.available else broken).append(here.old[0])
            elif not here.new or here.new[0].uid not in self.available:
                unavailable += 1
        return [*broken, *candidates[: max(0, self.gone - unavailable)]], []

    def _surge(self) -> tuple[list[Entry], list[str]]:
        """Nodes to put a second, new pod on."""
        broken: list[str] = []
        candidates: list[str] = []
        surged = 0
        for node, here in self.here.items():
            if not here.wanted or not here.old:
                continue
            if here.new:
                surged += here.new[0].uid not in self.available
            else:
                (candidates if here.old[0].uid in self.available else broken).append(node)
        return [], [*broken, *candidates[: max(0, self.surge - surged)]]

    def _updated(self, pod: Entry) -> bool:
        labels = pod.obj["metadata"].get("labels") or {}
        return labels.get(HASH) == self.hash or (
            labels.get("pod-template-generation") == generation_of(self.entry.obj)
        )


def generation_of(obj: Obj) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1"))
