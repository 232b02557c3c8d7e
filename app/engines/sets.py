"""What StatefulSets and DaemonSets share: their relatives, ControllerRevisions as revisions, pods by their hash label,
refusals that exist only as events.

Neither kind has a deadline, a pause or a condition that says why no pod is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ..domain.names import cut
from ..domain.revisions import Revision
from ..domain.rollout import Pod, PodCondition
from . import pods as squares
from . import reading
from . import revisions as served
from .port import CONTROLLERREVISION, POD, SERVED, Kin, Relation, Via, reported
from .shapes import ControllerRevision, Template

RELATIONS: tuple[Relation, ...] = (
    Relation(CONTROLLERREVISION, Via.OWNER),
    Relation(POD, Via.OWNER),
    *SERVED,
    reported("Pod"),
)
HASH = "controller-revision-hash"
"""Label of pods: the revision's name (StatefulSet) or its own value of this label (DaemonSet)."""
Read = list[tuple[Pod, str]]


def template(revision: ControllerRevision | None) -> Template | None:
    """The pod template that a revision keeps."""
    return revision.data.spec.template if revision and revision.data and revision.data.spec else None


def age(revision: ControllerRevision) -> tuple[int, str]:
    """Orders revisions by the number kubectl prints."""
    return revision.revision or 0, revision.metadata.name


def pods(kin: Kin, new: str) -> Read:
    """Pods with the categories of their problems, those of the revision `new` first."""
    read = []
    for pod in kin.pods:
        key = (pod.metadata.labels or {}).get(HASH, "")
        read.append(squares.read(pod, key, bool(key) and key == new, kin.warnings.get(pod.metadata.uid, ())))
    read.sort(key=lambda p: (not p[0].new, p[0].name))
    return read


def revisions(
    kin: Kin, key_of: Callable[[ControllerRevision], str], new: str, read: Read
) -> tuple[Revision, ...]:
    """All revisions that are kept, newest first, with the pods each has."""
    found = []
    for kept in kin.revisions:
        key, made, notes = key_of(kept), template(kept), kept.metadata.annotations
        mine = [p for p, _ in read if p.revision == key and p.condition is not PodCondition.ENDING]
        up = sum(p.condition is PodCondition.READY for p in mine)
        found.append(
            Revision(
                key=key,
                number=kept.revision,
                images=reading.images(made),
                version=reading.version(made),
                cause=cut(notes.change_cause) if notes and notes.change_cause else "",
                created_at=kept.metadata.creation_timestamp,
                roles=("new",) if key == new else ("old",),
                wanted=len(mine),
                ready=up,
                available=up,
            )
        )
    return served.newest_first(found)


def began(new: ControllerRevision | None, kin: Kin) -> datetime | None:
    """When the move to a revision began: its creation; or, for one that an undo took into use again, the
    creation of its first pod that is younger than every other revision. None when nothing tells."""
    if new is None:
        return None
    born = new.metadata.creation_timestamp
    others = [r.metadata.creation_timestamp for r in kin.revisions if r is not new]
    floor = max((t for t in others if t), default=None)
    if floor is None or born is None or born >= floor:
        return born
    keys = {new.metadata.name, (new.metadata.labels or {}).get(HASH)}
    made = [p.metadata.creation_timestamp for p in kin.pods if (p.metadata.labels or {}).get(HASH) in keys]
    return min((t for t in made if t and t >= floor), default=None)


def same(asked: Template | None, kept: Sequence[ControllerRevision]) -> ControllerRevision | None:
    """The revision that keeps the template asked for, as far as it is decoded; the newest of several."""
    if asked is None:
        return None
    agreeing = [r for r in kept if served.agree(asked, template(r), HASH)]
    return max(agreeing, key=age, default=None)


def ready(read: Read) -> int:
    """How many pods of the newest revision are ready."""
    return sum(p.new and p.condition is PodCondition.READY for p, _ in read)
