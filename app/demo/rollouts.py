"""Argo Rollouts (placeholder)."""

from __future__ import annotations

from typing import Any


def settled_status(replicas: int, name: str, strategy: dict[str, Any], hashed: str, revision: int, changed: str) -> dict[str, Any]:
    return {}
