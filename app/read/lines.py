"""The past of a workload as lines of a table: how each rollout ended, why it was made, what took how long. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.rollout import Attention, Outcome, Phase, RolloutKind
from ..domain.stages import Stage
from .past import PastRollout


@dataclass(frozen=True, slots=True)
class Part:
    """Stages of one name, together: how long they took in seconds (None: they run, since `since`), and
    whether that was mostly waiting."""

    name: str
    seconds: int | None
    since: datetime
    waits: bool


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One rollout. `attention` is its shape and `word` how it ended, or how it stands; `why` is what is known
    of its cause, `endings` how old pods ended badly. `seconds` is None while it runs. `deleted_at` is set, or
    `recreated`, where the workload before it was deleted and this one created anew under its name."""

    id: str
    started_at: datetime
    before: str
    version: str
    attention: Attention
    word: str
    why: str
    endings: str
    seconds: int | None
    parts: tuple[Part, ...]
    recreated: bool
    deleted_at: datetime | None


def history_lines(
    rollouts: Sequence[PastRollout], attention: Attention, word: str
) -> tuple[HistoryLine, ...]:
    """Rollouts, newest first, as lines. A running one wears what the workload wears."""
    lines = []
    for i, past in enumerate(rollouts):
        row = past.rollout
        worn, said = _ENDS[row.outcome] if row.outcome else (attention, word)
        if row.kind is RolloutKind.RESTART and row.outcome is Outcome.PROMOTED:
            said = "Restarted"
        why = row.cause
        if row.outcome is Outcome.SUPERSEDED and i:
            why = f"by {rollouts[i - 1].rollout.to_version}" + (f"; {why}" if why else "")
        lines.append(
            HistoryLine(
                id=row.id,
                started_at=row.started_at,
                before=row.from_version,
                version=row.to_version or "?",
                attention=worn,
                word=said,
                why=why,
                endings=_endings(row.killed, row.overran),
                seconds=past.seconds,
                parts=_parts(past.stages),
                recreated=past.recreated,
                deleted_at=past.deleted_at,
            )
        )
    return tuple(lines)


def _endings(killed: int, overran: int) -> str:
    """How old pods ended badly, as far as it was seen: some may be gone before anybody looks."""
    said = ((killed, "had to be killed"), (overran, "took longer to stop than allowed"))
    told = [f"{'an old pod' if n == 1 else f'at least {n:,} old pods'} {how}" for n, how in said if n]
    text = " and ".join(told)
    return text[:1].upper() + text[1:]


def _parts(stages: Sequence[Stage]) -> tuple[Part, ...]:
    """Stages by name, in order; a single one says nothing that the whole does not."""
    groups: list[tuple[str, list[Stage]]] = []
    for stage in stages:
        name = stage.label or _NAMES.get(stage.phase, "moved")
        if groups and groups[-1][0] == name:
            groups[-1][1].append(stage)
        else:
            groups.append((name, [stage]))
    if len(groups) < 2:
        return ()
    parts = []
    for name, mine in groups:
        took = [(s.ended_at - s.started_at).total_seconds() for s in mine if s.ended_at]
        still = sum((s.ended_at - s.started_at).total_seconds() for s in mine if s.ended_at and s.waits)
        runs = mine[-1].ended_at is None
        parts.append(
            Part(
                name=name,
                seconds=None if runs else round(sum(took)),
                since=mine[0].started_at,
                waits=mine[-1].waits if runs else still > sum(took) / 2,
            )
        )
    return tuple(parts)


_ENDS = {
    Outcome.PROMOTED: (Attention.GOOD, "Landed"),
    Outcome.FAST_PROMOTED: (Attention.GOOD, "Landed, steps skipped"),
    Outcome.ABORTED: (Attention.FAILED, "Aborted"),
    Outcome.FAILED: (Attention.FAILED, "Failed"),
    Outcome.ROLLED_BACK: (Attention.FAILED, "Rolled back"),
    Outcome.SUPERSEDED: (Attention.UNKNOWN, "Superseded"),
}
_NAMES = {
    Phase.PENDING: "pending",
    Phase.PROGRESSING: "rolling",
    Phase.PAUSED: "paused",
    Phase.AWAITING_APPROVAL: "waiting",
    Phase.VERIFYING: "verifying",
    Phase.PROMOTING: "promoting",
    Phase.FAILED: "failed",
    Phase.ABORTED: "aborted",
}
