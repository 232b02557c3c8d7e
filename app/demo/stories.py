"""What happens in the fleet, over and over: each story moves one workload and waits for it, or for a
person.

A story never fights its viewers: it looks at the object before each move, goes on after whatever they did,
and ends when the workload is deleted. Where it waits for a person it does so for `PATIENCE`; then an
imagined colleague acts, so that an unwatched demo goes on too.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.demo.errors import ApiError
from app.demo.store import copy

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

log = logging.getLogger(__name__)
Obj = dict[str, Any]
PATIENCE = 1500.0
CALM = 150.0
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
            await self.sleep(0.5)
        return True

    def image(self) -> str:
        image: str = self.look()["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    def next_image(self) -> str:
        repository, _, version = self.image().rpartition(":")
        try:
            return f"{repository}:{newer(version)}"
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

    def spoil(self, behaviour: str) -> tuple[str, str]:
        """Ship a new version that misbehaves, never the same twice; returns the good and the bad image."""
        good, bad = self.image(), self.next_image()
        while bad in self.cluster.behaviours:
            repository, _, version = bad.rpartition(":")
            bad = f"{repository}:{newer(version)}"
        self.cluster.behaviours[bad] = behaviour
        self.ship(bad)
        return good, bad

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


async def _tell(teller: Teller, chapter: Callable[[Teller], Any], calm: float) -> None:
    await teller.sleep(teller.delay)
    try:
        while True:
            await chapter(teller)
            await teller.sleep(calm)
    except GoneError as why:
        log.info("a story ends, its workload is gone: %s", why)
    except Exception:
        log.exception("the story of %s in %s broke off", teller.name, teller.namespace)


async def rolling(teller: Teller) -> None:
    """A rolling update that goes through, every few minutes."""

    async def chapter(teller: Teller) -> None:
        if not teller.look()["spec"].get("paused"):
            teller.ship(teller.next_image())
            await teller.until(complete, 600)

    await _tell(teller, chapter, CALM)


async def timed_canary(teller: Teller) -> None:
    """A canary whose pauses end by themselves."""

    async def chapter(teller: Teller) -> None:
        if healthy(teller.look()):
            teller.ship(teller.next_image())
        await teller.until(healthy, 900)

    await _tell(teller, chapter, 1.5 * CALM)


async def gated_canary(teller: Teller) -> None:
    """A canary that waits at 25 % for a person."""
    await _tell(teller, _gate, CALM)


async def switch(teller: Teller) -> None:
    """A blue-green release that waits for a person before the switch."""
    await _tell(teller, _gate, 2 * CALM)


async def _gate(teller: Teller) -> None:
    if healthy(teller.look()):
        teller.ship(teller.next_image())
        await teller.until(lambda obj: observed(obj) and not healthy(obj), 30)
    if not await teller.until(healthy, PATIENCE) and waiting(teller.look()):
        teller.promote()


async def quiet(teller: Teller) -> None:
    """An update that goes through, now and then."""

    async def chapter(teller: Teller) -> None:
        teller.ship(teller.next_image())
        await teller.until(complete, 600)

    await _tell(teller, chapter, 6 * CALM)


async def partitioned(teller: Teller) -> None:
    """A StatefulSet whose last pod is the canary; the partition waits for a person to open it."""

    async def chapter(teller: Teller) -> None:
        if complete(teller.look()):
            last = teller.look()["spec"].get("replicas", 1) - 1
            strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": max(0, last)}}
            teller.ship(teller.next_image(), updateStrategy=strategy)
            await teller.until(lambda obj: not complete(obj), 30)
        if not await teller.until(complete, PATIENCE):
            teller.open_partition()
        await teller.until(complete, 300)

    await _tell(teller, chapter, 2 * CALM)


async def bad_release(teller: Teller) -> None:
    """A release that gets stuck, each time in another way, past its deadline, and is taken back after a
    while."""
    ways = itertools.cycle(("image-pull", "never-ready", "quota", "unschedulable"))

    async def chapter(teller: Teller) -> None:
        good, bad = teller.spoil(next(ways))
        if not await teller.until(lambda _: teller.image() != bad, 900):
            teller.ship(good)
        await teller.until(complete, 300)

    await _tell(teller, chapter, 2 * CALM)


async def crash_after(teller: Teller) -> None:
    """A release that passes, since there is no readiness probe, and then crashes in a loop."""

    async def chapter(teller: Teller) -> None:
        good, bad = teller.spoil("crash")
        if not await teller.until(lambda _: teller.image() != bad, 600):
            teller.ship(good)
        await teller.until(complete, 300)

    await _tell(teller, chapter, 2 * CALM)
