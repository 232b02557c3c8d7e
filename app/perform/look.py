"""A fresh look at a workload, straight at its cluster: what a command is judged and planned by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

import msgspec

from app.domain.commands import Arguments, Expected, Verb
from app.domain.names import WorkloadRef
from app.domain.refusals import Absent, Broken, Denied
from app.domain.rollout import RolloutState
from app.engines import engine_for, roots
from app.engines.acting import STAMP, Look, Plan, Query, Raw, decoded
from app.engines.port import Engine, Kind
from app.engines.shapes import SHAPES
from app.kube import Access

from .terms import NotKnown

_EXACT = frozenset(
    {Verb.RESUME, Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.RETRY, Verb.SET_WEIGHT, Verb.SWITCH, Verb.RELEASE}
)


class ClusterLike(Protocol):
    """What is asked of a cluster; `app.kube.Cluster` is one."""

    name: str

    async def get(self, path: str, query: Sequence[tuple[str, str]] = ..., *, seconds: float = ...) -> bytes:
        """Body of one GET."""

    async def patch(
        self, path: str, body: Any, content: str, *, dry_run: bool = ..., seconds: float = ...
    ) -> bytes:
        """Change an object."""

    async def delete(self, path: str, options: Any, *, dry_run: bool = ..., seconds: float = ...) -> bytes:
        """Delete an object."""

    async def may(self, verb: str, kind: Kind, namespace: str = ...) -> Access:
        """Whether the account may do this."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload as its cluster has it just now."""

    look: Look
    engine: Engine
    state: RolloutState

    @property
    def uid(self) -> str:
        """The root's uid."""
        return str(self.look.root["metadata"].get("uid", ""))

    @property
    def version(self) -> str:
        """The root's resourceVersion."""
        return str(self.look.root["metadata"].get("resourceVersion", ""))

    @property
    def containers(self) -> Mapping[str, str]:
        """Images by container, where the root has a template of its own."""
        spec = self.look.root.get("spec") or {}
        found = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
        return {str(each.get("name", "")): str(each.get("image", "")) for each in found}

    @property
    def expected(self) -> Expected:
        """All that a command can be based on."""
        state = self.state
        return Expected(
            self.uid,
            state.revision.key if state.revision else "",
            state.stable.key if state.stable else "",
            state.step_index,
            state.phase,
            state.waits_for.since,
        )

    def plan(self, verb: Verb, arguments: Arguments, now: datetime, stamp: str) -> Plan:
        """What to send. Raises NotOffered."""
        return self.engine.plan(verb, self.look, arguments, now=now, stamp=stamp)


def kind_of(ref: WorkloadRef) -> Kind:
    """The kind of a workload. Raises NotKnown when no engine reads it."""
    for kind in roots():
        if kind.name == ref.kind:
            return kind
    raise NotKnown(f"{ref.kind} is no kind of workload.", "", "See /api/v1/workloads for all there are.")


async def look(cluster: ClusterLike, ref: WorkloadRef) -> Seen:
    """The workload with what its engine has to see beside it; the root is read last, so that its version is the newest.

    Raises ClusterError, and NotKnown when it is nobody's workload.
    """
    kind = kind_of(ref)
    path = f"{kind.path(ref.namespace)}/{ref.name}"
    root = await _object(cluster, path)
    engine = engine_for(_convert(root, kind))
    if engine is None:
        raise NotKnown(
            f"{ref} is no workload.", "No engine reads it.", "See /api/v1/workloads for all there are."
        )
    queries = engine.queries(root)
    kin: dict[str, list[Raw]] = {}
    if queries:
        asked = (_answer(cluster, query, ref.namespace) for query in queries)
        found_all: list[Any] = await asyncio.gather(_object(cluster, path), *asked)
        root, *answers = found_all
        for query, found in zip(queries, answers, strict=True):
            if found is not None:
                kin.setdefault(query.kind.name, []).extend(found)
    seen = Look(root, kin)
    try:
        state = engine.observe(*decoded(seen, engine.root, engine.relations))
    except msgspec.ValidationError as error:
        raise Broken(f"Could not read {ref}", str(error)) from None
    return Seen(seen, engine, state)


def relevant(verb: Verb, expected: Expected) -> Expected:
    """As much of `expected` as matters to a verb. What goes back or stands still must not be refused because a step
    went on meanwhile; what goes forward answers exactly what was seen."""
    if verb in _EXACT:
        return replace(expected, phase=None)
    return Expected(expected.uid, expected.revision)


def completed(given: Expected, seen: Expected) -> Expected:
    """What somebody expects, and where they say nothing, what is there now: no command is relative."""
    have = {field.name: getattr(given, field.name) for field in fields(Expected)}
    return replace(seen, **{name: value for name, value in have.items() if value not in (None, "")})


async def stamped(cluster: ClusterLike, path: str) -> str:
    """The command that wrote the object at `path` last, as far as it says. Raises ClusterError."""
    meta = (await _object(cluster, path)).get("metadata") or {}
    return str((meta.get("annotations") or {}).get(STAMP, ""))


async def _answer(cluster: ClusterLike, query: Query, here: str) -> Sequence[Raw] | None:
    """The objects of a query; None when it may not be looked at and need not."""
    where = query.kind.path(query.namespace or here)
    try:
        if query.name:
            return [await _object(cluster, f"{where}/{query.name}")]
        asked = [("labelSelector", query.selector)] if query.selector else []
        found = _decode(await cluster.get(where, asked), where).get("items")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    except (Absent, Denied) as error:
        if query.name and isinstance(error, Absent):
            return []
        if query.optional:
            return None
        raise


async def _object(cluster: ClusterLike, path: str) -> Raw:
    found = _decode(await cluster.get(path), path)
    if not isinstance(found.get("metadata"), dict):
        raise Broken(f"Could not read {path}", "the answer is no object")
    return found


def _decode(body: bytes, path: str) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"Could not read {path}", str(error)) from None
    if not isinstance(found, dict):
        raise Broken(f"Could not read {path}", "the answer is no object")
    return found


def _convert(root: Raw, kind: Kind) -> Any:
    try:
        return msgspec.convert(root, type=SHAPES[kind.name])
    except msgspec.ValidationError as error:
        raise Broken("Could not read the workload", str(error)) from None
