"""What is known of a kind on a cluster, and the words for it."""

from __future__ import annotations

from enum import StrEnum

from ..domain.freshness import Freshness, judge
from ..domain.refusals import Absent, ClusterError, Denied
from ..engines.port import Kind
from .pulse import Pulse


class Standing(StrEnum):
    """What is known of a kind on this cluster."""

    UNLISTED = "unlisted"
    LISTED = "listed"
    DENIED = "denied"
    ABSENT = "absent"


def explain(
    kind: Kind,
    standing: Standing,
    freshness: Freshness,
    trouble: ClusterError | None,
    pulse: Pulse,
) -> str:
    """What is wrong and what to do, in plain words; empty when nothing is. `trouble` is the source's own,
    `pulse` tells of the whole cluster."""
    if isinstance(trouble, Absent):
        name = ".".join(filter(None, (kind.plural, kind.api.rpartition("/")[0])))
        return f"{name} is not installed there. Shipboard looks again every half minute."
    if freshness is Freshness.LIVE:
        return ""
    if isinstance(trouble, Denied) and kind.worth:
        return f"{trouble} Nothing of the board depends on it but {kind.worth}."
    trouble = trouble or (pulse.trouble if standing is not Standing.UNLISTED else None)
    if trouble is not None:
        return str(trouble)
    if standing is Standing.UNLISTED:
        return f"Reading {kind.plural} for the first time."
    if judge(0.0, pulse.age) is Freshness.LIVE:
        return f"The watch of {kind.plural} has gone silent. Shipboard opens it again, or lists."
    return "The API server does not answer in time; Shipboard keeps trying."
