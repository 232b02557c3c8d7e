"""Which bytes each revision runs, by the `imageID` that kubelets report; the same for every engine.

A revision without pods runs nothing, and pods that have not pulled yet say nothing. Two digests for one container
are two platforms, or a tag that moved between two pods.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..domain.artifacts import image_digest
from ..domain.revisions import Revision
from ..domain.rollout import RolloutState
from . import shapes

MOST = 8
"""Digests kept of one revision."""


def with_digests(state: RolloutState, pods: Iterable[shapes.Pod]) -> RolloutState:
    """`state`, its revisions with the digests that `pods` run; the order is that of containers, then of digests."""
    owner = {pod.name: pod.revision for pod in state.pods}
    found: dict[str, set[tuple[int, str]]] = {}
    for pod in pods:
        revision = owner.get(pod.metadata.name)
        if revision is None or pod.status is None:
            continue
        for place, container in enumerate(pod.status.container_statuses or ()):
            if digest := image_digest(container.image_id or ""):
                found.setdefault(revision, set()).add((place, digest))
    if not found:
        return state
    digests = {
        key: tuple(dict.fromkeys(digest for _, digest in sorted(told)))[:MOST] for key, told in found.items()
    }

    def known(revision: Revision) -> Revision:
        return replace(revision, digests=digests[revision.key]) if revision.key in digests else revision

    return replace(
        state,
        revision=known(state.revision) if state.revision else None,
        stable=known(state.stable) if state.stable else None,
        revisions=tuple(known(revision) for revision in state.revisions),
    )
