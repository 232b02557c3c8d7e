"""Examples of the answers on CI and deployments, for the documentation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain import dora as rules
from app.domain.budget import Verdict
from app.domain.rollout import Attention
from app.read.board import Clause, Column, Sentence
from app.read.builds import service_builds
from app.read.commits import CommitPage
from app.read.dora import Dora, DoraRow, ServiceFigures
from app.read.dora_query import DoraQuery
from app.read.pipelines import PipelinesQuery, pipelines
from app.read.run_page import RunPage
from app.read.runs import JobLine, RunLine, StageSpan
from app.read.timeline import Deployed, Stroke, Timeline
from app.read.timeline_query import TimelineQuery
from app.read.way import CommitShown, Image, WayStep
from app.read.whereabouts import PlaceNow

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
SHA = "9c1f0e7d" * 5
RUN = RunLine(
    id="5f0c91ab6b2e11f18f8e3c5d",
    services=("checkout",),
    repo="github.com/acme/checkout",
    pipeline="CI",
    branch="main",
    sha=SHA,
    title="Retry address lookup once",
    actor="ada",
    number=1841,
    attempt=1,
    url="https://github.com/acme/checkout/actions/runs/1841",
    begun_at=NOW,
    ended_at=NOW + timedelta(seconds=522),
    seconds=522,
    queued=18,
    over=0,
    verdict=Verdict.GREEN,
    attention=Attention.GOOD,
    word="Passed",
    stages=(StageSpan("unit", NOW + timedelta(seconds=18), NOW + timedelta(seconds=522), 0, None),),
)
_SLOW = replace(RUN, id="6" * 24, seconds=744, over=144)
PIPELINES = pipelines({"checkout": service_builds("checkout", (_SLOW, RUN))}, PipelinesQuery())
_SENTENCE = Sentence((Clause(Attention.GOOD, "CI passed", "."),), "CI passed.")
_JOB = JobLine("7" * 24, "unit tests", "unit", Attention.GOOD, "passed", NOW, NOW, 504, "runner-2", "")
RUN_PAGE = RunPage(
    RUN, _SENTENCE, (_JOB,), (), (), (("ghcr.io/acme/checkout:4.19.0", "sha256:" + "ab" * 32),), (), 900, 600
)
COMMIT_PAGE = CommitPage(
    commit=CommitShown(
        "github.com/acme/checkout",
        SHA,
        "Retry address lookup once",
        "ada",
        "main",
        "1841",
        "",
        NOW,
        NOW,
        None,
        None,
    ),
    services=("checkout",),
    sentence=Sentence(
        (Clause(Attention.GOOD, "It is live in production", "."),), "It is live in production."
    ),
    way=(
        WayStep("Pushed to main by ada", NOW, Attention.GOOD),
        WayStep("CI passed", RUN.ended_at, Attention.GOOD, seconds=504, what="pipeline", run=RUN.id),
    ),
    places=(
        PlaceNow(
            "production",
            "Production",
            True,
            Attention.GOOD,
            "live",
            "4.19.0",
            NOW,
            "east/shop/Rollout/checkout",
        ),
    ),
    spent=(("Pipeline", 522),),
    lead=10_200,
    began_at=NOW,
    images=(Image("ghcr.io/acme/checkout", "4.19.0", "sha256:" + "ab" * 32, "verified"),),
    travels=(),
    runs=(RUN,),
)
_DEPLOYED = Deployed(
    "8" * 24,
    "checkout",
    "production",
    "4.18.2",
    "4.19.0",
    NOW,
    NOW,
    340,
    "Landed",
    Attention.GOOD,
    "",
    "ada",
    SHA,
    "Retry",
    "",
)
_LANDED = Sentence(
    (Clause(Attention.GOOD, "One deployment landed in seven days", "."),), "One deployment landed."
)
TIMELINE = Timeline(
    _LANDED,
    (_DEPLOYED,),
    (Stroke(NOW, "production", "landed"),),
    (Column("production", "Production"),),
    NOW - timedelta(days=7),
    NOW,
    1,
    False,
    TimelineQuery(),
    None,
)
_FIGURES = rules.figures(
    rules.judge(
        [
            rules.Deployment(
                "8" * 24,
                "checkout",
                "production",
                "4.19.0",
                NOW - timedelta(days=2),
                NOW - timedelta(days=2),
                rules.Ending.LANDED,
                committed_at=(NOW - timedelta(days=2, hours=3),),
            )
        ],
        (),
        NOW,
    ),
    NOW - timedelta(days=30),
    NOW,
)
DORA = Dora(
    Sentence(
        (Clause(Attention.GOOD, "Half of all commits are live within 3 h 00 min", "."),),
        "Half of all commits.",
    ),
    "production",
    (Column("production", "Production"),),
    NOW - timedelta(days=30),
    NOW,
    _FIGURES,
    (_FIGURES,),
    (ServiceFigures("checkout", _FIGURES, ((10_800.0, None, None),)),),
    0,
    0,
    False,
    DoraQuery(),
)
DORA_ROW = DoraRow(
    "8" * 24,
    "checkout",
    "production",
    "4.19.0",
    NOW,
    NOW,
    "landed",
    False,
    False,
    "good",
    "",
    None,
    None,
    None,
    False,
    (NOW,),
    (340.0,),
)
