"""Evidence with what only the cluster knows: how the pod template of a rollout differs from the one that serves.

Asked once a gate, since a gate is bound to its two revisions; while the cluster does not answer, it is not known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from app.domain.errors import ShipboardError
from app.domain.evidence import Changed, Evidence
from app.domain.gates import Gate
from app.domain.refusals import ClusterError
from app.engines import template

from .ballots import Gather
from .look import ClusterLike, look

LOOK_SECONDS = 4.0
AGAIN = 60.0
"""Seconds after which a cluster is asked again that did not answer."""


class Gathering:
    """Adds the configuration to what `facts` gathers."""

    def __init__(self, facts: Gather, clusters: Mapping[str, ClusterLike]) -> None:
        self._facts, self._clusters = facts, clusters
        self._failed: dict[str, float] = {}

    async def __call__(self, gate: Gate) -> Evidence:
        """All that is known for `gate`, now. Raises StoreUnavailable."""
        found = await self._facts(gate)
        kept = gate.evidence.configuration
        return replace(found, configuration=kept if kept is not None else await self._configuration(gate))

    async def _configuration(self, gate: Gate) -> tuple[Changed, ...] | None:
        target, stable = gate.subject.target, gate.subject.expected.stable
        cluster = self._clusters.get(target.cluster) if target else None
        if target is None or cluster is None or not stable:
            return None
        if time.monotonic() - self._failed.get(gate.key, float("-inf")) < AGAIN:
            return None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = template.since((await look(cluster, target)).look, stable)
        except (TimeoutError, ClusterError, ShipboardError):
            found = None
        if found is None:
            if len(self._failed) > 1000:
                self._failed.clear()
            self._failed[gate.key] = time.monotonic()
            return None
        return tuple(Changed(d.what, d.before, d.after) for d in found)
