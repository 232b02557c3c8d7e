"""Looks and plans for tests of the plan side: case documents as a look, plans applied to them as a server would."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.demo import patches
from app.demo.errors import ApiError
from app.domain.commands import Arguments, Verb
from app.domain.rollout import RolloutState
from app.engines import engine_for
from app.engines.acting import Look, Patch, Plan
from app.engines.port import Engine
from tests.engines.objects import decode, observe

NOW = datetime(2026, 11, 25, 12, 0, 30, 250_000, tzinfo=UTC)
STAMP = "01JCOMMAND"
Documents = list[dict[str, Any]]


class Conflict(Exception):
    """The server would refuse: a precondition does not hold."""


def versioned(documents: Documents) -> Documents:
    """The documents as a server holds them: each with a version."""
    found = copy.deepcopy(documents)
    for i, document in enumerate(found):
        document["metadata"].setdefault("resourceVersion", str(100 + i))
    return found


def engine_of(documents: Documents) -> Engine:
    """The engine that claims the first document."""
    engine = engine_for(decode(documents[0]))
    assert engine is not None
    return engine


def look(documents: Documents, missing: frozenset[str] = frozenset()) -> Look:
    """All documents as one look; kinds that are not among them were looked for and not found."""
    kinds = {relation.kind.name for relation in engine_of(documents).relations} | {
        document["kind"] for document in documents[1:]
    }
    kin = {kind: [d for d in documents[1:] if d["kind"] == kind] for kind in kinds - missing}
    return Look(documents[0], kin)


def plan(
    documents: Documents,
    verb: Verb,
    arguments: Arguments | None = None,
    *,
    missing: frozenset[str] = frozenset(),
    now: datetime = NOW,
) -> Plan:
    """What the engine of the first document would send."""
    engine, seen = engine_of(documents), look(documents, missing)
    return engine.plan(verb, seen, arguments or asked(documents, verb), now=now, stamp=STAMP)


def asked(documents: Documents, verb: Verb) -> Arguments:
    """Arguments that fit a verb that takes some."""
    holders = [d for d in documents if d["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Rollout")]
    containers = [
        container["name"]
        for d in holders
        for container in (d.get("spec") or {}).get("template", {}).get("spec", {}).get("containers", ())
    ]
    named = dict.fromkeys(containers[:1], "registry.test/new:9.9")
    return {
        Verb.SET_IMAGE: Arguments(images=named),
        Verb.SET_WEIGHT: Arguments(weight=0),
        Verb.HOLD: Arguments(until=NOW + timedelta(hours=1)),
        Verb.ROLLBACK: Arguments(delete_blocking=documents[0]["kind"] == "StatefulSet"),
    }.get(verb, Arguments())


def applied(documents: Documents, sent: Sequence[Patch]) -> Documents:
    """The documents after the patches. Raises `Conflict` when a precondition does not hold."""
    found, version = copy.deepcopy(documents), ""
    for i, patch in enumerate(sent):
        patch = patch.at(version) if patch.after_first else patch
        at = next(
            (
                n
                for n, d in enumerate(found)
                if (d["kind"], d["metadata"]["name"]) == (patch.kind.name, patch.name)
            ),
            None,
        )
        if at is None:
            raise Conflict(f"no {patch.kind.name} {patch.name}")
        if patch.delete:
            held = patch.body["preconditions"]
            if any(found[at]["metadata"].get(key) != value for key, value in held.items()):
                raise Conflict("preconditions")
            del found[at]
            continue
        try:
            found[at] = patches.json_patch(found[at], patch.body)
        except ApiError as error:
            raise Conflict(str(error)) from error
        found[at]["metadata"]["resourceVersion"] = f"{found[at]['metadata']['resourceVersion']}.{i + 1}"
        if i == 0:
            version = found[at]["metadata"]["resourceVersion"]
    return found


def state(documents: Documents, missing: frozenset[str] = frozenset()) -> RolloutState:
    """The state that the look gives."""
    return observe(
        [d for d in documents if d["kind"] not in ("Application", "Kustomization", "HelmRelease")], missing
    )


def edited(documents: Documents, at: int, changes: Mapping[str, Any]) -> Documents:
    """The documents with members of one changed, by dotted path; None takes one away."""
    found = copy.deepcopy(documents)
    for path, value in changes.items():
        *way, last = path.split(".")
        parent = found[at]
        for key in way:
            parent = parent.setdefault(key, {})
        if value is None:
            parent.pop(last, None)
        else:
            parent[last] = value
    return found
