"""A pod's status as a kubelet writes it, in the keys' real order. Objects are changed in place."""

from __future__ import annotations

import random
from typing import Any

from app.demo import shapes

Obj = dict[str, Any]
UNREADY = "containers with unready status: [{}]"


def container_id() -> str:
    return "containerd://" + random.randbytes(32).hex()


def conditions(
    ready: bool,
    since: str,
    *,
    started: str,
    generation: int,
    names: str,
    containers_ready: bool | None = None,
    sandbox: bool = True,
) -> list[Obj]:
    """The five conditions of a scheduled pod. `since`: when readiness last changed; `started`: when it was
    scheduled."""
    contained = ready if containers_ready is None else containers_ready

    def one(kind: str, ok: bool, at: str) -> Obj:
        row: Obj = {
            "type": kind,
            "observedGeneration": generation,
            "status": "True" if ok else "False",
            "lastProbeTime": None,
            "lastTransitionTime": at,
        }
        if not ok and kind in ("Ready", "ContainersReady"):
            row |= {"reason": "ContainersNotReady", "message": UNREADY.format(names)}
        return row

    return [
        one("PodReadyToStartContainers", sandbox, started),
        one("Initialized", True, started),
        one("Ready", ready, since),
        one("ContainersReady", contained, since),
        one("PodScheduled", True, started),
    ]


def container_status(
    spec: Obj,
    state: Obj,
    *,
    ready: bool = False,
    started: bool = False,
    restarts: int = 0,
    last: Obj | None = None,
    container: str = "",
) -> Obj:
    """One containerStatus. Without a container id the image is not there yet (imageID empty, no
    containerID)."""
    row: Obj = {
        "name": spec["name"],
        "state": state,
        "lastState": last or {},
        "ready": ready,
        "restartCount": restarts,
        "image": spec["image"],
        "imageID": shapes.image_id(spec["image"]) if container else "",
    }
    if container:
        row["containerID"] = container
    row["started"] = started
    if container and spec.get("resources"):
        row["resources"] = spec["resources"]
    return row


def settled(obj: Obj, node: str, address: str, host: str, since: str) -> Obj:
    """A pod made running and ready, in place, as of `since`."""
    generation = 1
    names = " ".join(c["name"] for c in obj["spec"]["containers"])
    obj["spec"]["nodeName"] = node
    obj["status"] = {
        "observedGeneration": generation,
        "phase": "Running",
        "conditions": conditions(True, since, started=since, generation=generation, names=names),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": since,
        "containerStatuses": [
            container_status(
                c, {"running": {"startedAt": since}}, ready=True, started=True, container=container_id()
            )
            for c in obj["spec"]["containers"]
        ],
        "qosClass": obj["status"]["qosClass"],
    }
    return obj


def write(
    pod: Obj,
    state: Obj,
    now: str,
    address: str,
    *,
    ready: bool = False,
    restarts: int = 0,
    last: Obj | None = None,
    container: str = "",
    started: bool | None = None,
    sandbox: bool = True,
) -> None:
    """The status of a scheduled pod whose containers are in `state`; `address`: its podIP."""
    status, meta = pod["status"], pod["metadata"]
    generation = meta.get("generation", 1)
    before = {c["type"]: c for c in status.get("conditions") or ()}
    names = " ".join(c["name"] for c in pod["spec"]["containers"])
    rows = conditions(ready, now, started=now, generation=generation, names=names, sandbox=sandbox)
    for row in rows:
        was = before.get(row["type"])
        if was and was["status"] == row["status"]:
            row["lastTransitionTime"] = was["lastTransitionTime"]
    host = status.get("hostIP", "")
    up = bool(container) if started is None else started
    fresh: Obj = {
        "observedGeneration": generation,
        "phase": "Running" if container else "Pending",
        "conditions": rows,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
    }
    if sandbox:
        address = status.get("podIP") or address
        fresh |= {"podIP": address, "podIPs": [{"ip": address}]}
    fresh["startTime"] = status.get("startTime", now)
    fresh["containerStatuses"] = [
        container_status(c, state, ready=ready, started=up, restarts=restarts, last=last, container=container)
        for c in pod["spec"]["containers"]
    ]
    fresh["qosClass"] = status.get("qosClass", "BestEffort")
    pod["status"] = fresh
    if len(meta.get("managedFields") or ()) < 2:
        meta["managedFields"] = shapes.pod_managed_fields(pod, now)


def end(pod: Obj, started: bool, now: str, *, killed: bool = False) -> None:
    """The status of a pod whose containers have stopped; `started`: whether they ever ran, `killed`: by SIGKILL."""
    status, generation = pod["status"], pod["metadata"].get("generation", 2)
    well = started and not killed
    reason = "PodCompleted" if well else "PodFailed"
    for row in status.get("conditions") or ():
        row["observedGeneration"] = generation
        if row["type"] in ("PodReadyToStartContainers", "Ready", "ContainersReady"):
            row["status"], row["lastTransitionTime"] = "False", now
            row.pop("message", None)
        if row["type"] in ("Ready", "ContainersReady") or (row["type"] == "Initialized" and well):
            row["reason"] = reason
    status["observedGeneration"] = generation
    status["phase"] = "Succeeded" if well else "Failed"
    for row in status.get("containerStatuses") or ():
        was = (row.get("state") or {}).get("running") or {}
        if was or row.get("containerID"):
            row["state"] = {
                "terminated": {
                    "exitCode": 137 if killed else 0,
                    "reason": "Error" if killed else "Completed",
                    "startedAt": was.get("startedAt", status.get("startTime")),
                    "finishedAt": now,
                    "containerID": row.get("containerID", ""),
                }
            }
        elif "terminated" not in (row.get("state") or {}):
            row["state"] = {
                "terminated": {
                    "exitCode": 137,
                    "reason": "ContainerStatusUnknown",
                    "startedAt": None,
                    "finishedAt": None,
                    "message": "The container could not be located when the pod was terminated",
                }
            }
        row["ready"], row["started"] = False, False
