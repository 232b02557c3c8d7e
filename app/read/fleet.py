"""Everything the board is made of, in memory, read from the database and kept up by the topics that ingest publishes.

Pages, streams and the JSON API all build on one `Fleet`; it costs a query for what changed, never for what did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..live import Topic
from .rows import RolloutRow, SourceRow, WorkloadRow


class Fleet:
    """Current workloads (gone ones left out), sources, and the rollouts of the last 24 hours, by key."""

    workloads: Mapping[str, WorkloadRow]
    sources: Mapping[str, SourceRow]
    rollouts: Mapping[str, RolloutRow]

    async def load(self) -> None:
        """Read everything. Call after subscribing to `Live`, so that nothing falls between."""
        raise NotImplementedError

    async def refresh(self, topics: Iterable[Topic]) -> None:
        """Read again the rows that `topics` name; rows that are no longer there leave the maps."""
        raise NotImplementedError
