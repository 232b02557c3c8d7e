"""The stops of a commit's road, from what is known of its push, its runs and its rollouts. Pure.

Where it has got to by now is told by `whereabouts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.rollout import Attention, Outcome

from .past import PastRollout
from .pipelines import minutes
from .rows import WorkloadRow
from .runs import NEVER, RunLine
from .words import word

LANDED = frozenset({Outcome.PROMOTED, Outcome.FAST_PROMOTED})


@dataclass(frozen=True, slots=True)
class WayStep:
    """One stop of the road. `seconds` is how long it took to get there, `what` of; where it still lasts, `since`.
    `ref` leads to a workload, `run` to a run. No `at`: it is to come, or nobody saw when it was."""

    title: str
    at: datetime | None
    attention: Attention | None
    detail: str = ""
    seconds: int | None = None
    what: str = ""
    since: datetime | None = None
    ref: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class CommitShown:
    """A commit as pushes told of it; `landed` is the one that took it to the main branch in its place."""

    repo: str
    sha: str
    title: str
    author: str
    branch: str
    change: str
    url: str
    committed_at: datetime | None
    pushed_at: datetime | None
    opened_at: datetime | None
    merged_at: datetime | None
    landed: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image made from the commit, and what proves it ("claimed", "verified" …; empty: nothing)."""

    name: str
    tag: str
    digest: str
    proof: str


def push_steps(commit: CommitShown) -> list[WayStep]:
    """The push."""
    at = commit.pushed_at or commit.committed_at
    if at is None:
        return []
    where = f" to {commit.branch}" if commit.branch else ""
    who = f" by {commit.author}" if commit.author else ""
    detail = f"It came by change {commit.change}." if commit.change else ""
    if commit.opened_at and commit.merged_at:
        detail += f" Opened {commit.opened_at:%b %d, %H:%M}, merged {commit.merged_at:%b %d, %H:%M}."
    steps = [
        WayStep(
            f"{'Pushed' if commit.pushed_at else 'Committed'}{where}{who}", at, Attention.GOOD, detail.strip()
        )
    ]
    if commit.landed:
        steps.append(WayStep(f"Landed as {commit.landed[:7]}", commit.merged_at, Attention.GOOD, _WITH))
    return steps


_WITH = "From there on its road is that commit's."


def build_steps(lines: Sequence[RunLine], images: Sequence[Image], tests: str) -> list[WayStep]:
    """The pipeline with the most stages, and what came of it."""
    if not lines:
        return [WayStep("No pipeline was told of", None, None, "Point a webhook of its CI at Shipboard.")]
    run = max(lines, key=lambda r: (len(r.stages), r.begun_at))
    name = run.pipeline or "Pipeline"
    steps = [WayStep(f"{name} started", run.begun_at, Attention.GOOD, run=run.id)]
    if run.queued:
        first = run.begun_at + timedelta(seconds=run.queued)
        steps.append(
            WayStep("First job began", first, Attention.GOOD, seconds=run.queued, what="queue", run=run.id)
        )
    made = next(
        (f"Image {i.tag or i.name}{', signed' if i.proof == 'verified' else ''}." for i in images), ""
    )
    if run.ended_at is None:
        steps.append(
            WayStep(
                f"{name}: {run.word.lower()}",
                run.begun_at,
                Attention.MOVING,
                tests,
                since=run.begun_at,
                what="so far",
                run=run.id,
            )
        )
    else:
        over = f" {minutes(run.over)} over the budget." if run.over else ""
        detail = f"{tests} {made}{over}".strip()
        took = None if run.seconds is None else run.seconds - run.queued
        steps.append(
            WayStep(
                f"{name} {run.word[:1].lower()}{run.word[1:]}",
                run.ended_at,
                run.attention,
                detail,
                took,
                "pipeline",
                run=run.id,
            )
        )
    return steps


def rollout_steps(
    title: str, brought: Sequence[PastRollout], row: WorkloadRow, actor: str
) -> tuple[list[WayStep], tuple[int, int]]:
    """Steps of one environment, and how long it stood and rolled in seconds."""
    steps: list[WayStep] = []
    stood = rolled = 0
    ref, where = str(row.ref), title.lower() if title.istitle() else title
    for one in brought:
        rollout = one.rollout
        who = f"Started by {actor}." if actor else ""
        steps.append(
            WayStep(
                f"{rollout.to_version} begins in {where}",
                rollout.started_at,
                Attention.GOOD,
                who,
                ref=ref,
                what="until start",
            )
        )
        for stage in one.stages:
            if stage.waits and stage.ended_at:
                length = round((stage.ended_at - stage.started_at).total_seconds())
                steps.append(
                    WayStep(
                        f"Waited{' at ' + stage.label if stage.label else ''}",
                        stage.ended_at,
                        Attention.GOOD,
                        seconds=length,
                        what="waiting",
                        ref=ref,
                    )
                )
        stood += one.waited or 0
        rolled += max(0, (one.seconds or 0) - (one.waited or 0))
        if rollout.ended_at is None:
            now = one.stages[-1] if one.stages else None
            attention = Attention.WAITING if now and now.waits else row.attention
            at = now.started_at if now else rollout.started_at
            said, why = word(row.state, row.attention), row.state.message[:200]
            steps.append(
                WayStep(
                    f"{said} in {where}",
                    at,
                    attention,
                    why,
                    since=at,
                    what="so far",
                    ref=ref,
                )
            )
        else:
            landed = rollout.outcome in LANDED
            end = {
                Outcome.SUPERSEDED: "Superseded",
                Outcome.ROLLED_BACK: "Rolled back",
                Outcome.ABORTED: "Aborted",
            }
            said = "Live" if landed else end.get(rollout.outcome or Outcome.FAILED, "Failed")
            how = Attention.GOOD if landed else None if said == "Superseded" else Attention.FAILED
            steps.append(
                WayStep(
                    f"{said} in {where}",
                    rollout.ended_at,
                    how,
                    "",
                    one.seconds,
                    "until live" if landed else "until then",
                    ref=ref,
                )
            )
    return steps, (stood, rolled)


def handed_over(steps: Sequence[WayStep]) -> list[WayStep]:
    """Steps in the order of time, each hand-over with how long nobody was at it."""
    timed = sorted((s for s in steps if s.at), key=lambda s: s.at or NEVER)
    found: list[WayStep] = []
    for step in timed:
        before = found[-1].at if found else None
        if step.what == "until start" and before and step.at:
            step = replace(step, seconds=max(0, round((step.at - before).total_seconds())))
        found.append(step)
    return found + [s for s in steps if not s.at]
