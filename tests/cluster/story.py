"""One workload's story, told to the cluster and read from the board: what the scenario tests are written in."""

import asyncio
import time
from collections.abc import Callable

from tests.cluster.api import JSON_PATCH, MERGE, STRATEGIC, Api, Obj
from tests.cluster.argo import heard, tell
from tests.cluster.board import Board
from tests.cluster.manifests import APPS, ARGO, CORE, FLAGGER, image
from tests.cluster.witness import ASKED, Witness, done

Looks = Callable[[Obj], object]


class Story:
    """A workload called like its namespace, so that the board's page can be asked for it alone."""

    def __init__(self, api: Api, board: Board, namespace: str, kind: str = "Deployment") -> None:
        self.api, self.board, self.namespace, self.name, self.kind = api, board, namespace, namespace, kind
        base = {"Rollout": ARGO, "Service": CORE, "Canary": FLAGGER}.get(kind, APPS)
        self.collection = f"{base}/{namespace}/{'canaries' if kind == 'Canary' else f'{kind.lower()}s'}"
        self.path = f"{self.collection}/{self.name}"

    async def begin(self, root: Obj, tag: str = "", **seconds: float) -> Obj:
        """Create the workload and wait until it is good, in truth and on the board; a Service or Canary has
        no image of its own, so `tag` says which."""
        created = await self.api.create(self.collection, root)
        self.uid = created["metadata"]["uid"]
        self.witness = Witness(self.api, self.path)
        tag = tag or root["spec"]["template"]["spec"]["containers"][0]["image"]
        return await self.good(tag, **seconds)

    async def ship(self, tag: str, **hollow: str) -> None:
        """Ask for another image."""
        patch = image(tag, **hollow)
        if self.kind == "Canary":
            old = (await self.api.get(self.path))["status"]["lastPromotedSpec"]
            await self.patch({"metadata": {"annotations": {ASKED: old}}})
            await self.api.patch(f"{APPS}/{self.namespace}/deployments/{self.name}", patch, type=STRATEGIC)
        elif self.kind != "Rollout":
            await self.api.patch(self.path, patch, type=STRATEGIC)
        else:
            containers = (await self.api.get(self.path))["spec"]["template"]["spec"]["containers"]
            patch["spec"]["template"]["spec"]["containers"] = [containers[0] | {"image": tag}]
            await self.api.patch(self.path, patch, type=MERGE)
            await heard(self.api, self.path, observed)

    async def patch(self, body: Obj) -> None:
        """A merge patch, as `kubectl rollout pause` and its like send it."""
        await self.api.patch(self.path, body)

    async def tell(self, status: Obj, holds: Looks) -> Obj:
        """A Rollout's change of status; the Rollout once that `holds`."""
        return await tell(self.api, self.path, status, holds)

    async def undo(self, to: str) -> None:
        """`kubectl rollout undo` to the revision that ran image `to`: its template replaces the present one."""
        owned = await self.api.get(f"{APPS}/{self.namespace}/replicasets")
        old = next(
            rs for rs in owned["items"] if rs["spec"]["template"]["spec"]["containers"][0]["image"] == to
        )
        template = old["spec"]["template"]
        del template["metadata"]["labels"]["pod-template-hash"]
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        await self.api.patch(self.path, patch, type=JSON_PATCH)

    async def shown(self, looks: Looks, seconds: float = 60) -> Obj:
        """The workload on the board once it `looks` so."""
        return await self.board.until(self.namespace, self.name, looks, kind=self.kind, seconds=seconds)

    async def true(self, holds: Looks, seconds: float = 60) -> Obj:
        """The object itself once that `holds`."""
        return await self.api.until(self.path, holds, seconds)

    async def good(self, tag: str, seconds: float = 60) -> Obj:
        """Wait until the cluster is done, and the board, its page too, says so of the version in `tag`."""
        await self.true(lambda root: done({"kind": self.kind, **root}), seconds)
        version = tag.partition(":")[2]
        shown = await self.shown(lambda one: one["attention"] == "good" and one["version"] == version)
        assert shown["progress"] == 100
        await self.page("healthy")
        return shown

    async def page(self, *phases: str) -> None:
        """Wait until the board's page says one of `phases`: views are kept up one after the other, so that it may
        be a moment behind the API. Raises AssertionError with what it said."""
        ends = time.monotonic() + 60
        while (said := await self.board.page_phase(self.name)) not in phases:
            assert time.monotonic() < ends, f"the page says {said}, not {phases}"
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Hold the board to the truth, from the beginning to now."""
        await self.witness.compare(self.board, self.uid)


def observed(root: Obj) -> bool:
    """Whether a Rollout's controller has seen the newest spec."""
    seen: object = root["status"]["observedGeneration"]
    return seen == str(root["metadata"]["generation"])


def problem(category: str) -> Looks:
    """Whether a workload is shown with a problem of that category."""
    return lambda one: any(each["category"] == category for each in one["problems"])
