"""What a verb comes to, as values: which objects are looked at, which patches are sent, what proves that it worked.

Pure. An engine says what it offers (`verbs`), what it must see afresh (`queries`) and what it would send (`plan`);
whoever performs reads, sends and watches. Every patch names the uid and the version of the object that was looked
at, so that on an object that moved it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import msgspec

from ..domain.commands import Verb
from ..domain.errors import ShipboardError
from ..domain.names import cut
from ..domain.policy import Blocker
from ..domain.revisions import Revision
from ..domain.rollout import SETTLED, Phase, RolloutState
from . import kinship
from .port import Kin, Kind, Relation
from .shapes import SHAPES, Root

Raw = Mapping[str, Any]
"""One Kubernetes object, as JSON said it."""

STAMP = "shipboard.dev/last-action"
"""The annotation that names the command which wrote the main resource last."""
VERSION_AFTER = "<resourceVersion after the first patch>"
"""Stands in the body of a patch that is sent after the first one; see `Patch.after_first`."""

JSON_PATCH: Literal["application/json-patch+json"] = "application/json-patch+json"
Content = Literal[
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"
]


_WAITING = frozenset({Phase.PAUSED, Phase.AWAITING_APPROVAL})


class NotOffered(ShipboardError):
    """The engine does not offer the verb for the state that was looked at; `blockers` say why."""

    def __init__(self, verb: Verb, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"{verb.value} is not possible now.",
            " ".join(b.message for b in blockers),
            " ".join(b.clears for b in blockers),
        )
        self.verb, self.blockers = verb, tuple(blockers)


class Unreadable(ShipboardError):
    """An object of the look is not of the shape that its kind has."""


@dataclass(frozen=True, slots=True)
class Query:
    """Objects of `kind` to be read: the one called `name`, else those that `selector` (as in `labelSelector`) chooses,
    else all; in the root's namespace unless `namespace` is given. `optional`: that it is forbidden is no obstacle. What
    is not found is an empty sequence in the look; a kind that is forbidden is left out of it."""

    kind: Kind
    name: str = ""
    selector: str = ""
    namespace: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """A root and what its engine's `queries` found, by the name of the kind. A kind that is not a key of `kin` was not
    looked at (not permitted, not asked for); one with no objects is an empty sequence."""

    root: Raw
    kin: Mapping[str, Sequence[Raw]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Patch:
    """One write. `body` is a JSON Patch with `test`s of uid and resourceVersion (the server answers 422 if one fails),
    or a merge body that holds them (409); for `delete` it is the DeleteOptions with both as preconditions.

    `after_first`: it goes to the object that the first patch of the plan wrote, and `VERSION_AFTER` in it stands for
    the resourceVersion which that write returned (`at`). `when_seen`: it is sent only when the controller has noticed
    the patches before it (status.observedGeneration of the root), or, after some seconds, anyway.
    """

    kind: Kind
    namespace: str
    name: str
    body: Any
    subresource: Literal["", "status", "scale"] = ""
    content: Content = JSON_PATCH
    delete: bool = False
    after_first: bool = False
    when_seen: bool = False

    def path(self) -> str:
        """Where it is sent on the API server."""
        base = f"{self.kind.path(self.namespace)}/{self.name}"
        return f"{base}/{self.subresource}" if self.subresource else base

    def at(self, version: str) -> Patch:
        """The same with `version`, which the first write returned, in place of `VERSION_AFTER`."""
        return replace(self, body=_filled(self.body, version))


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a plan changes in the pod template, in words; empty: it was or will not be there. Values that may
    be secret are never in it."""

    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a state shows once the command has worked; what is None or empty is not looked at. Plain values, so that it
    can be stored and asked again after a restart.

    `origin` is the revision that was asked for when the plan was made, `revision` the one that must be (empty: the
    same) and `left` one that must not be any more; `images` are those of a revision whose key is not known before.
    `passed` is the index of the step that must lie behind, `answered` when the pause began that must be over,
    `settled` asks that the move is over or nearly so, `freed` that no broken pod blocks it; `held` is the most
    pods that may be held back, `serves` the revision and `lane` the side that must have the traffic. An effect that
    names nothing is met at once: nothing of the workload would tell.
    """

    origin: str = ""
    revision: str = ""
    left: str = ""
    images: tuple[str, ...] = ()
    freed: bool = False
    paused: bool | None = None
    aborted: bool | None = None
    passed: int | None = None
    answered: datetime | None = None
    settled: bool = False
    held: int | None = None
    restarted_at: datetime | None = None
    weight: int | None = None
    serves: str = ""
    lane: str = ""
    owner_held: bool | None = None

    def met(self, state: RolloutState) -> bool | None:
        """True: the state shows it. False: it shows that it will not come any more. None: not yet, or it cannot be
        told."""
        if state.phase in (Phase.PENDING, Phase.UNKNOWN):
            return None
        if self.aborted and not state.aborted and state.phase in SETTLED and self._same(state):
            return False
        if (self.passed is not None or self.settled) and state.aborted:
            return False
        return True if all(self._signs(state)) else None

    def lost(self, state: RolloutState) -> bool:
        """Whether something newer took its place: another revision is asked for than the one before and the one
        meant."""
        if state.revision is None or state.phase is Phase.UNKNOWN or not self.origin or self._new():
            return False
        if self.images:
            return state.revision.key != self.origin and not set(self.images) <= set(state.revision.images)
        return state.revision.key not in (self.origin, self.revision or self.origin)

    def _new(self) -> bool:
        """Whether what follows is a revision whose key nobody knows before."""
        return bool(self.left or self.restarted_at or self.lane)

    def _same(self, state: RolloutState) -> bool:
        return state.revision is None or state.revision.key == self.origin

    def _signs(self, state: RolloutState) -> Iterable[bool]:
        revision, weight, owner = state.revision, state.weight, state.owner
        if self.revision:
            yield revision is not None and revision.key == self.revision
        if self.images:
            yield revision is not None and set(self.images) <= set(revision.images)
        if self.left:
            yield revision is not None and revision.key != self.left
        if self.freed:
            yield not any(problem.category == "blocked" for problem in state.problems)
        if self.paused is not None:
            yield state.paused is self.paused
        if self.aborted is not None:
            yield state.aborted is self.aborted
        if self.passed is not None:
            yield state.phase in SETTLED or (state.step_index or 0) > self.passed
        if self.answered is not None:
            yield state.phase not in _WAITING or state.waits_for.since != self.answered
        if self.settled:
            over = state.step_index is not None and 0 < len(state.steps) <= state.step_index
            yield state.phase in SETTLED or over
        if self.held is not None:
            yield state.pace.partition <= self.held
        if self.restarted_at is not None:
            yield state.restarted_at is not None and state.restarted_at >= self.restarted_at
        if self.weight is not None:
            yield weight is not None and weight.wanted == self.weight
        if self.serves:
            yield any(r.key == self.serves and "active" in r.roles for r in state.revisions)
        if self.lane:
            yield any(lane.live and lane.name == self.lane for lane in state.lanes)
        if self.owner_held is not None:
            yield (owner is not None and owner.held_until is not None) is self.owner_held


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be sent, in order, and one sentence about it. No patches: it is already so, nothing is to be done."""

    sentence: str
    patches: tuple[Patch, ...]
    effect: Effect
    from_: Revision | None = None
    to: Revision | None = None
    difference: tuple[Difference, ...] = ()


def decoded(look: Look, kind: Kind, relations: Sequence[Relation]) -> tuple[Root, Kin]:
    """A look as `observe` wants it. Raises `Unreadable`."""
    root: Root = shaped(look.root, kind.name)
    offered: dict[kinship.Key, list[Any]] = {}
    ways = dict.fromkeys((r.via, r.kind.name) for r in relations)
    for name in dict.fromkeys(r.kind.name for r in relations):
        for raw in look.kin.get(name, ()):
            child = shaped(raw, name)
            for via, of in ways:
                for key in kinship.offers(via, name, child) if of == name else ():
                    offered.setdefault(key, []).append(child)
    missing = frozenset(r.kind.name for r in relations) - look.kin.keys()
    return root, kinship.gather(root, relations, lambda key: offered.get(key, ()), missing)


def shaped(raw: Raw, kind: str) -> Any:
    """One object as the shape of its kind. Raises `Unreadable`."""
    try:
        return msgspec.convert(raw, type=SHAPES[kind])
    except msgspec.ValidationError as error:
        raise Unreadable(
            f"A {kind} cannot be read.", f"{cut(str(error))}.", "Look at it with kubectl."
        ) from error


def _filled(body: Any, version: str) -> Any:
    if isinstance(body, Mapping):
        return {key: _filled(value, version) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, version) for value in body]
    return version if body == VERSION_AFTER else body
