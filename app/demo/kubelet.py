"""A hollow kubelet: scheduled pods start, become ready, fail as told, and end with grace.

A pod's life is a generator that writes a status and yields the seconds until its next one. How a container
behaves is told by `Controllers.behaviour`; the annotations `hollow/ready-after` and `hollow/crash-after` say
after how many seconds, `hollow/exceed-grace` that it does not stop in time ("killed") or only just after it
("late"). Words and order as recorded from a real kubelet's writer.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.demo import pod_status
from app.demo.controllers import Controllers, annotation
from app.demo.resources import Resource
from app.demo.scheduler import Scheduler
from app.demo.store import DELETED, Change, copy

Obj = dict[str, Any]
TERMINATION = 0.6
RETRY = 15.0
LATE = 2.0
"""Seconds by which a kubelet prolongs the grace period for a slow preStop hook, once."""
PROBE = "Readiness probe failed: "


@dataclass(frozen=True)
class Pace:
    """How fast containers live, in seconds: how long they take to start (from, to), the waits between restarts, how
    long after its start (or its readiness) one crashes or runs out of memory, and by which part of itself such a
    time may differ."""

    start: tuple[float, float] = (0.2, 0.5)
    back_off: tuple[float, ...] = (10, 20, 40, 80, 160, 300)
    crash: float = 3.0
    oom: float = 3.0
    jitter: float = 0.1


class Kubelet:
    """Brings pods to life. One for all nodes."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.scheduler = Scheduler(controllers)
        self.store = controllers.store
        self.clock = controllers.clock
        self.pace = Pace()
        self._lives: dict[str, tuple[str, asyncio.TimerHandle]] = {}
        self._addresses = itertools.count(2)
        controllers.add("pods", self.reconcile)
        controllers.listen(self._changed)

    def address(self) -> str:
        number = next(self._addresses)
        return f"10.{244 + (number >> 16) % 8}.{(number >> 8) % 256}.{number % 256}"

    def _changed(self, resource: Resource, change: Change) -> None:
        if resource.plural == "pods" and change.type == DELETED:
            life = self._lives.pop(change.entry.uid, None)
            if life:
                life[1].cancel()

    def reconcile(self, namespace: str, name: str) -> None:
        """Start a pod's life, or its end once it is being deleted; a settled pod is left alone."""
        entry = self.store.get("pods", namespace, name)
        if entry is None:
            return
        ending = "deletionTimestamp" in entry.obj["metadata"]
        known = self._lives.get(entry.uid)
        stage = "end" if ending else "life"
        if known and known[0] == stage:
            return
        if known:
            known[1].cancel()
        elif not ending and "podIP" in (entry.obj.get("status") or {}) and not self._failing(entry.obj):
            return
        life = self._end(namespace, name, entry.uid) if ending else self._life(namespace, name, entry.uid)
        self._step(entry.uid, stage, life)

    def _step(self, uid: str, stage: str, life: Iterator[float]) -> None:
        try:
            delay = next(life)
        except StopIteration:
            if stage == "life":  # remembered, so that later changes of a settled pod do not start it over
                self._lives[uid] = (stage, asyncio.get_running_loop().call_later(0, lambda: None))
            return
        handle = asyncio.get_running_loop().call_later(self.clock.real(delay), self._step, uid, stage, life)
        self._lives[uid] = (stage, handle)

    # -- a life ----------------------------------------------------------------------------------------------
    def _life(self, namespace: str, name: str, uid: str) -> Iterator[float]:
        pod = self._pod(namespace, name, uid)
        if pod is None:
            return
        if not pod["spec"].get("nodeName"):
            yield 0.01
            if (pod := self._pod(namespace, name, uid)) is None:
                return
            while not self.scheduler.bind(pod):
                yield RETRY
                if (pod := self._pod(namespace, name, uid)) is None:
                    return
            yield 0.03
        if (pod := self._pod(namespace, name, uid)) is None:
            return
        pod["status"]["startTime"] = self.clock.stamp()
        self._write(pod, {"waiting": {"reason": "ContainerCreating"}}, sandbox=False)
        yield random.uniform(*self.pace.start)
        behaviour = self.controllers.behaviour(pod)
        if behaviour == "image-pull":
            yield from self._image_pull(namespace, name, uid)
            return
        yield from self._run(namespace, name, uid, behaviour)

    def _image_pull(self, namespace: str, name: str, uid: str) -> Iterator[float]:
        back_off = self.pace.back_off
        for delay in itertools.chain(back_off, itertools.repeat(back_off[-1])):
            pod = self._pod(namespace, name, uid)
            if pod is None:
                return
            image = pod["spec"]["containers"][0]["image"]
            full = image if "/" in image else f"docker.io/library/{image}"
            why = (
                f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": failed '
                f'to resolve reference "{full}": {full}: not found'
            )
            self._event(pod, "Pulling", f'Pulling image "{image}"')
            self._event(pod, "Failed", f'Failed to pull image "{image}": {why}', warning=True)
            self._event(pod, "Failed", "Error: ErrImagePull", warning=True)
            self._write(pod, {"waiting": {"reason": "ErrImagePull", "message": why}})
            yield 1.0
            if (pod := self._pod(namespace, name, uid)) is None:
                return
            self._event(pod, "BackOff", f'Back-off pulling image "{image}"')
            self._event(pod, "Failed", "Error: ImagePullBackOff", warning=True)
            text = f'Back-off pulling image "{image}": ErrImagePull: {why}'
            self._write(pod, {"waiting": {"reason": "ImagePullBackOff", "message": text}})
            yield delay

    def _run(self, namespace: str, name: str, uid: str, behaviour: str) -> Iterator[float]:
        """Run the container, again and again if it ends; without trouble there is one pass."""
        last: Obj = {}
        for restarts in itertools.count():
            pod = self._pod(namespace, name, uid)
            if pod is None:
                return
            container, started, spec = (
                pod_status.container_id(),
                self.clock.stamp(),
                pod["spec"]["containers"][0],
            )
            self._event(pod, "Pulled", f'Container image "{spec["image"]}" already present on machine')
            self._event(pod, "Created", "Container created")
            self._event(pod, "Started", "Container started")
            running = {"running": {"startedAt": started}}
            probed = "readinessProbe" in spec
            instant = not probed and behaviour != "never-ready"
            self._write(pod, running, ready=instant, restarts=restarts, last=last, container=container)
            waits = float(annotation(pod, "hollow/ready-after", "2"))
            usual = self.pace.oom if behaviour == "oom" else self.pace.crash
            dies_after = float(annotation(pod, "hollow/crash-after", str(usual)))
            if behaviour == "never-ready":
                yield from self._never_ready(namespace, name, uid)
                return
            if not instant and behaviour != "crash":
                if waits >= spec["readinessProbe"].get("periodSeconds", 10):
                    self._event(pod, "Unhealthy", _refused(pod, spec["readinessProbe"]), warning=True)
                yield waits * self._about()
                if (pod := self._pod(namespace, name, uid)) is None:
                    return
                self._write(pod, running, ready=True, restarts=restarts, last=last, container=container)
            if behaviour not in ("crash", "oom"):
                return
            yield dies_after * self._about()
            if (pod := self._pod(namespace, name, uid)) is None:
                return
            killed = behaviour == "oom"
            ended = {
                "terminated": {
                    "exitCode": 137 if killed else 1,
                    "reason": "OOMKilled" if killed else "Error",
                    "startedAt": started,
                    "finishedAt": self.clock.stamp(),
                    "containerID": container,
                }
            }
            self._write(pod, ended, restarts=restarts, last=last, container=container, started=False)
            last = ended
            if restarts > 0:
                delay = self.pace.back_off[min(restarts - 1, len(self.pace.back_off) - 1)]
                yield 0.5
                if (pod := self._pod(namespace, name, uid)) is None:
                    return
                who = f"container={spec['name']} pod={name}_{namespace}({uid})"
                text = f"back-off {_go(delay)} restarting failed {who}"
                self._event(
                    pod,
                    "BackOff",
                    f"Back-off restarting failed container {spec['name']} in pod {name}_{namespace}({uid})",
                    warning=True,
                )
                waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
                self._write(pod, waiting, restarts=restarts, last=last, container=container, started=False)
                yield delay
            else:
                yield 0.5

    def _never_ready(self, namespace: str, name: str, uid: str) -> Iterator[float]:
        while (pod := self._pod(namespace, name, uid)) is not None:
            self._event(pod, "Unhealthy", f"{PROBE}HTTP probe failed with statuscode: 503", warning=True)
            yield 10.0

    def _end(self, namespace: str, name: str, uid: str) -> Iterator[float]:
        """Graceful end: Killing, phase Succeeded or Failed, deletionTimestamp moved back, gone."""
        pod = self._pod(namespace, name, uid)
        if pod is None:
            return
        rows = pod["status"].get("containerStatuses") or ()
        started = any(row.get("containerID") for row in rows)
        if any((row.get("state") or {}).get("running") for row in rows):
            self._event(pod, "Killing", f"Stopping container {pod['spec']['containers'][0]['name']}")
        grace = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        way = annotation(pod, "hollow/exceed-grace", "") if started else ""
        yield grace + LATE if way else min(TERMINATION, grace) * random.uniform(0.4, 1)
        if (pod := self._pod(namespace, name, uid)) is None:
            return
        pod_status.end(pod, started, self.clock.stamp(), killed=way == "killed")
        self.store.put("pods", pod)
        # long enough for controllers to see it ended before it is gone; after a kill there is more to clean up
        yield LATE if way else 0.03
        if (pod := self._pod(namespace, name, uid)) is None:
            return
        pod["metadata"]["deletionTimestamp"] = self.clock.stamp()
        pod["metadata"]["deletionGracePeriodSeconds"] = 0
        self.store.put("pods", pod)
        self.store.remove("pods", namespace, name)

    # -- writing ---------------------------------------------------------------------------------------------
    def _write(self, pod: Obj, state: Obj, **how: Any) -> None:
        address = pod["status"].get("podIP") or self.address()
        pod_status.write(pod, state, self.clock.stamp(), address, **how)
        self.store.put("pods", pod)

    def _event(self, pod: Obj, reason: str, message: str, *, warning: bool = False) -> None:
        name = pod["spec"]["containers"][0]["name"]
        self.controllers.recorder.record(
            "pods",
            pod,
            reason,
            message,
            component="kubelet",
            warning=warning,
            host=pod["spec"].get("nodeName", ""),
            field_path=f"spec.containers{{{name}}}",
        )

    def _pod(self, namespace: str, name: str, uid: str) -> Obj | None:
        entry = self.store.get("pods", namespace, name)
        return copy(entry) if entry is not None and entry.uid == uid else None

    def _about(self) -> float:
        return random.uniform(1 - self.pace.jitter, 1 + self.pace.jitter)

    def _failing(self, pod: Obj) -> bool:
        rows: list[Obj] = pod["status"].get("containerStatuses") or [{}]
        return any(not row.get("ready") for row in rows)


def _refused(pod: Obj, probe: Obj) -> str:
    """A readiness probe's words while nothing listens yet."""
    target = probe.get("httpGet") or probe.get("tcpSocket") or {}
    address = f"{pod['status'].get('podIP', '')}:{target.get('port', 80)}"
    why = f"dial tcp {address}: connect: connection refused"
    path = (probe.get("httpGet") or {}).get("path")
    return f'{PROBE}Get "http://{address}{path}": {why}' if path else PROBE + why


def _go(duration: float) -> str:
    seconds = int(duration)
    return f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"
