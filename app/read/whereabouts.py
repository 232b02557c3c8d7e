"""Where a commit is: which environments have it, what brought it there, what went with it, and that in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.budget import Verdict
from app.domain.rollout import SETTLED, Attention

from .board import Clause, Column, Sentence
from .fleet import Fleet
from .origins import Running, TrailCommit
from .past import PastRollout
from .rows import WorkloadRow
from .runs import RunLine
from .way import LANDED, CommitShown, WayStep
from .words import word

TRAVELS = 12
"""Most commits named that went the same way."""


@dataclass(frozen=True, slots=True)
class PlaceNow:
    """Whether an environment has the commit: `has` None where that cannot be told."""

    environment: str
    title: str
    has: bool | None
    attention: Attention
    word: str
    version: str
    at: datetime | None
    ref: str


def brought_by(
    told: Sequence[PastRollout], shas: Mapping[str, str], places: Mapping[str, int], sha: str
) -> list[PastRollout]:
    """Rollouts that took the commit along, oldest first: to the first that landed, and the one that runs."""
    mine = places.get(sha)
    found: list[PastRollout] = []
    for one in reversed(told):
        of = shas.get(one.rollout.to_version)
        place = places.get(of or "")
        if of == sha or (mine is not None and place is not None and place <= mine and not one.rollout.back):
            found.append(one)
            if one.rollout.outcome in LANDED:
                break
    return found[-4:]


def holds(running: Running | None, places: Mapping[str, int], commit: CommitShown) -> bool | None:
    """Whether what runs holds the commit; None where that cannot be told."""
    if running is None or running.repo not in ("", commit.repo):
        return None
    if running.sha == commit.sha:
        return True
    mine, theirs = places.get(commit.sha), places.get(running.sha)
    return None if mine is None or theirs is None else theirs < mine


def place_now(column: Column, row: WorkloadRow, has: bool | None, landed: datetime | None) -> PlaceNow:
    """How an environment stands to the commit."""
    settled = row.state.phase in SETTLED
    version = row.state.revision.version if row.state.revision else ""
    attention = row.attention if has else Attention.UNKNOWN
    if has is None:
        said = "cannot be told"
    elif not has:
        said = "not yet"
    else:
        said = (
            "live" if settled and row.attention is Attention.GOOD else word(row.state, row.attention).lower()
        )
    return PlaceNow(column.name, column.title, has, attention, said, version, landed, str(row.ref))


def steps_ahead(shown: Sequence[PlaceNow], lines: Sequence[RunLine]) -> list[WayStep]:
    """What is to come."""
    if any(run.verdict is Verdict.RED for run in lines[:1]):
        return [WayStep("Nothing goes on from a red pipeline", None, None)]
    todo = [place for place in shown if place.has is False]
    return [
        WayStep(f"Live in {place.environment}", None, None, f"{place.version} is there now.")
        for place in todo
    ]


def travelling(
    line: Sequence[TrailCommit], at: int, mine: Sequence[WorkloadRow], fleet: Fleet, places: Mapping[str, int]
) -> tuple[TrailCommit, ...]:
    """Commits between this one and what production had before: they go the same way."""
    runs_at = [
        p for row in mine if (run := fleet.origins.running(row)) and (p := places.get(run.sha)) is not None
    ]
    behind = [place for place in runs_at if place > at]
    end = min(behind, default=at + 1)
    start = max((place for place in runs_at if place <= at), default=at)
    return tuple(one for place, one in enumerate(line[start:end], start) if place != at)[:TRAVELS]


def said_of(
    commit: CommitShown, lines: Sequence[RunLine], shown: Sequence[PlaceNow], steps: Sequence[WayStep]
) -> Sentence:
    """Where its road stands, in words."""
    red = next((run for run in lines[:1] if run.verdict is Verdict.RED), None)
    stuck = next(
        (place for place in shown if place.has and place.attention in (Attention.FAILED, Attention.WAITING)),
        None,
    )
    moving = next((place for place in shown if place.has and place.attention is Attention.MOVING), None)
    have = [place for place in shown if place.has]
    if red:
        clause = Clause(Attention.FAILED, f"Its road stops at the pipeline: {red.word.lower()}", ".")
    elif stuck:
        verb = "stops" if stuck.attention is Attention.WAITING else "ends"
        clause = Clause(stuck.attention, f"Its road {verb} in {stuck.environment}: {stuck.word}", ".")
    elif moving:
        clause = Clause(Attention.MOVING, f"It is on its way into {moving.environment}", ".")
    elif lines and lines[0].verdict is Verdict.RUNS:
        clause = Clause(Attention.MOVING, "Its pipeline runs", ".")
    elif shown and len(have) == len(shown):
        clause = Clause(
            Attention.GOOD, f"It is live in {shown[-1].environment}" if len(shown) > 1 else "It is live", "."
        )
    elif have:
        clause = Clause(
            None,
            f"It is live in {have[-1].environment}, not in {next(p.environment for p in shown if not p.has)}",
            ".",
        )
    elif shown:
        clause = Clause(
            None, "It is built, and nowhere yet" if lines else "It is pushed, and nowhere yet", "."
        )
    else:
        clause = Clause(Attention.UNKNOWN, "Nothing that runs is known to come from its repository", ".")
    return Sentence((clause,), clause.text + clause.end)
