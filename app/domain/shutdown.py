"""How old pods ended, kept for as long as it tells of the revision that is there.

An ended pod is gone from the cluster within seconds, and with it the only trace of how it ended; so what was
seen of it stays with the workload until the next revision is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .rollout import Caution, CautionKind, RolloutState

PROOF = frozenset({CautionKind.KILLED, CautionKind.OVERRAN})
"""Kinds of cautions that tell how pods ended."""
NAMED = 50
"""Most pods that a caution names; beyond them a pod that is seen twice counts twice."""


def kept(before: Sequence[Caution], revision: str, state: RolloutState) -> RolloutState:
    """`state` with what the look before said of pods that have ended since. `revision` is the key of the one that
    was asked for then; another one begins anew."""
    if not before or (state.revision is not None and state.revision.key != revision):
        return state
    now = {c.kind: c for c in state.cautions}
    joined = {c.kind: _joined(c, now.get(c.kind)) for c in before if c.kind in PROOF}
    rest = [c for c in state.cautions if c.kind not in joined]
    return replace(state, cautions=(*rest, *joined.values()))


def _joined(old: Caution, new: Caution | None) -> Caution:
    if new is None:
        return old
    more = [name for name in new.who if name not in old.who]
    return replace(
        new,
        pods=old.pods + len(more),
        since=min((t for t in (old.since, new.since) if t), default=None),
        who=(*old.who, *more)[:NAMED],
    )
