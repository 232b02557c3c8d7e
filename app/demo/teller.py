"""One workload with the moves that a story makes with it, and what a story looks for.

Every move is written as a GitOps controller would write it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from app.demo.errors import ApiError
from app.demo.store import Entry, copy, decode, encode

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
LOOK = 0.02
"""Least seconds of the machine's time between two looks, however fast the cluster's runs."""
DEPLOYER = "argocd-controller"


class GoneError(Exception):
    """The workload of a story was deleted."""


def older(version: str, back: int) -> str:
    """A version `back` steps before another."""
    major, minor, patch = (int(part) for part in version.split("."))
    return f"{major}.{max(0, minor - back)}.{patch if minor - back >= 0 else 0}"


def newer(version: str) -> str:
    """The next version: a patch, now and then a minor."""
    major, minor, patch = (int(part) for part in version.split("."))
    return f"{major}.{minor + 1}.0" if patch >= 4 else f"{major}.{minor}.{patch + 1}"


def ahead(version: str) -> str:
    """The next minor version."""
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


class Teller:
    """One workload with the moves a story needs."""

    def __init__(
        self, cluster: EmbeddedCluster, name: str, namespace: str, kind: str, *, delay: float
    ) -> None:
        """`kind`: the plural of the workload's resource. `delay`: seconds before the story begins."""
        self.cluster = cluster
        self.name = name
        self.namespace = namespace
        self.kind = kind
        self.delay = delay

    def look(self) -> Obj:
        """The object as it is. Raises GoneError."""
        entry = self.cluster.store.get(self.kind, self.namespace, self.name)
        if entry is None:
            raise GoneError(self.name)
        return entry.obj

    async def sleep(self, seconds: float) -> None:
        clock = self.cluster.clock
        end = clock.now() + seconds
        while (left := end - clock.now()) > 0:  # noqa: ASYNC110  (the clock may change its pace meanwhile)
            await asyncio.sleep(min(clock.real(left), 0.2))

    async def until(self, test: Callable[[Obj], bool], limit: float) -> bool:
        """Wait for the object to pass a test; False when `limit` seconds went by."""
        end = self.cluster.clock.now() + limit
        while not test(self.look()):
            if self.cluster.clock.now() > end:
                return False
            await self.sleep(max(0.5, LOOK * self.cluster.clock.scale))
        return True

    def beside(self, name: str) -> Teller:
        """The teller of a Deployment next to it."""
        return Teller(self.cluster, name, self.namespace, "deployments", delay=0.0)

    def phase_of_canary(self) -> str:
        """The phase of the Canary of the same name. Raises GoneError."""
        entry = self.cluster.store.get("canaries", self.namespace, self.name)
        if entry is None:
            raise GoneError(self.name)
        return str((entry.obj.get("status") or {}).get("phase", ""))

    def image(self) -> str:
        image: str = self.look()["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    def next_image(self) -> str:
        repository, _, version = self.image().rpartition(":")
        try:
            return self._unspoilt(f"{repository}:{newer(version)}")
        except ValueError:  # a viewer set an image of their own
            return f"{repository}:1.0.0"

    def ship(self, image: str, **spec: Any) -> None:
        """Set the image (and other fields of spec), with a change-cause, as a GitOps controller would."""
        obj = self._copy()
        obj["spec"] |= spec
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
        cause = f"release {image.rpartition(':')[2]}"
        obj["metadata"].setdefault("annotations", {})["kubernetes.io/change-cause"] = cause
        self._update(obj)

    def scale(self, replicas: int) -> None:
        obj = self._copy()
        obj["spec"]["replicas"] = replicas
        self._update(obj)

    def spoil(self, behaviour: str) -> tuple[Obj, str]:
        """Ship a new version that misbehaves here, never the same twice; returns the good template and the bad
        image. Before production it is a release that production has yet to see."""
        good, bad = copy_of(self.look()["spec"]["template"]), self.next_image()
        if self.namespace != "production":
            repository, _, version = bad.rpartition(":")
            bad = self._unspoilt(f"{repository}:{ahead(version)}")
        self.cluster.behaviours[f"{self.namespace}/{bad}"] = behaviour
        self.ship(bad, template=_spoilt(copy_of(good), behaviour, self.name))
        return good, bad

    def mend(self, good: Obj) -> None:
        """Ship a good template again, as the version after the present one."""
        self.ship(self.next_image(), template=copy_of(good))

    def _unspoilt(self, image: str) -> str:
        """This image or the next one that has never misbehaved here."""
        while f"{self.namespace}/{image}" in self.cluster.behaviours:
            repository, _, version = image.rpartition(":")
            image = f"{repository}:{newer(version)}"
        return image

    def has(self, pods: Callable[[Obj], bool]) -> bool:
        """Whether any of the workload's pods passes a test."""
        return any(pods(entry.obj) for entry in self._pods())

    def delete(self, pods: Callable[[Obj], bool]) -> None:
        """Delete the workload's pods that pass a test, as a person with kubectl does."""
        for entry in list(self._pods()):
            if pods(entry.obj):
                self.cluster.registry.delete("pods", entry.namespace, entry.name)

    def _pods(self) -> Iterable[Entry]:
        return self.cluster.store.children(self.look()["metadata"]["uid"], "pods")

    def promote(self) -> None:
        obj = self._copy()
        obj["status"].pop("pauseConditions", None)
        self._update(obj, status=True)

    def open_partition(self) -> None:
        """Let a StatefulSet's update go on to every pod."""
        obj = self._copy()
        obj["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0
        self._update(obj)

    def _copy(self) -> Obj:
        self.look()
        entry = self.cluster.store.get(self.kind, self.namespace, self.name)
        assert entry is not None
        obj = copy(entry)
        del obj["metadata"]["resourceVersion"]
        return obj

    def _update(self, obj: Obj, *, status: bool = False) -> None:
        try:
            self.cluster.registry.update(self.kind, obj, manager=DEPLOYER, status=status)
        except ApiError as error:
            raise GoneError(str(error)) from error


def _spoilt(template: Obj, behaviour: str, name: str) -> Obj:
    """A pod template with what makes it misbehave, where that shows in the template."""
    spec = template["spec"]
    match behaviour:
        case "limits":
            spec["containers"][0].setdefault("resources", {})["limits"] = {"memory": "2Gi"}
        case "account":
            spec["serviceAccountName"] = name
        case "policy":
            spec["volumes"] = [{"name": "varlog", "hostPath": {"path": "/var/log", "type": ""}}]
        case "no-node":
            spec["nodeSelector"] = {"accelerator": "gpu"}
    return template


def broken(pod: Obj) -> bool:
    """Whether a container of a pod has crashed and does not run."""
    rows = (pod.get("status") or {}).get("containerStatuses") or ()
    return any("running" not in row["state"] and row.get("lastState") for row in rows)


def copy_of(value: Any) -> Any:
    """A deep copy of plain objects."""
    return decode(encode(value))


def complete(obj: Obj) -> bool:
    """A Deployment, StatefulSet or DaemonSet whose update has reached every pod."""
    status = obj.get("status") or {}
    if "desiredNumberScheduled" in status:
        keys = ["desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"]
        wanted = status["desiredNumberScheduled"]
    else:
        keys = ["replicas", "updatedReplicas", "availableReplicas"]
        wanted = obj["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
    return bool(seen and all(status.get(key, 0) == wanted for key in keys))


def observed(obj: Obj) -> bool:
    return bool((obj.get("status") or {}).get("observedGeneration") == str(obj["metadata"]["generation"]))


def healthy(obj: Obj) -> bool:
    return observed(obj) and obj["status"].get("phase") == "Healthy"


def waiting(obj: Obj) -> bool:
    return observed(obj) and bool(obj["status"].get("pauseConditions"))
