"""The only door out: commands are judged, recorded, written on conditions, and done when seen."""

from __future__ import annotations

from .door import Perform
from .look import ClusterLike
from .rounds import Rounds
from .terms import Ask, Blocked, KeyReused, Moved, NotKnown, Preview, Receipt, RightsNow, Rules, receipt_of

__all__ = [
    "Ask",
    "Blocked",
    "ClusterLike",
    "KeyReused",
    "Moved",
    "NotKnown",
    "Perform",
    "Preview",
    "Receipt",
    "RightsNow",
    "Rounds",
    "Rules",
    "receipt_of",
]
