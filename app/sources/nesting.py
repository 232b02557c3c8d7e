"""How deep what somebody sent is nested."""

from __future__ import annotations

from typing import Any


def deeper(value: Any, levels: int) -> bool:
    """Whether `value` nests deeper than `levels`; level by level, so that no depth can exhaust the stack."""
    level = [value]
    while level and levels:
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        levels -= 1
    return bool(level)
