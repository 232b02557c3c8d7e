"""Two Deployments that are one workload: two colours behind a Service, and a canary whose share a route tells.

They carry what a board knows them by: annotations, or a Canary above them; nothing here moves by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from app.demo import flagger, settled, shapes
from app.demo.clock import stamp
from app.demo.settled import Workload
from app.demo.store import copy

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
COLOURS = ("blue", "green")
DEPLOYER = "argocd-controller"


class Pair(StrEnum):
    """What two Deployments are."""

    COLOURS = "colours"
    CANARY = "canary"
    FLAGGER = "flagger"  # the target of a Canary, and its primary


def place(cluster: EmbeddedCluster, workload: Workload, pair: Pair) -> None:
    """A settled workload as two Deployments: all of its pods are those of one."""
    name, namespace, labels = workload.name, workload.namespace, workload.labels
    before = workload.past[-1]
    if pair is Pair.COLOURS:
        live, idle = (_part(workload, f"{name}-{one}", color=one) for one in reversed(COLOURS))
        settled.place(cluster, live)
        settled.place(cluster, replace(idle, image=before, past=workload.past[:-1], replicas=0))
        chosen = {"app": name, "color": COLOURS[1]}
        settled.service(cluster, name, namespace, labels, chosen, **{"shipboard/switch": "color"})
        return
    if pair is Pair.FLAGGER:
        _flagged(cluster, workload)
        return
    notes = {"shipboard/canary": f"{name}-canary", "shipboard/canary-route": f"HTTPRoute/{name}"}
    stable = _part(workload, name, track="stable")
    canary = _part(workload, f"{name}-canary", track="canary")
    settled.place(cluster, replace(stable, notes=notes))
    settled.place(cluster, replace(canary, replicas=0, past=()))
    for one in (stable, canary):
        settled.service(cluster, one.name, namespace, labels, one.own)
    backends = [
        {"kind": "Service", "name": one.name, "port": 80, "weight": weight}
        for one, weight in ((stable, 100), (canary, 0))
    ]
    spec = {"hostnames": [f"{name}.example.org"], "rules": [{"backendRefs": backends}]}
    body = {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}
    cluster.registry.create("httproutes", body, manager=DEPLOYER)


def _flagged(cluster: EmbeddedCluster, workload: Workload) -> None:
    """A Canary that promoted its version long ago: the target rests, the primary serves. Its hooks ask who `cluster`
    names; nobody is asked where it names none."""
    name, namespace, labels = workload.name, workload.namespace, workload.labels
    kinds = ("confirm-rollout", "confirm-promotion", "rollback") if cluster.gates else ()
    hooks = [{"name": kind, "type": kind, "url": f"{cluster.gates}/{kind}"} for kind in kinds]
    analysis = {"interval": "10s", "threshold": 5, "maxWeight": 60, "stepWeight": 20, "webhooks": hooks}
    target, primary = (
        _part(workload, name, track="target"),
        _part(workload, f"{name}-primary", track="primary"),
    )
    rests = settled.place(cluster, replace(target, replicas=0, past=()))
    was, since = flagger.version_of(rests.obj), stamp(cluster.clock.now() - workload.settled_for)
    status = {
        "phase": "Succeeded",
        "canaryWeight": 0,
        "failedChecks": 0,
        "iterations": 0,
        "lastAppliedSpec": was,
        "lastPromotedSpec": was,
        "lastTransitionTime": since,
        "conditions": [flagger.promoted("Succeeded", since)],
    }
    spec = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "service": {"port": 80, "targetPort": 8080},
        "progressDeadlineSeconds": 120,
        "analysis": analysis,
    }
    born = stamp(cluster.clock.now() - workload.age)
    meta = {
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "creationTimestamp": born,
        "generation": 1,
    }
    canary = cluster.store.create("canaries", {"metadata": meta, "spec": spec, "status": status})
    serves = copy(settled.place(cluster, primary))
    serves["metadata"]["ownerReferences"] = [shapes.reference(canary.obj, "canaries")]
    cluster.store.put("deployments", serves)
    for called, chosen in (
        (name, primary.own),
        (f"{name}-primary", primary.own),
        (f"{name}-canary", target.own),
    ):
        settled.service(cluster, called, namespace, labels, chosen)


def _part(workload: Workload, name: str, **label: str) -> Workload:
    return replace(workload, name=name, chosen={"app": workload.name, **label})


def colour(service: Obj) -> str:
    """The colour that a Service chooses."""
    return str(service["spec"]["selector"]["color"])


def other(colour: str) -> str:
    """The colour that is not this one."""
    return next(one for one in COLOURS if one != colour)


def live(cluster: EmbeddedCluster, namespace: str, name: str) -> str:
    """The name of the Deployment that a Service's colour leads to."""
    entry = cluster.store.get("services", namespace, name)
    return f"{name}-{colour(entry.obj)}" if entry else ""


def switch(cluster: EmbeddedCluster, namespace: str, name: str, was: str) -> None:
    """Let a Service choose the other colour than `was`."""
    if entry := cluster.store.get("services", namespace, name):
        obj = copy(entry)
        obj["spec"]["selector"]["color"] = other(was)
        cluster.registry.update("services", obj, manager=DEPLOYER)


@dataclass(frozen=True, slots=True)
class Share:
    """The canary's share of a route, whose second backend it is."""

    cluster: EmbeddedCluster
    namespace: str
    name: str

    def now(self) -> int:
        """The weight in percent."""
        entry = self.cluster.store.get("httproutes", self.namespace, self.name)
        return int(entry.obj["spec"]["rules"][0]["backendRefs"][1].get("weight", 1)) if entry else 0

    def set(self, weight: int) -> None:
        """Another weight."""
        entry = self.cluster.store.get("httproutes", self.namespace, self.name)
        if entry and self.now() != weight:
            obj = copy(entry)
            for backend, share in zip(
                obj["spec"]["rules"][0]["backendRefs"], (100 - weight, weight), strict=True
            ):
                backend["weight"] = share
            self.cluster.registry.update("httproutes", obj, manager=DEPLOYER)
