"""A workload as a board may show it: what it said, through the verdict on its sources. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..domain.rollout import Attention
from .rows import WorkloadRow

SEVERITY = {attention: place for place, attention in enumerate(Attention)}
"""Worst first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a workload can be seen. If not: why, and when its source was last heard (None: never)."""

    unseen: bool
    message: str = ""
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload, with the attention it may be shown with: its own, unless it cannot be seen."""

    row: WorkloadRow
    verdict: Verdict
    attention: Attention

    @classmethod
    def of(cls, row: WorkloadRow, verdict: Verdict) -> Seen:
        """`row` under `verdict`."""
        return cls(row, verdict, Attention.UNKNOWN if verdict.unseen else row.attention)

    @property
    def key(self) -> tuple[int, float, str]:
        """Worst first: severity, then the longest waiting or the newest, then the name."""
        since = self.row.since.timestamp()
        age = since if self.attention is Attention.WAITING else -since
        return SEVERITY[self.attention], age, str(self.row.ref)
