"""ReplicaSets read as revisions: which one runs a template, what each is, and when the move to one began.

Numbers are only what kubectl prints (undo renumbers a ReplicaSet), so callers pass the key that identifies
a revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ..domain.names import cut
from ..domain.revisions import Revision
from . import reading
from .reading import images, version, wanted
from .shapes import Deployment, DeploymentSpec, DeploymentStatus, Pod, ReplicaSet, Template

HASH = "pod-template-hash"
"""Label by which the deployment controller tells ReplicaSets apart."""


def read(rs: ReplicaSet, key: str, no: int | None, roles: tuple[str, ...]) -> Revision:
    """A ReplicaSet as a revision."""
    spec, status, meta, made = rs.spec, rs.status, rs.metadata, template(rs)
    cause = meta.annotations.change_cause if meta.annotations else None
    return Revision(
        key=key,
        number=no,
        images=images(made),
        version=version(made),
        cause=cut(cause) if cause else "",
        created_at=meta.creation_timestamp,
        roles=roles,
        wanted=wanted(spec.replicas if spec else 0),
        ready=(status.ready_replicas or 0) if status else 0,
        available=(status.available_replicas or 0) if status else 0,
    )


def newest_first(revisions: Iterable[Revision]) -> tuple[Revision, ...]:
    """Revisions by falling number, then by age, then by key: the same order for the same set."""
    return tuple(
        sorted(
            revisions,
            key=lambda r: (r.number or 0, r.created_at.timestamp() if r.created_at else 0.0, r.key),
            reverse=True,
        )
    )


def began(
    current: ReplicaSet, reused: bool, all_: Sequence[ReplicaSet], pods: Iterable[Pod]
) -> datetime | None:
    """When the move to `current` began: its ReplicaSet's creation, or, for one that an undo took into use
    again, the creation of its first pod that is younger than every other ReplicaSet. None when nothing
    tells."""
    if not reused:
        return current.metadata.creation_timestamp
    uid = current.metadata.uid
    others = [r.metadata.creation_timestamp for r in all_ if r.metadata.uid != uid]
    floor = max((t for t in others if t), default=None)
    born = [p.metadata.creation_timestamp for p in pods if p.metadata.owner_uid == uid]
    return min((t for t in born if t and (floor is None or t >= floor)), default=None)


def serving(revisions: Iterable[Revision], but: str) -> Revision | None:
    """Of the revisions that have pods, `but` aside, the one that serves most."""
    old = [r for r in revisions if r.key != but and (r.wanted or r.ready)]
    return max(old, key=lambda r: (r.available, r.ready, r.wanted, r.number or 0), default=None)


def age(rs: ReplicaSet) -> tuple[float, int, str]:
    """Orders ReplicaSets from old to young: by creation, within one second by the number its controller gave it, then,
    as the deployment controller does, by name."""
    created, notes = rs.metadata.creation_timestamp, rs.metadata.annotations
    text = (notes.revision or notes.rollout_revision) if notes else None
    return (created.timestamp() if created else 0.0, reading.number(text) or 0, rs.metadata.name)


def template(rs: ReplicaSet) -> Template | None:
    """The pod template it makes pods from."""
    return rs.spec.template if rs.spec else None


def same_template(asked: Template | None, rs: ReplicaSet, hash_label: str) -> bool:
    """Whether the templates agree in all that is decoded, the hash label aside."""
    return agree(asked, template(rs), hash_label)


def agree(asked: Template | None, made: Template | None, hash_label: str) -> bool:
    """Whether two templates agree in all that is decoded, the hash label aside."""
    if asked is None or made is None:
        return False
    return asked.spec == made.spec and _marks(asked, hash_label) == _marks(made, hash_label)


def _marks(of: Template, hash_label: str) -> tuple[dict[str, str], str | None]:
    if of.metadata is None:
        return {}, None
    annotations = of.metadata.annotations
    labels = {k: v for k, v in (of.metadata.labels or {}).items() if k != hash_label}
    return labels, annotations.restarted_at if annotations else None


def new_of(root: Deployment, owned: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet that runs the Deployment's template, or None while there is none (paused, or not
    reconciled yet).

    The controller gives it the Deployment's revision number; templates are compared as far as they were
    decoded, which tells an edit that is not made yet apart. An edit that shows only in what is not decoded
    (env) is told by the counters: while paused, a ReplicaSet with pods of which none counts as updated is
    not the new one.
    """
    spec, status = root.spec or DeploymentSpec(), root.status or DeploymentStatus()
    same = [rs for rs in owned if same_template(spec.template, rs, HASH)]
    asked = reading.number(root.metadata.annotations.revision) if root.metadata.annotations else None
    numbered = next((rs for rs in same if asked is not None and number(rs) == asked), None)
    if numbered is None:
        return max(same, key=age, default=None)
    has_pods = numbered.status is not None and numbered.status.replicas
    return None if spec.paused and has_pods and not status.updated_replicas else numbered


def number(rs: ReplicaSet) -> int | None:
    """The number that kubectl prints for a Deployment's ReplicaSet."""
    return reading.number(rs.metadata.annotations.revision if rs.metadata.annotations else None)


def unread(root: Deployment) -> Revision | None:
    """The revision as the Deployment alone tells it, its ReplicaSets not being seen: without a key, so that a right
    that goes and comes back is not told as two rollouts."""
    asked = root.metadata.annotations.revision if root.metadata.annotations else None
    if not asked:
        return None
    made = root.spec.template if root.spec else None
    return Revision(
        key="",
        number=reading.number(asked),
        images=images(made),
        version=version(made),
        roles=("new",),
    )
