"""One pod's life under the hollow kubelet: what it writes, in which order and words, as on recordings of a real one."""

import asyncio
import hashlib
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp

from tests.cluster.api import JSON, MERGE, Api, Obj

BACK_OFF = (10, 20, 40, 80, 160, 300)
SCALE = 0.1
"""A second of back-off or of a default takes this long."""


class Over(Exception):
    """The pod is gone, or another one has its name."""


class Life:
    """One pod's life: steps that write, and yield the seconds until the next."""

    def __init__(
        self, api: Api, pod: Obj, events: dict[tuple[str, str, str], tuple[str, int]], address: str
    ) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        self._api, self._events, self._address = api, events, address
        self._meta, self._spec, self._status = meta, spec, pod.get("status") or {}
        self._path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._container = spec["containers"][0]
        self._image = self._container["image"]
        notes = meta.get("annotations") or {}
        self._fail = notes.get("hollow/fail") or ("image-pull" if self._image.endswith(":bad") else "")
        self._ready_after = float(notes.get("hollow/ready-after", "0.3"))
        self._crash_after = float(notes.get("hollow/crash-after", "0.5"))
        self._exceeds = notes.get("hollow/exceed-grace") == "true"
        self._started_at = self._status.get("startTime") or stamp()
        self._id = ""
        self._restarts, self._last = 0, Obj()

    async def live(self) -> AsyncIterator[float]:
        """From the first look of its kubelet on."""
        self._id = self._row().get("containerID", "")
        running = self._row().get("state", {}).get("running")
        if running and self._row().get("ready") and not self._fail:
            await self._write(self._row()["state"], ready=True, started=True)
            return
        await self._write({"waiting": {"reason": "ContainerCreating"}}, sandbox=False)
        yield 0.1
        if self._fail == "image-pull":
            async for seconds in self._cannot_pull():
                yield seconds
        while True:
            await self._event("Pulled", f'Container image "{self._image}" already present on machine')
            await self._event("Created", "Container created")
            await self._event("Started", "Container started")
            self._id, began = f"containerd://{random.randbytes(32).hex()}", stamp()
            running = {"running": {"startedAt": began}}
            probed = "readinessProbe" in self._container
            at_once = not probed and self._fail != "never-ready"
            await self._write(running, ready=at_once, started=True)
            while self._fail == "never-ready":
                text = "Readiness probe failed: HTTP probe failed with statuscode: 503"
                await self._event("Unhealthy", text, warning=True)
                yield 10 * SCALE
            if not at_once and self._fail != "crash":
                yield self._ready_after
                await self._write(running, ready=True, started=True)
            if self._fail not in ("crash", "oom"):
                return
            yield self._crash_after
            killed = self._fail == "oom"
            ended = {"terminated": {"exitCode": 137 if killed else 1, "reason": "OOMKilled" if killed else "Error",
                                    "startedAt": began, "finishedAt": stamp(), "containerID": self._id}}  # fmt: skip
            await self._write(ended)
            yield 0.05
            self._last = ended
            if self._restarts:
                seconds = BACK_OFF[min(self._restarts - 1, len(BACK_OFF) - 1)]
                name, pod = self._container["name"], self._meta["name"]
                which = f"{pod}_{self._meta['namespace']}({self._meta['uid']})"
                await self._event(
                    "BackOff", f"Back-off restarting failed container {name} in pod {which}", warning=True
                )
                text = f"back-off {duration(seconds)} restarting failed container={name} pod={which}"
                await self._write({"waiting": {"reason": "CrashLoopBackOff", "message": text}})
                yield seconds * SCALE
            self._restarts += 1

    async def _cannot_pull(self) -> AsyncIterator[float]:
        full = self._image if "/" in self._image else f"docker.io/library/{self._image}"
        why = (f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": failed to resolve '
               f'reference "{full}": {full}: not found')  # fmt: skip
        for seconds in itertools.chain(BACK_OFF, itertools.repeat(BACK_OFF[-1])):
            await self._event("Pulling", f'Pulling image "{self._image}"')
            await self._event("Failed", f'Failed to pull image "{self._image}": {why}', warning=True)
            await self._event("Failed", "Error: ErrImagePull", warning=True)
            await self._write({"waiting": {"reason": "ErrImagePull", "message": why}})
            yield 0.1
            text = f'Back-off pulling image "{self._image}"'
            await self._event("BackOff", text)
            await self._event("Failed", "Error: ImagePullBackOff", warning=True)
            await self._write(
                {"waiting": {"reason": "ImagePullBackOff", "message": f"{text}: ErrImagePull: {why}"}}
            )
            yield seconds * SCALE

    async def end(self) -> AsyncIterator[float]:
        """Killing, the last status, and the DELETE that takes the object away."""
        row, grace = self._row(), float(self._meta.get("deletionGracePeriodSeconds") or 0)
        running = row.get("state", {}).get("running")
        if running:
            await self._event("Killing", f"Stopping container {self._container['name']}")
        yield grace if self._exceeds and running else min(grace, random.uniform(0.05, 0.15))
        failed = self._exceeds or not running
        self._id = row.get("containerID", "")
        if running:
            last = {"exitCode": 137 if failed else 0, "reason": "Error" if failed else "Completed",
                    "startedAt": running["startedAt"], "finishedAt": stamp(), "containerID": self._id}  # fmt: skip
        else:
            last = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None,
                    "message": "The container could not be located when the pod was terminated"}  # fmt: skip
        why = "PodFailed" if failed else "PodCompleted"
        await self._write(
            {"terminated": last}, phase="Failed" if failed else "Succeeded", why=why, sandbox=False
        )
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                "preconditions": {"uid": self._meta["uid"]}}  # fmt: skip
        await self._ask("DELETE", self._path, body)

    # -- writing

    def _row(self) -> Obj:
        return next(iter(self._status.get("containerStatuses") or ()), {})

    async def _write(
        self, state: Obj, *, ready: bool = False, started: bool = False, sandbox: bool = True,
        phase: str = "", why: str = "ContainersNotReady",
    ) -> None:  # fmt: skip
        generation = self._meta.get("generation", 1)
        names, host = " ".join(c["name"] for c in self._spec["containers"]), host_of(self._spec["nodeName"])
        before = {c["type"]: c for c in self._status.get("conditions") or ()}

        def condition(kind: str, holds: bool) -> Obj:
            status, was = "True" if holds else "False", before.get(kind, {})
            since = was["lastTransitionTime"] if was.get("status") == status else stamp()
            row: Obj = {"type": kind, "observedGeneration": generation, "status": status, "lastProbeTime": None,
                        "lastTransitionTime": since}  # fmt: skip
            if not holds and kind in ("Ready", "ContainersReady"):
                row["reason"] = why
                if not phase:
                    row["message"] = f"containers with unready status: [{names}]"
            return row

        rows = [
            condition("PodReadyToStartContainers", sandbox),
            condition("Initialized", True),
            condition("Ready", ready),
            condition("ContainersReady", ready),
            condition("PodScheduled", True),
        ]
        status: Obj = {
            "observedGeneration": generation, "phase": phase or ("Running" if self._id else "Pending"),
            "conditions": rows, "startTime": self._started_at, "hostIP": host, "hostIPs": [{"ip": host}],
        }  # fmt: skip
        if sandbox:
            address = self._status.get("podIP") or self._address
            status |= {"podIP": address, "podIPs": [{"ip": address}]}
        image = hashlib.sha256(self._image.encode()).hexdigest()
        status["containerStatuses"] = [
            {"name": c["name"], "state": state, "lastState": self._last, "ready": ready, "started": started,
             "restartCount": self._restarts, "image": c["image"],
             "imageID": f"{c['image'].rpartition(':')[0]}@sha256:{image}" if self._id else "",
             **({"containerID": self._id} if self._id else {})}
            for c in self._spec["containers"]
        ]  # fmt: skip
        body = {"metadata": {"uid": self._meta["uid"]}, "status": status}
        await self._ask("PATCH", f"{self._path}/status", body, type=MERGE)
        self._status = status

    async def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        path, now = f"/api/v1/namespaces/{self._meta['namespace']}/events", stamp()
        key = (self._meta["uid"], reason, message)
        name, count = self._events.get(key, ("", 0))
        self._events[key] = (name or f"{self._meta['name']}.{random.randbytes(8).hex()}", count + 1)
        if count:
            body: Obj = {"count": count + 1, "lastTimestamp": now}
            with suppress(Over):
                await self._ask("PATCH", f"{path}/{name}", body, type=MERGE)
            return
        node = self._spec["nodeName"]
        about = {"kind": "Pod", "apiVersion": "v1", "namespace": self._meta["namespace"], "name": self._meta["name"],
                 "uid": self._meta["uid"], "fieldPath": f"spec.containers{{{self._container['name']}}}"}  # fmt: skip
        body = {
            "metadata": {"name": self._events[key][0], "namespace": self._meta["namespace"]}, "involvedObject": about,
            "reason": reason, "message": message, "type": "Warning" if warning else "Normal", "count": 1,
            "firstTimestamp": now, "lastTimestamp": now, "source": {"component": "kubelet", "host": node},
            "reportingComponent": "kubelet", "reportingInstance": node,
        }  # fmt: skip
        with suppress(Over):
            await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: Obj, type: str = JSON) -> None:  # noqa: A002
        """A write that is tried until the server takes or refuses it. Raises Over when it is refused."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                answer = await self._api.ask(method, path, body, type=type)
                if answer.status < 400:
                    return
                if answer.status < 500 and answer.status != 429:
                    raise Over
            await asyncio.sleep(0.2)


def doubted(pod: Obj) -> bool:
    """Whether the pod's containers are ready and the pod is not: so it is left by a node that was given up for lost."""
    status = pod.get("status") or {}
    ready = any(row["type"] == "Ready" and row["status"] == "True" for row in status.get("conditions") or ())
    rows = status.get("containerStatuses") or ()
    return bool(rows) and all(row["ready"] for row in rows) and not ready


def host_of(node: str) -> str:
    """The address of a node."""
    return f"192.0.2.{9 + int(node.rpartition('-')[2])}"


def stamp() -> str:
    """Now, as Kubernetes writes instants."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: int) -> str:
    """Seconds as Go writes a duration."""
    return f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"
