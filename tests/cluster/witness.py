"""What is true of a workload by the cluster's own words, seen beside Shipboard, and the rule both are held to.

The rule: the board is never better than the truth. While kubectl (for a Rollout, its controller) does not call the
newest spec done, the board must not wear the healthy colour for longer than the slack.
"""

import asyncio
import json
import time
from contextlib import suppress

import aiohttp

from app.domain.facts import WorkloadObserved
from app.domain.rollout import Attention, attention
from tests.cluster.api import Api, Obj, Refused
from tests.cluster.board import Board

SLACK = 1.5
"""Seconds the board may lag; its collector's flush, the store and the fleet are in between."""
ASKED = "witness/asked"
"""Annotation by which a test writes down what nothing else there says: on a Service which colour is the newest, on a
Canary which hash of a spec is not it."""


def done(root: Obj) -> bool:
    """Whether `kubectl rollout status` would end well; for a Rollout: Healthy, and about the newest spec; for a
    Service that switches: it chooses the colour that its annotation ASKED names; for a Canary: its controller is at
    rest and has promoted another spec than ASKED. A StatefulSet that is held at a partition is not done, although
    kubectl lets it pass."""
    status, spec = root.get("status") or {}, root["spec"]
    if root["kind"] == "Rollout":
        said = (status.get("phase"), status.get("observedGeneration"))
        return said == ("Healthy", str(root["metadata"]["generation"]))
    if root["kind"] == "Canary":
        old = root["metadata"].get("annotations", {}).get(ASKED)
        return status.get("phase") in ("Initialized", "Succeeded") and status.get("lastPromotedSpec") != old
    if root["kind"] == "Service":
        return root["metadata"]["annotations"][ASKED] in spec["selector"].values()
    if status.get("observedGeneration", 0) < root["metadata"]["generation"]:
        return False
    if root["kind"] == "DaemonSet":
        few = min(status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0))
        return bool(few >= status["desiredNumberScheduled"])
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    if root["kind"] == "StatefulSet" and status.get("updateRevision") != status.get("currentRevision"):
        return False
    return bool(wanted <= updated and total <= updated <= available)


class Witness:
    """Follows one workload by a watch of its own, through any trouble, until stopped."""

    def __init__(self, api: Api, path: str) -> None:
        self._api, (self._path, _, self._name) = api, path.rpartition("/")
        self._seen: list[tuple[float, bool]] = []
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        only = {"fieldSelector": f"metadata.name={self._name}"}
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, Refused, json.JSONDecodeError):
                listed = await self._api.get(self._path, **only)
                kind = listed["kind"].removesuffix("List")
                for item in listed["items"]:
                    self._note({"kind": kind, **item})
                version = listed["metadata"]["resourceVersion"]
                async for event in self._api.watch(self._path, version, seconds=120, **only):
                    if event["type"] == "ERROR":
                        break
                    self._note(event["object"])
            await asyncio.sleep(0.05)

    def _note(self, root: Obj) -> None:
        self._seen.append((time.monotonic(), done(root)))

    async def compare(self, board: Board, uid: str) -> None:
        """Stop, and raise AssertionError if the board was ever better than the truth."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        now = time.monotonic()
        told = [
            (at, attention(fact.state), fact.state.message)
            for at, fact in board.said
            if isinstance(fact, WorkloadObserved) and fact.uid == uid
        ]
        assert told
        assert self._seen
        shown = zip(told, [*told[1:], (now, Attention.UNKNOWN, "")], strict=True)
        good = [(one[0], following[0], one[2]) for one, following in shown if one[1] is Attention.GOOD]
        truth = list(zip(self._seen, [*self._seen[1:], (now, False)], strict=True))
        # neighbouring looks that say the same are one stretch of time
        stretches: list[tuple[float, float]] = []
        for (start, is_done), (end, _) in truth:
            if not is_done:
                joined = stretches and stretches[-1][1] == start
                stretches[-1:] = [(stretches[-1][0], end)] if joined else [*stretches[-1:], (start, end)]
        for start, end, message in good:
            for bad_from, bad_to in stretches:
                better = min(end, bad_to) - max(start, bad_from)
                assert better <= SLACK, (
                    f"the board was good for {better:.1f} s while the cluster was not: {message}"
                )
