"""Builds and figures of DORA made by hand, for the scenes of a calm wall."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from app.domain.budget import BUDGET, Verdict
from app.domain.dora import Figures
from app.domain.intervals import middle, rate, share
from app.domain.rollout import Attention
from app.read.board import Column, Sentence
from app.read.builds import Builds, ServiceBuilds, service_builds
from app.read.dora import Dora
from app.read.dora_query import DoraQuery
from app.read.runs import RunLine, StageSpan
from tests.fleets import NOW, before

STAGES = (("lint", 40), ("build", 110), ("unit", 150), ("integration", 190), ("publish", 60))
_WORN = {Verdict.GREEN: Attention.GOOD, Verdict.RED: Attention.FAILED, Verdict.RUNS: Attention.MOVING}


def run(service: str, ago: float, pace: float, verdict: Verdict = Verdict.GREEN) -> RunLine:
    """A run that began so many minutes before NOW; `pace` stretches its stages."""
    begun, spans = before(minutes=ago), []
    at = begun + timedelta(seconds=25)
    shown = STAGES if verdict is Verdict.GREEN else STAGES[:3]
    for name, length in shown:
        ends = at + timedelta(seconds=length * pace)
        last = name == shown[-1][0] and verdict is not Verdict.GREEN
        runs = last and verdict is Verdict.RUNS
        spans.append(StageSpan(name, at, None if runs else ends, 0, _WORN[verdict] if last else None))
        at = ends
    ended = None if verdict is Verdict.RUNS else at
    seconds = round((at - begun).total_seconds()) if ended else None
    sha = f"{len(service) * 7919 + round(ago * 60):040x}"
    return RunLine(
        id=f"{service}-{ago:g}",
        services=(service,),
        repo=f"github.com/acme/{service}",
        pipeline="ci",
        branch="main",
        sha=sha,
        title="Retry the lookup once",
        actor="lena",
        number=7,
        attempt=1,
        url="",
        begun_at=begun,
        ended_at=ended,
        seconds=seconds,
        queued=25,
        over=max(0, (seconds or 0) - round(BUDGET.total_seconds())),
        verdict=verdict,
        attention=_WORN[verdict],
        word={Verdict.GREEN: "Passed", Verdict.RED: "Unit failed", Verdict.RUNS: "Runs, unit"}[verdict],
        stages=tuple(spans),
    )


NAMES = (
    "recommendations",
    "storefront-web",
    "cart",
    "catalogue",
    "checkout-api",
    "fraud-scoring-feature-service",
    "identity",
    "invoicing",
    "notifications",
    "payments-worker",
    "pricing",
    "search-indexer",
)


def all_builds() -> Mapping[str, ServiceBuilds]:
    """Twelve services: one red, one that runs, one over its budget."""
    first = {NAMES[0]: Verdict.RED, NAMES[1]: Verdict.RUNS}
    found = {}
    for place, name in enumerate(NAMES):
        newest = run(
            name, 3 + 9 * place, 1.5 if place == 2 else 0.7 + place / 40, first.get(name, Verdict.GREEN)
        )
        past = [run(name, 60 * n + place, 0.75 + n / 50) for n in range(2, 9)]
        found[name] = service_builds(name, (newest, *past))
    return found


class StillBuilds(Builds):
    """Builds that stay as they were made."""

    def __init__(self, some: Mapping[str, ServiceBuilds]) -> None:
        super().__init__()
        self._by_service.update(some)


def builds() -> Builds:
    """`all_builds` as a fleet has them."""
    return StillBuilds(all_builds())


def week(n: int) -> Figures:
    """Figures of one of twelve weeks."""
    waits = [3600.0 * (2.4 + n % 4 / 3 + i % 7 / 5 - n / 12) for i in range(8 + n)]
    repairs = [60.0 * (25 + 9 * (n % 3) + i) for i in range(7)]
    failed = 1 + n % 2
    return Figures(
        middle(waits), rate(70 + 5 * n, 7), middle(repairs), share(failed, 24), share(1, 25), middle([]), 0
    )


@cache
def figures() -> Dora:
    """Twelve weeks of figures."""
    whole = Figures(
        middle([3600.0 * (1 + i / 30) for i in range(112)]),
        rate(412, 30),
        middle([600.0 * i for i in range(2, 13)], 1),
        share(20, 281),
        share(18, 281),
        middle([]),
        3,
    )
    return Dora(
        Sentence((), ""),
        "production",
        (Column("production", "Production"),),
        NOW - timedelta(days=30),
        NOW.replace(second=0),
        whole,
        tuple(week(n) for n in range(12)),
        (),
        0,
        0,
        False,
        DoraQuery(),
    )
