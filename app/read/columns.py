"""Which environments are columns, and in which order: that of promotion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .board import Column
from .words import title

_STAGES = (
    ("dev", "development", "sandbox", "local"),
    ("ci", "test", "testing", "int", "integration"),
    ("qa", "uat", "acceptance", "perf"),
    ("stage", "staging", "stg", "preview"),
    ("pre", "preprod", "pre-prod", "preproduction", "canary"),
    ("prod", "production", "prd", "live"),
)
"""Names people give to stages, for whoever has not told us the order."""


def columns(found: Iterable[str], told: Sequence[str]) -> tuple[Column, ...]:
    """The environments that were found, in the order `told`; those not told come first, by their usual
    stage."""

    def place(name: str) -> tuple[int, int, str]:
        if name in told:
            return 1, list(told).index(name), name
        stage = next((i for i, names in enumerate(_STAGES) if name.lower() in names), -1)
        return 0, stage, name

    return tuple(Column(name, title(name)) for name in sorted(set(found), key=place))
