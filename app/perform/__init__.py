"""The only door out: commands are judged, recorded, written on conditions, and done when seen."""

from __future__ import annotations

from .ballots import Ballot, EvidenceChanged, Over
from .door import Perform
from .freezer import Freezer
from .freezing import Freezes
from .gatekeeper import Gatekeeper
from .gates import Gates
from .incidents import Incidents
from .look import ClusterLike
from .rounds import Rounds
from .terms import (
    Ask,
    Blocked,
    KeyReused,
    Moved,
    NotKnown,
    Preview,
    Receipt,
    RightsNow,
    Rules,
    Unsuited,
    receipt_of,
)

__all__ = [
    "Ask",
    "Ballot",
    "Blocked",
    "ClusterLike",
    "EvidenceChanged",
    "Freezer",
    "Freezes",
    "Gatekeeper",
    "Gates",
    "Incidents",
    "KeyReused",
    "Moved",
    "NotKnown",
    "Over",
    "Perform",
    "Preview",
    "Receipt",
    "RightsNow",
    "Rounds",
    "Rules",
    "Unsuited",
    "receipt_of",
]
