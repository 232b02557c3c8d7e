"""How plans are put together: one look read as a task, JSON patches with their preconditions, offers and blockers.

A patch changes only what is not already so, tests what it stands on, and marks the object with the command's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ..domain.commands import VERBS, Arguments, Offer, Verb
from ..domain.policy import Blocker
from ..domain.revisions import Revision
from ..domain.rollout import Phase, RolloutState
from .acting import JSON_PATCH, STAMP, VERSION_AFTER, Effect, Look, NotOffered, Patch, Plan, Query, Raw
from .port import STATEFULSET, Kind

REMOVE = object()
"""Stands for a member that must not be there."""
Path = tuple[str | int, ...]
"""Where in an object: keys and list indices, outermost first."""


@dataclass(frozen=True, slots=True)
class Task:
    """One verb, asked of one look: what the engine, whose roots are of `kind`, read in it, and with what it is to be
    done."""

    kind: Kind
    verb: Verb
    look: Look
    arguments: Arguments
    now: datetime
    stamp: str
    state: RolloutState
    offer: Offer

    @property
    def root(self) -> Raw:
        """The root, as JSON said it."""
        return self.look.root

    @property
    def origin(self) -> str:
        """The key of the revision that is asked for now."""
        return self.state.revision.key if self.state.revision else ""

    def refuse(self, message: str, clears: str = "", rule: str = "argument") -> NotOffered:
        """What to raise when the arguments, or objects that the state does not tell of, do not allow it."""
        return NotOffered(self.verb, (Blocker(rule, message, clears),))

    def plan(self, patches: Sequence[Patch | None], effect: Effect, **more: Any) -> Plan:
        """A plan in the words of the offer, of the patches that change something."""
        sent = tuple(p for p in patches if p is not None)
        return Plan(more.pop("sentence", self.offer.sentence), sent, effect, **more)


Draft = Callable[[Task], Plan]


def draw(
    kind: Kind,
    verb: Verb,
    look: Look,
    arguments: Arguments,
    now: datetime,
    stamp: str,
    state: RolloutState,
    offers: Mapping[Verb, Offer],
    drafts: Mapping[Verb, Draft],
) -> Plan:
    """The plan for `verb`, of the drafts of an engine. Raises `NotOffered` unless it is offered."""
    offer = offers.get(verb)
    if offer is None:
        word = VERBS[verb].label.lower()
        raise NotOffered(verb, (blocked(f"This kind of workload knows no “{word}”."),))
    if offer.blocked_by:
        raise NotOffered(verb, offer.blocked_by)
    task = Task(kind, verb, look, arguments, now, stamp, state, offer)
    if arguments.delete_blocking and kind is not STATEFULSET:
        raise task.refuse("No broken pod blocks this kind of workload: delete_blocking does nothing here.")
    return drafts[verb](task)


def blocked(message: str, clears: str = "") -> Blocker:
    """What the state itself puts in the way."""
    return Blocker("not-offered", message, clears)


def offer(
    verb: Verb, label: str, sentence: str, *blockers: Blocker | None, targets: Sequence[str] = ()
) -> Offer:
    """A verb as it stands; `None` among the blockers are those that do not apply."""
    return Offer(verb, label, sentence, tuple(b for b in blockers if b is not None), tuple(targets))


def unknown(state: RolloutState) -> Blocker | None:
    """Nothing is offered on what cannot be read, except where an engine says so."""
    if state.phase is not Phase.UNKNOWN:
        return None
    return blocked(
        f"What it does is not known: {state.message.rstrip('.')}.", "Shipboard has to read it first."
    )


def called(revision: Revision | None) -> str:
    """What people call a revision."""
    if revision is None:
        return "the revision"
    return revision.version or (f"#{revision.number}" if revision.number is not None else revision.key)


def replaced(now: Revision | None, by: Revision) -> str:
    """That `by` takes the place of `now`; two of one version, as a restart makes them, are told apart by their
    numbers."""
    before, after = called(now), called(by)
    if before == after and now is not None and None not in (now.number, by.number):
        before, after = f"{before} (revision {now.number})", f"{after} (revision {by.number})"
    return f"{before} is replaced by {after}"


def targets(state: RolloutState) -> tuple[Revision, ...]:
    """Revisions that can be gone back to, best first: the one that serves still, then the newest."""
    now = state.revision.key if state.revision else ""
    kept = [r for r in state.revisions if r.key != now]
    served = state.stable.key if state.stable else ""
    return tuple(sorted(kept, key=lambda r: r.key != served))


def chosen(task: Task) -> Revision:
    """The revision that the arguments name; without one, the best. Raises `NotOffered` when it is not kept."""
    key = task.arguments.revision or next(iter(task.offer.targets), "")
    found = next((r for r in task.state.revisions if r.key == key), None)
    if found is None:
        raise task.refuse("That revision is not kept here any more.", "Choose one that is.")
    return found


def change(
    kind: Kind,
    obj: Raw,
    wanted: Mapping[Path, Any],
    *,
    stamp: str = "",
    tests: Mapping[Path, Any] | None = None,
    subresource: Literal["", "status", "scale"] = "",
    always: bool = False,
) -> Patch | None:
    """The patch after which `wanted` holds in `obj`; None when it does already. `REMOVE` takes a member away, missing
    parents are made. `always`: also when nothing but the stamp is written."""
    found: Raw = deepcopy(dict(obj))
    writes = [op for path, value in wanted.items() for op in _write(found, path, value)]
    if not writes and not always:
        return None
    if stamp:
        writes += _write(found, ("metadata", "annotations", STAMP), stamp)
    meta = obj.get("metadata", {})
    held: dict[Path, Any] = {
        ("metadata", "uid"): meta.get("uid"),
        ("metadata", "resourceVersion"): meta.get("resourceVersion"),
        **(tests or {}),
    }
    ops = [{"op": "test", "path": pointer(path), "value": value} for path, value in held.items()]
    return Patch(kind, meta.get("namespace", ""), meta.get("name", ""), ops + writes, subresource, JSON_PATCH)


def status(kind: Kind, obj: Raw, wanted: Mapping[Path, Any], tests: Mapping[Path, Any]) -> Patch | None:
    """The same for the status of the object that the plan's first patch wrote: it stands on the version after that."""
    held = {**tests, ("metadata", "resourceVersion"): VERSION_AFTER}
    made = change(kind, obj, wanted, tests=held, subresource="status")
    if made is None:
        return None
    return Patch(kind, made.namespace, made.name, made.body, "status", JSON_PATCH, after_first=True)


def delete(kind: Kind, obj: Raw) -> Patch:
    """Deletes the object, if it is still the one that was looked at."""
    meta = obj["metadata"]
    held = {key: meta[key] for key in ("uid", "resourceVersion") if meta.get(key)}
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": held}
    return Patch(kind, meta.get("namespace", ""), meta["name"], body, delete=True, when_seen=True)


def pointer(path: Path) -> str:
    """A path as RFC 6901 writes it."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def value(obj: Any, *path: str | int) -> Any:
    """What is at `path`; None when anything on the way is absent."""
    for part in path:
        if isinstance(part, int):
            obj = obj[part] if isinstance(obj, list) and part < len(obj) else None
        else:
            obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj


def mapping(obj: Any, *path: str | int) -> Mapping[str, Any]:
    """The mapping at `path`; an empty one when there is none."""
    found = value(obj, *path)
    return found if isinstance(found, Mapping) else {}


def items(obj: Any, *path: str | int) -> list[Mapping[str, Any]]:
    """The mappings in the list at `path`; none when there is no list."""
    found = value(obj, *path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def moment(at: datetime) -> str:
    """A time as Kubernetes writes it: RFC 3339 in UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def whole(at: datetime) -> datetime:
    """The same, as a time that can be compared with one read back."""
    return at.astimezone(UTC).replace(microsecond=0)


def selector(of: Raw) -> str:
    """A `spec.selector` as `labelSelector` takes it; empty when it chooses nothing in particular."""
    chosen_ = mapping(of, "spec", "selector")
    parts = [f"{key}={wanted}" for key, wanted in mapping(chosen_, "matchLabels").items()]
    for rule in items(chosen_, "matchExpressions"):
        key, values = rule.get("key"), ",".join(map(str, rule.get("values") or ()))
        match rule.get("operator"):
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(f"{key}")
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)


def selected(root: Raw, *kinds: Kind) -> tuple[Query, ...]:
    """Objects of these kinds that the root's own selector chooses."""
    chosen_ = selector(root)
    return tuple(Query(kind, selector=chosen_) for kind in kinds)


def owned(look: Look, kind: Kind) -> list[Raw]:
    """Of the objects of a kind those that the root controls."""
    uid = value(look.root, "metadata", "uid")
    return [obj for obj in look.kin.get(kind.name, ()) if owner_uid(obj) == uid]


def owner_uid(obj: Raw) -> str:
    """Uid of the controlling owner; empty when there is none."""
    owners = items(obj, "metadata", "ownerReferences")
    return next((str(o.get("uid", "")) for o in owners if o.get("controller")), "")


def _write(found: Any, path: Path, wanted: Any) -> list[dict[str, Any]]:
    """The operation that makes `wanted` so, done to `found` as well."""
    for i, part in enumerate(path[:-1]):
        inner = value(found, part)
        if inner is None:
            if wanted is REMOVE:
                return []
            for key in reversed(path[i + 1 :]):
                wanted = {key: wanted}
            found[part] = deepcopy(wanted)
            return [{"op": "add", "path": pointer(path[: i + 1]), "value": wanted}]
        found = inner
    last = path[-1]
    there = last in found if isinstance(found, Mapping) else True
    if wanted is REMOVE:
        return (
            [{"op": "remove", "path": pointer(path)}]
            if there and found.pop(last, REMOVE) is not REMOVE
            else []
        )
    if there and found[last] == wanted:
        return []
    found[last] = deepcopy(wanted)
    return [{"op": "replace" if there else "add", "path": pointer(path), "value": wanted}]
