"""For whoever runs Shipboard: /healthz (should it live), /ready (may it get traffic), /metrics (how is it).

Alive means that the two loops which make the board advance do: the projection, and the writer. That HTTP
answers proves nothing. Ready has reasons, each a sentence. None of the three tells anything about the fleet
itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from fastapi import FastAPI
from starlette.responses import Response

from app.domain.policy import Permission

from .auth.access import needs
from .errors import problem

ALIVE = 30.0
"""Seconds within which projection and writer must have advanced."""
FIRST_LIST = 30.0
"""Seconds after the start for which a board that never heard from a cluster is not ready; then it may say so
itself."""


class Projection(Protocol):
    """What is asked of the hub."""

    ready: bool

    def beat_age(self) -> float:
        """Seconds since the projection loop last made a heartbeat."""


class Vitals:
    """The process's state, as its probes see it. Parts report; the routes read."""

    def __init__(self, trouble: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self.draining = False
        self.projection: Projection | None = None
        """Set once the database is open."""
        self.heard: Callable[[], bool] = lambda: False
        """Whether any cluster was ever listed."""
        self.down: Mapping[str, str] = {}
        """Supervised tasks that are down, by name, with the reason."""
        self._refused: dict[str, str] = {}
        self._trouble = trouble
        self._clock = clock
        self._began = self._written = clock()

    def wrote(self, who: str, refused: str = "") -> None:
        """A writer came round: it wrote, or the database said why not."""
        self._written = self._clock()
        self._refused[who] = refused

    def ages(self) -> dict[str, float]:
        """Seconds since projection and writer last advanced."""
        now = self._clock()
        projection = self.projection.beat_age() if self.projection else now - self._began
        return {"projection": round(projection, 1), "writer": round(now - self._written, 1)}

    def stuck(self) -> list[str]:
        """The loops that did not advance in time, as sentences."""
        return [
            f"the {name} has not advanced for {age:.0f} s" for name, age in self.ages().items() if age > ALIVE
        ]

    def reasons(self) -> list[str]:
        """Why not to send traffic here, as sentences; empty when ready."""
        found = []
        if self.draining:
            found.append("draining: this process was told to end")
        if self.projection is None or not self.projection.ready:
            found.append("starting: the board is not read yet")
        elif not self.heard() and self._clock() - self._began < FIRST_LIST:
            found.append("starting: no cluster has been listed yet")
        refused = sorted({why.rstrip(".") for why in self._refused.values() if why})
        found += [f"the database does not take writes: {why}" for why in refused]
        if trouble := self._trouble():
            found.append(trouble)
        return found + self.stuck()


def install(app: FastAPI, vitals: Vitals, exposition: Callable[[], bytes]) -> None:
    """Add the three routes. `exposition` answers the metrics in the text format."""

    async def healthz() -> Response:
        if stuck := vitals.stuck():
            return problem(503, "Stuck", "; ".join(stuck) + ".", ages=vitals.ages(), down=vitals.down)
        return _json({"alive": True, "ages": vitals.ages(), "down": vitals.down})

    async def ready() -> Response:
        if reasons := vitals.reasons():
            return problem(503, "Not ready", "; ".join(reasons) + ".", reasons=reasons)
        return _json({"ready": True})

    async def metrics() -> Response:
        return Response(
            exposition(),
            headers={"cache-control": "no-store"},
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    for path, route, permission in (
        ("/healthz", healthz, Permission.OPEN),
        ("/ready", ready, Permission.OPEN),
        ("/metrics", metrics, Permission.VIEW),
    ):
        app.add_api_route(
            path, route, methods=["GET", "HEAD"], include_in_schema=False, dependencies=[needs(permission)]
        )


def _json(body: object) -> Response:
    return Response(
        msgspec.json.encode(body), headers={"cache-control": "no-store"}, media_type="application/json"
    )
