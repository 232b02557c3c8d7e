"""Workloads of the fleet that a GitOps controller keeps: their repository, and the object that says what is applied."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from app.demo import argocd, flux
from app.demo.ci_payloads import OWNER, commit_of
from app.demo.git import Manifest
from app.demo.settled import Workload
from app.demo.store import decode, encode

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
HOMES = (argocd.HOME, flux.HOME)
CAUSE = "kubernetes.io/change-cause"


class Keeper(StrEnum):
    """Who applies a workload from Git."""

    ARGOCD = "argocd"
    FLUX = "flux"


def marked(workload: Workload, keeper: Keeper) -> Workload:
    """The workload with what its keeper leaves on it."""
    if keeper is Keeper.ARGOCD:
        id_ = f"{workload.name}:apps/Deployment:{workload.namespace}/{workload.name}"
        return replace(workload, notes={**workload.notes, argocd.TRACKED_BY: id_})
    own = {f"{flux.LABEL}/name": workload.name, f"{flux.LABEL}/namespace": flux.HOME}
    return replace(workload, labels={**workload.labels, **own, "app.kubernetes.io/managed-by": "flux"})


def place(cluster: EmbeddedCluster, workload: Workload, keeper: Keeper) -> None:
    """The history of the repository of a settled workload, and its Application or Kustomization."""
    name, now, url = workload.name, cluster.clock.now(), _url(workload.name)
    images = tuple(dict.fromkeys((*workload.past, workload.image)))
    for image in images:
        push(cluster, name, workload.namespace, image)
    if keeper is Keeper.FLUX:
        cluster.registry.create("gitrepositories", flux.repository(name, url), manager="flux")
        cluster.registry.create("kustomizations", flux.kustomization(name, name), manager="flux")
        return
    source = argocd.application(name, workload.namespace, url)["spec"]["source"]
    history = tuple(
        argocd.entry_of(
            number, _sha(image), source, workload.written(number, len(images), now), {"automated": True}
        )
        for number, image in enumerate(images, start=1)
    )
    body = argocd.application(name, workload.namespace, url, history=history, enabled=True, selfHeal=True)
    cluster.registry.create("applications", body, manager="argocd-server")


def push(cluster: EmbeddedCluster, name: str, namespace: str, image: str) -> None:
    """A commit that wants this image, and the rest as the workload has it now."""
    entry = cluster.store.get("deployments", namespace, name)
    if entry is None:
        return
    obj: Obj = decode(encode(entry.obj))
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
    notes = obj["metadata"].get("annotations") or {}
    own = {argocd.TRACKED_BY: notes[argocd.TRACKED_BY]} if argocd.TRACKED_BY in notes else {}
    cause = {CAUSE: f"release {image.rpartition(':')[2]}"}
    meta = {"labels": obj["metadata"]["labels"], "annotations": {**own, **cause}}
    wanted = {
        "metadata": meta,
        "spec": {key: obj["spec"][key] for key in ("replicas", "template", "strategy")},
    }
    cluster.git.push(_url(name), _sha(image), Manifest("deployments", namespace, name, wanted))


def wanted(cluster: EmbeddedCluster, name: str, namespace: str) -> str:
    """The image that the newest commit wants."""
    for one in cluster.git.at(_url(name), cluster.git.head(_url(name))) or ():
        if (one.namespace, one.name) == (namespace, name):
            return str(one.wanted["spec"]["template"]["spec"]["containers"][0]["image"])
    return ""


def _url(name: str) -> str:
    return f"https://github.com/{OWNER}/{name}"


def _sha(image: str) -> str:
    repository, _, version = image.rpartition(":")
    return commit_of(repository.rpartition("/")[2], version)
