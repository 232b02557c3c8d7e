"""The only door out: commands are judged, recorded, written on conditions, and done when seen."""

from __future__ import annotations

from .answers import cast_ballot
from .ballots import Ballot, EvidenceChanged, Over
from .door import Perform
from .freezer import Freezer
from .freezing import Freezes
from .gatekeeper import Gatekeeper
from .gates import Gates
from .gathering import Gathering
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
    "Gathering",
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
    "cast_ballot",
    "receipt_of",
]
