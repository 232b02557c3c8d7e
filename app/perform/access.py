"""What the cluster lets Shipboard do, asked before anything is offered, and remembered for a minute.

Without the act role every answer is no, and the board is one to look at.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from app.domain.policy import Blocker
from app.domain.refusals import ClusterError
from app.engines.acting import Patch
from app.engines.port import Kind

from .look import ClusterLike

KEPT = 60.0
"""Seconds that an answer is believed."""
_MOST = 5_000


class Access:
    """Asks each cluster once a minute about each kind and namespace."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, Kind], tuple[float, bool]] = {}

    async def blockers(self, cluster: ClusterLike, patches: Iterable[Patch]) -> tuple[Blocker, ...]:
        """What of these writes the cluster does not let us do."""
        wanted = dict.fromkeys(
            (
                "delete" if patch.delete else "patch",
                replace(patch.kind, plural=f"{patch.kind.plural}/{patch.subresource}")
                if patch.subresource
                else patch.kind,
                patch.namespace,
            )
            for patch in patches
        )
        found = [await self.blocker(cluster, kind, namespace, verb) for verb, kind, namespace in wanted]
        return tuple(blocker for blocker in found if blocker)

    async def blocker(
        self, cluster: ClusterLike, kind: Kind, namespace: str, verb: str = "patch"
    ) -> Blocker | None:
        """The blocker where it does not; none where that cannot be asked, since the dry run will tell."""
        asked = (cluster.name, namespace, verb, kind)
        at, allowed = self._known.get(asked, (float("-inf"), True))
        if time.monotonic() - at > KEPT:
            try:
                allowed = (await cluster.may(verb, kind, namespace)).allowed
            except ClusterError:
                return None
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[asked] = (time.monotonic(), allowed)
        if allowed:
            return None
        where = f" in {namespace}" if namespace else ""
        said = f"Shipboard may not {verb} {kind.plural}{where}."
        return Blocker("access", said, "Whoever runs the cluster: bind the role of deploy/act-role.yaml.")
