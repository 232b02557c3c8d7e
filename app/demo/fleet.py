"""Placeholder until the fleet's stories are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster


class Fleet:
    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster

    def install(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...
