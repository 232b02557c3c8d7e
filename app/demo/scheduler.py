"""Where pods go: the node a DaemonSet pins them to, or the next that fits in turn; and why none does.

Looks at node selectors, the metadata.name affinity, cordons and CPU requests against a whole node. Words as
recorded from a real kube-scheduler.
"""

from __future__ import annotations

import itertools
from typing import Any

from app.demo.controllers import Controllers
from app.demo.nodes import NODES
from app.demo.store import Entry, Store

Obj = dict[str, Any]
COMPONENT = "default-scheduler"
_BLIND = " no new claims to deallocate, preemption: {}"
_PRESSURES = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")


def pinned(pod: Obj, node: str) -> Obj:
    """A DaemonSet's pod: for one node only, and tolerant of that node's troubles."""
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
    pod["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    rows = [(why, "NoExecute") for why in ("not-ready", "unreachable")]
    rows += [(why, "NoSchedule") for why in _PRESSURES]
    pod["spec"]["tolerations"] = [
        {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": effect} for why, effect in rows
    ]
    return pod


def node_of(pod: Obj) -> str:
    """The node a pod is on or is pinned to; empty for neither."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def fits(node: Entry, spec: Obj) -> bool:
    """Whether a pod spec's nodeSelector picks a node."""
    labels = node.obj["metadata"].get("labels") or {}
    return bool((spec.get("nodeSelector") or {}).items() <= labels.items())


class Scheduler:
    """Binds pods to nodes."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store: Store = controllers.store
        self._turn = itertools.count()

    def next_node(self) -> tuple[str, str, str]:
        """The next node in turn: name, address, zone."""
        return NODES[next(self._turn) % len(NODES)]

    def bind(self, pod: Obj) -> bool:
        """Give a pod its node and store it, or store why there is none."""
        node, why = self._choose(pod)
        now, meta = self.controllers.clock.stamp(), pod["metadata"]
        row: Obj = {"type": "PodScheduled", "observedGeneration": 1, "status": "True", "lastProbeTime": None}
        row["lastTransitionTime"] = now
        if node is None:
            row |= {"status": "False", "reason": "Unschedulable", "message": why}
            before = pod["status"].get("conditions")
            if not before or before[0].get("message") != why:
                pod["status"]["conditions"] = [row]
                self.store.put("pods", pod)
                self._event(pod, "FailedScheduling", why, warning=True)
            return False
        pod["spec"]["nodeName"] = node.name
        zone = (node.obj["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone")
        if zone:
            meta.setdefault("labels", {})["topology.kubernetes.io/zone"] = zone
        pod["status"]["conditions"] = [row]
        addresses = (node.obj.get("status") or {}).get("addresses") or [{}]
        pod["status"]["hostIP"] = addresses[0].get("address", "")
        self.store.put("pods", pod)
        where = f"{meta['namespace']}/{meta['name']}"
        self._event(pod, "Scheduled", f"Successfully assigned {where} to {node.name}")
        return True

    def _choose(self, pod: Obj) -> tuple[Entry | None, str]:
        nodes, pin = self.store.rows("nodes"), node_of(pod)
        reasons = {node.name: self._against(node, pod, pin) for node in nodes}
        good = [node for node in nodes if not reasons[node.name]]
        if good:
            return good[next(self._turn) % len(good)], ""
        found = list(reasons.values())
        told = ", ".join(f"{found.count(why)} {why}" for why in sorted(set(found)))
        head = f"0/{len(nodes)} nodes are available: "
        tail = f"{head}{len(nodes)} Preemption is not helpful for scheduling."
        return None, f"{head}{told or 'no nodes'}.{_BLIND.format(tail)}"

    def _against(self, node: Entry, pod: Obj, pin: str) -> str:
        if (pin and node.name != pin) or not fits(node, pod["spec"]):
            return "node(s) didn't match Pod's node affinity/selector"
        if (node.obj.get("spec") or {}).get("unschedulable") and not pin:
            return "node(s) were unschedulable"
        room = (node.obj.get("status") or {}).get("allocatable") or {}
        asked = sum(
            _cores(((c.get("resources") or {}).get("requests") or {}).get("cpu"))
            for c in pod["spec"]["containers"]
        )
        if asked > _cores(room.get("cpu", "64")) or self.controllers.behaviour(pod) == "unschedulable":
            return "Insufficient cpu"
        return ""

    def _event(self, pod: Obj, reason: str, message: str, *, warning: bool = False) -> None:
        self.controllers.recorder.record("pods", pod, reason, message, component=COMPONENT, warning=warning)


def _cores(text: Any) -> float:
    """A CPU quantity: `250m` or `2`."""
    shown = str(text or 0)
    return float(shown[:-1]) / 1000 if shown.endswith("m") else float(shown)
