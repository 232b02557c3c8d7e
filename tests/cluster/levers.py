"""Twins: one workload twice, in two namespaces, by the same names. Shipboard acts on one of them, kubectl (or the patch
that an operator documents) on the other, and then both have to be alike: spec, status and what is below them.

What may differ is taken out by `seen` and `plain`: the annotation by which Shipboard marks its writes, field managers,
times, addresses, the words of conditions, and names with a hash of a template that has the time of a restart in it.
"""

import asyncio
import itertools
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.domain.commands import MOVES, Arguments, CommandPhase, Expected, Verb
from app.domain.names import WorkloadRef
from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.engines.acting import STAMP
from app.perform import Ask, NotKnown, Receipt
from tests import machine
from tests.cluster.api import JSON_PATCH, MERGE, STRATEGIC, Api, Obj
from tests.cluster.argo import heard
from tests.cluster.board import NAME, Board
from tests.cluster.manifests import APPS, ARGO, CORE, FLAGGER, image, pod_template
from tests.cluster.witness import done

ADA = Principal(
    PrincipalKind.PERSON, "test", "ada", "Ada", roles={EVERYWHERE: frozenset({Role.OPERATOR})}, session="1"
)
PLACES = {
    "Rollout": f"{ARGO}/{{}}/rollouts",
    "Service": f"{CORE}/{{}}/services",
    "Pod": f"{CORE}/{{}}/pods",
    "Canary": f"{FLAGGER}/{{}}/canaries",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "Application": f"{ARGO}/{{}}/applications",
    "Kustomization": "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations",
    "HelmRelease": "/apis/helm.toolkit.fluxcd.io/v2/namespaces/{}/helmreleases",
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_TOLD_AGAIN = "tests/said-again"
_ANOTHER = {"clusterIP", "clusterIPs"}
_HASHES = {"currentRevision", "updateRevision"}
_keys = itertools.count(1)


def path(kind: str, namespace: str, name: str = "") -> str:
    """Where an object of a kind is, or its collection."""
    collection = PLACES.get(kind, f"{APPS}/{{}}/{kind.lower()}s").format(namespace)
    return f"{collection}/{name}" if name else collection


def plain(value: Any) -> Any:
    """A value without what differs between twins."""
    if isinstance(value, str):
        return "<time>" if _TIME.fullmatch(value) else value
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if {"type", "status"} <= value.keys():  # a condition: its words name what has a hash in its name
        return {key: value.get(key) for key in ("type", "status", "reason")}
    return {key: plain(each) for key, each in value.items() if key not in _ANOTHER | _HASHES}


def seen(obj: Obj, namespace: str) -> Obj:
    """What has to be alike of an object: all that its owner wrote, and its status."""
    meta, status = obj["metadata"], obj.get("status") or {}
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in (STAMP, _TOLD_AGAIN)}
    conditions = plain(status.get("conditions") or [])
    found = {
        "labels": meta.get("labels"), "annotations": notes, "generation": meta.get("generation"),
        "spec": obj.get("spec"), "operation": bool(obj.get("operation")),
        "status": {k: v for k, v in status.items() if k not in ("conditions", "message")},
        "moved on": status.get("currentRevision") == status.get("updateRevision"),
    }  # fmt: skip
    told = plain(found) | {"conditions": sorted(conditions, key=lambda each: str(each["type"]))}
    return dict(_unplaced(told, namespace))


def _unplaced(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        return {key: _unplaced(each, namespace) for key, each in value.items()}
    if isinstance(value, list):
        return [_unplaced(each, namespace) for each in value]
    return value.replace(namespace, "<here>") if isinstance(value, str) else value


class Twins:
    """The workload `kind`/`name`, twice: `mine` is acted on by `board`, `theirs` by kubectl as administrator."""

    def __init__(
        self, api: Api, board: Board, mine: str, theirs: str, folder: Path, kind: str, name: str = "web"
    ) -> None:
        self.api, self.board, self.kind, self.name = api, board, kind, name
        self.mine, self.theirs = mine, theirs
        self.ref = WorkloadRef(NAME, mine, kind, name)
        self.beside: list[tuple[str, str]] = []
        self._home = folder

    def at(self, namespace: str, kind: str = "", name: str = "") -> str:
        return path(kind or self.kind, namespace, name or self.name)

    async def both(self, kind: str, root: Obj) -> None:
        """Create an object twice; one that is not the workload is compared with it."""
        for place in (self.mine, self.theirs):
            await self.api.create(path(kind, place), root)
        if (kind, root["metadata"]["name"]) != (self.kind, self.name):
            self.beside.append((kind, root["metadata"]["name"]))

    async def patch_both(self, body: Any, kind: str = "", name: str = "", how: str = MERGE) -> None:
        """Change both alike, as somebody else would."""
        for place in (self.mine, self.theirs):
            await self.api.patch(self.at(place, kind, name), body, type=how)

    async def until(self, holds: Any, seconds: float = 60) -> None:
        """Wait for both."""
        for place in (self.mine, self.theirs):
            if self.kind == "Rollout":
                await heard(self.api, self.at(place), holds, seconds)
            else:
                await self.api.until(self.at(place), holds, seconds)

    async def settled(self) -> None:
        """Wait until both are done with their newest spec."""
        await self.until(lambda root: done({"kind": self.kind, **root}))

    async def known(self) -> None:
        """Wait until the board knows it."""
        ends = time.monotonic() + 30
        while True:
            with suppress(NotKnown):
                await self.board.perform.known(self.ref)
                return
            assert time.monotonic() < ends, f"{self.ref} is not known"
            await asyncio.sleep(0.05)

    async def revision(self, version: str) -> str:
        """The key of a kept revision."""
        known = await self.board.perform.known(self.ref)
        return next(each.key for each in reversed(known.state.revisions) if each.version == version)

    async def ask(self, verb: Verb, expected: Expected | None = None, **arguments: Any) -> Receipt:
        """Ask Shipboard, as Ada; what is recorded."""
        ask = Ask(verb, self.ref, Arguments(**arguments), expected or Expected(), "a test", f"k{next(_keys)}")
        return await self.board.perform.ask(ask, ADA)

    async def over(self, receipt: Receipt, seconds: float = 90) -> Receipt:
        """A command once it is over."""
        ends = time.monotonic() + seconds
        while (found := await self.board.perform.receipt(receipt.id)).phase in MOVES:
            assert time.monotonic() < ends, f"{found.verb} is still {found.phase}: {found.message}"
            await asyncio.sleep(0.05)
        return found

    async def do(self, verb: Verb, **arguments: Any) -> Receipt:
        """Ask Shipboard, and wait until it has seen the effect."""
        ended = await self.over(await self.ask(verb, **arguments))
        assert ended.phase is CommandPhase.DONE, f"{verb}: {ended.phase}: {ended.message}"
        assert ended.sent_at
        return ended

    async def kubectl(self, *arguments: str) -> str:
        """Run kubectl on the other one."""
        environment = {"KUBECONFIG": str(self.api.kubeconfig), "HOME": str(self._home), "PATH": os.defpath}
        process = await asyncio.create_subprocess_exec(
            machine.kubectl(), "--namespace", self.theirs, *arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def documented(self, body: Any, subresource: str = "", how: str = MERGE) -> None:
        """Send the other one the patch that its operator documents."""
        where = self.at(self.theirs) + (f"/{subresource}" if subresource else "")
        await self.api.patch(where, body, type=how)

    async def status(self, said: Obj) -> None:
        """The same for a Rollout's status, as its kubectl plugin sends it."""
        await self.documented({"status": said}, "status")

    async def number(self, image: str) -> str:
        """The number kubectl knows the other one's revision by that ran `image`."""
        if self.kind in ("StatefulSet", "DaemonSet"):
            listed = await self.api.get(path("ControllerRevision", self.theirs))
            rows = [(each["revision"], each["data"]["spec"]["template"]) for each in listed["items"]]
        else:
            listed = await self.api.get(path("ReplicaSet", self.theirs))
            notes = "deployment.kubernetes.io/revision"
            rows = [
                (int(o["metadata"]["annotations"][notes]), o["spec"]["template"]) for o in listed["items"]
            ]
        found = [number for number, made in rows if made["spec"]["containers"][0]["image"] == image]
        return str(min(found))

    async def template(self, image: str) -> Obj:
        """The template of the other one's ReplicaSet that runs `image`, as an undo sends it."""
        listed = await self.api.get(path("ReplicaSet", self.theirs))
        made: list[Obj] = [each["spec"]["template"] for each in listed["items"]]
        found = next(each for each in made if each["spec"]["containers"][0]["image"] == image)
        found["metadata"]["labels"].pop("rollouts-pod-template-hash", None)
        return found

    async def alike(self, seconds: float = 60) -> None:
        """Wait until both and what belongs to them are alike. Raises AssertionError with the differences."""
        ends, poked = time.monotonic() + seconds, time.monotonic() + 6
        while True:
            mine, theirs = [await self._seen(place) for place in (self.mine, self.theirs)]
            if mine == theirs:
                return
            if self.kind == "Rollout" and time.monotonic() > poked:  # see tests.cluster.argo.heard
                poked = time.monotonic() + 6
                note = {"metadata": {"annotations": {_TOLD_AGAIN: str(poked)}}}
                await self.api.patch(self.at(self.theirs), note)
            assert time.monotonic() < ends, "\n".join(_differences(mine, theirs))
            await asyncio.sleep(0.1)

    async def _seen(self, place: str) -> Obj:
        found: Obj = {}
        for kind, name in [(self.kind, self.name), *self.beside]:
            found[f"{kind}/{name}"] = seen(await self.api.get(path(kind, place, name)), place)
        if self.kind in ("Deployment", "Rollout"):
            listed = (await self.api.get(path("ReplicaSet", place)))["items"]
            found["revisions"] = sorted(
                str((_image(o), o["spec"]["replicas"], _number(o), (o["status"] or {}).get("readyReplicas")))
                for o in listed
            )
        pods = (await self.api.get(path("Pod", place)))["items"]
        found["pods"] = sorted(o["spec"]["containers"][0]["image"] for o in pods)
        return found


def _image(owned: Obj) -> str:
    return str(owned["spec"]["template"]["spec"]["containers"][0]["image"])


def _number(owned: Obj) -> str:
    notes = owned["metadata"]["annotations"]
    return str(notes.get("deployment.kubernetes.io/revision") or notes.get("rollout.argoproj.io/revision"))


def _differences(mine: Any, theirs: Any, at: str = "") -> list[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = sorted(mine.keys() | theirs.keys())
        return [d for key in keys for d in _differences(mine.get(key), theirs.get(key), f"{at}.{key}")]
    return [] if mine == theirs else [f"{at}: {mine!r} by Shipboard, {theirs!r} by kubectl"]


def json_patch(*operations: tuple[str, str, Any]) -> tuple[list[Obj], str]:
    """A JSON Patch of (op, path, value), with its content type."""
    return [{"op": op, "path": where, "value": wanted} for op, where, wanted in operations], JSON_PATCH


def template(tag: str = "web:1", **hollow: Any) -> Obj:
    """A template of the workload `web`."""
    return pod_template("web", tag, **hollow)


async def ship(pair: Twins, tag: str, **hollow: str) -> None:
    """Another image for both, by somebody else."""
    body = image(tag, **hollow)
    if pair.kind != "Rollout":
        await pair.patch_both(body, how=STRATEGIC)
        return
    for place in (pair.mine, pair.theirs):
        containers = (await pair.api.get(pair.at(place)))["spec"]["template"]["spec"]["containers"]
        body["spec"]["template"]["spec"]["containers"] = [containers[0] | {"image": tag}]
        await pair.api.patch(pair.at(place), body)
