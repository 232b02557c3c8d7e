"""The writes of a plan, one after the other, each on the condition that the object is the one that was looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from app.domain.refusals import Absent, ClusterError, Conflict, Invalid
from app.engines.acting import JSON_PATCH, Patch, Plan
from app.store.commands import Sending

from .look import ClusterLike

NOTICE_SECONDS = 5.0
"""How long the next write waits for the controller to notice the one before it."""


HIDDEN = "(not shown)"


class Partly(Exception):
    """The first `sent` writes of a plan were carried out, and then one was not: `error` says why."""

    def __init__(self, error: ClusterError, sent: int) -> None:
        super().__init__(str(error))
        self.error, self.sent = error, sent


async def send(
    cluster: ClusterLike, plan: Plan, *, dry_run: bool = False, between: Callable[[], None] = lambda: None
) -> None:
    """Send the plan; `between` is called after the first of several writes.

    Raises ClusterError when nothing was written (Lost: when that is not known), Partly when something was.
    """
    version = ""
    for index, patch in enumerate(plan.patches):
        filled = patch.at(version) if patch.after_first else patch
        if patch.when_seen and index and not dry_run and not plan.patches[0].delete:
            await _noticed(cluster, plan.patches[0])
        try:
            answer = await _one(cluster, filled, dry_run)
        except ClusterError as error:
            if dry_run and patch.after_first and isinstance(error, Conflict | Invalid):
                continue  # the write before it was none, so the version it waits for is not there
            if index and not dry_run:
                raise Partly(error, index) from error
            raise
        if index == 0:
            version = _version(answer)
            if len(plan.patches) > 1 and not dry_run:
                between()


def sendings(plan: Plan) -> tuple[Sending, ...]:
    """The writes of a plan, to be shown and kept; values of environment variables, which may be secret, are not."""
    return tuple(
        Sending(
            "DELETE" if p.delete else "PATCH",
            p.path(),
            "application/json" if p.delete else p.content,
            veiled(p.body),
        )
        for p in plan.patches
    )


def veiled(body: Any) -> Any:
    """`body` without the values of environment variables, in an object or in an operation of a JSON Patch."""
    if isinstance(body, Mapping):
        if "op" in body:
            inside = "/env/" in str(body.get("path")) and isinstance(body.get("value"), str)
            return {k: HIDDEN if inside and k == "value" else veiled(v) for k, v in body.items()}
        variable = "name" in body and isinstance(body.get("value"), str)
        return {k: HIDDEN if variable and k == "value" else veiled(v) for k, v in body.items()}
    return [veiled(item) for item in body] if isinstance(body, list) else body


def stamps(plan: Plan, ident: str) -> bool:
    """Whether the first write leaves the command's id on the object."""
    return bool(plan.patches) and ident.encode() in msgspec.json.encode(plan.patches[0].body)


async def outrun(cluster: ClusterLike, plan: Plan) -> bool:
    """Whether the object of the first write has another version than the plan names. Raises ClusterError."""
    patch = plan.patches[0]
    path = patch.path().removesuffix(f"/{patch.subresource}") if patch.subresource else patch.path()
    return _version(await cluster.get(path)) != condition(patch)


def condition(patch: Patch) -> str:
    """The resourceVersion on which a write depends."""
    body: Any = patch.body
    if patch.content == JSON_PATCH and isinstance(body, list):
        tests = (o for o in body if o.get("op") == "test" and o.get("path") == "/metadata/resourceVersion")
        return str(next((o.get("value") for o in tests), ""))
    return str(body.get("metadata", {}).get("resourceVersion", ""))


async def _noticed(cluster: ClusterLike, first: Patch) -> None:
    """Wait until the controller has looked at the first write, but not for ever."""
    ends = time.monotonic() + NOTICE_SECONDS
    while time.monotonic() < ends:
        with suppress(ClusterError, msgspec.DecodeError, AttributeError, TypeError):
            root = msgspec.json.decode(await cluster.get(first.path()))
            if root["metadata"].get("generation", 0) <= (root.get("status") or {}).get(
                "observedGeneration", 0
            ):
                return
        await asyncio.sleep(0.1)


async def _one(cluster: ClusterLike, patch: Patch, dry_run: bool) -> bytes:
    if patch.delete:
        with suppress(Absent):
            return await cluster.delete(patch.path(), patch.body, dry_run=dry_run)
        return b""
    if patch.subresource == "status":
        try:
            return await cluster.patch(patch.path(), patch.body, patch.content, dry_run=dry_run)
        except Absent:
            # A CRD of before the status subresource (Argo Rollouts up to 0.9) has its status in the object itself;
            # where the object is gone, this is not found either.
            patch = replace(patch, subresource="")
    return await cluster.patch(patch.path(), patch.body, patch.content, dry_run=dry_run)


def _version(answer: bytes) -> str:
    with suppress(msgspec.DecodeError, AttributeError, UnicodeDecodeError):
        return str((msgspec.json.decode(answer).get("metadata") or {}).get("resourceVersion", ""))
    return ""
