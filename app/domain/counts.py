"""Counts as people say them: one pod is "its one pod", never "all 1 pods". Pure."""

from __future__ import annotations


def every(n: int, noun: str = "pod") -> str:
    """All of `n`: "its one pod", "all 4 pods"."""
    return f"its one {noun}" if n == 1 else f"all {n:,} {noun}s"


def among(n: int, total: int, noun: str = "pod") -> str:
    """`n` of `total`: "its one pod", "0 of 1 pod", "2 of 4 pods"."""
    if total == 1:
        return f"its one {noun}" if n == 1 else f"{n:,} of 1 {noun}"
    return f"{n:,} of {total:,} {noun}s"
