"""A drill proves that a rollback works: back to the version before, and forward again, where it harms nobody."""

from __future__ import annotations

from collections.abc import Sequence

from .rollout import SETTLED, Health, RolloutState, Strategy

PRODUCTION = frozenset({"production", "prod", "prd", "live"})
"""Environments that count as production, besides the last one of the order."""
_STRATEGIES = frozenset({Strategy.ROLLING, Strategy.RECREATE})
"""Strategies that go back by themselves, without anybody who answers a step."""


def production(order: Sequence[str]) -> frozenset[str]:
    """The environments that are production, given their promotion order (empty: not told)."""
    return frozenset(order[-1:]) | PRODUCTION


def why_not(state: RolloutState) -> str | None:
    """Why no drill can be made now, in a sentence; empty when one can, None where none ever makes sense."""
    if state.strategy not in _STRATEGIES:
        return None
    if state.phase not in SETTLED or state.health is not Health.HEALTHY:
        return "It is not at rest and healthy."
    if not state.counts.wanted:
        return "It has no pods."
    if len(state.revisions) < 2:
        return "No other revision is kept."
    return ""
