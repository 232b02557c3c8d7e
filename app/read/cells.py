"""From workload rows to what a row of the board shows: in each environment the worst of several workloads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..domain.artifacts import Flag
from ..domain.names import cut
from ..domain.rollout import Attention, WaitKind
from .board import BoardRow, Build, Cell, Column, Gap, Member
from .builds import ServiceBuilds
from .marks import Marks
from .origins import Origins, Running
from .query import version_of
from .seen import SEVERITY, Seen
from .squares import pods_drawn, steps_drawn
from .words import kubectl, slug, was, word

LANDED = timedelta(hours=1)
"""How long what landed is shown in the full healthy colour."""
MESSAGE = 240
"""Longest message in a cell, in characters."""
_TOLD = frozenset({Attention.GOOD, Attention.UNKNOWN})


def board_row(
    service: str,
    seen: Sequence[Seen],
    columns: Sequence[Column],
    now: datetime,
    origins: Origins | None = None,
    builds: ServiceBuilds | None = None,
    marks: Marks | None = None,
) -> BoardRow:
    """One service over `columns`; `seen` are its workloads in any order, at least one in one of the
    columns. `origins` tells their commits, `builds` what CI says of it, `marks` what is to be known of images."""
    there: dict[str, list[Seen]] = {}
    for each in seen:
        there.setdefault(each.row.place.environment, []).append(each)
    cells: list[Cell | None] = []
    before: Cell | None = None
    runs: Running | None = None
    for column in columns:
        here = there.get(column.name)
        if here is None:
            cells.append(None)
            continue
        if len(here) > 1:
            here.sort(key=lambda s: s.key)
        mine = origins.running(here[0].row) if origins else None
        apart = origins.between(runs, mine) if origins and before else None
        cell = _cell(column, here, before, now, mine, apart, _flags(here, marks) if marks else ())
        before, runs = cell, mine
        cells.append(cell)
    shown = [(place, cell) for place, cell in enumerate(cells) if cell]
    place, worst = min(shown, key=lambda found: (SEVERITY[found[1].attention], -found[0]))
    return BoardRow(
        service=service,
        slug=slug(service),
        team=next((s.row.place.team for s in seen if s.row.place.team), ""),
        attention=worst.attention,
        rank=rank(service, worst, from_last=len(columns) - 1 - place),
        cells=tuple(cells),
        build=_build(builds) if builds else None,
    )


def _flags(here: Sequence[Seen], marks: Marks) -> tuple[Flag, ...]:
    """What is to be known of the images of some workloads, each said once."""
    if len(here) == 1:
        return marks.of(here[0].row.key)
    return tuple({flag.message: flag for s in here for flag in marks.of(s.row.key)}.values())


def _build(builds: ServiceBuilds) -> Build:
    run = builds.latest
    over = builds.over is not None and run.seconds is not None and run.over > 0
    attention = run.attention or Attention.UNKNOWN
    return Build(run.id, run.sha, attention, run.word, run.begun_at, run.seconds, over)


def rank(service: str, cell: Cell, from_last: int) -> str:
    """Text that sorts worst first: of what waits the oldest, of what fails or moves the nearest to
    production and then the newest, of the rest the name."""
    match cell.attention:
        case Attention.WAITING:
            order = f"00-{int(cell.since.timestamp()):012d}"
        case Attention.FAILED | Attention.MOVING:
            order = f"{from_last:02d}-{10**12 - int(cell.since.timestamp()):012d}"
        case _:
            order = "00-000000000000"
    return f"{SEVERITY[cell.attention]}-{order}-{service}"


def _cell(
    column: Column,
    seen: Sequence[Seen],
    before: Cell | None,
    now: datetime,
    mine: Running | None,
    apart: int | None,
    flags: tuple[Flag, ...],
) -> Cell:
    """What `seen`, worst first, are in one environment. `mine` is the commit that runs, `apart` how many lie between
    the cell `before` and it: versions that are of one commit are the same, whatever they are called."""
    worst = seen[0]
    state, row, attention, verdict = worst.row.state, worst.row, worst.attention, worst.verdict
    landed = attention is Attention.GOOD and row.landed_at is not None and now - row.landed_at < LANDED
    version = version_of(row)
    said = word(state, attention)
    members = _members(seen, version, said)
    tells = attention not in _TOLD
    steps = steps_drawn(state.steps) if tells else ()
    moves = tells and attention is Attention.MOVING and not steps
    gap = Gap.NONE
    if before is not None:
        gap = Gap.SAME if before.version == version or (mine and apart == 0) else Gap.DIFFERS
    return Cell(
        environment=column.name,
        title=column.title,
        attention=attention,
        version=version,
        word=said,
        since=verdict.heard_at or row.since,
        quiet=attention is Attention.GOOD and not landed,
        landed=landed,
        gap=gap,
        message=_message(worst),
        members=members,
        mixed=len(members) > 1 and len({(m.version, m.attention) for m in members}) > 1,
        landed_at=row.landed_at,
        heard_at=verdict.heard_at,
        was=_was(worst),
        until=state.waits_for.until if tells and state.waits_for.kind is WaitKind.TIMER else None,
        steps=steps,
        progress=state.progress if moves else None,
        pods=pods_drawn(state) if tells else None,
        commits=apart or None if mine and gap is Gap.DIFFERS else None,
        commit=mine.sha if mine else "",
        flags=flags,
    )


def _members(seen: Sequence[Seen], version: str, said: str) -> tuple[Member, ...]:
    """The workloads of a cell; `version` and `said`, its word, are of the first."""
    if len(seen) == 1:
        (only,), ref = seen, seen[0].row.ref
        return (Member(ref.name, str(ref), kubectl(ref), only.attention, version, said),)
    clusters, names = {s.row.ref.cluster for s in seen}, {s.row.ref.name for s in seen}
    members = []
    for s in seen:
        ref = s.row.ref
        parts = [ref.cluster] if len(clusters) > 1 else []
        parts += [ref.name] if len(names) > 1 or not parts else []
        members.append(
            Member(
                label=" ".join(parts),
                ref=str(ref),
                kubectl=kubectl(ref),
                attention=s.attention,
                version=version_of(s.row),
                word=word(s.row.state, s.attention),
            )
        )
    return tuple(members)


def _message(worst: Seen) -> str:
    """One line for what is not good. Where steps and pods tell it, they do, unless something is wrong."""
    state = worst.row.state
    if worst.verdict.unseen:
        what, _, more = worst.verdict.message.partition(". ")  # the rest is told by /sources
        said = f"{what}." if more else what
        return cut(said, MESSAGE) or ("" if worst.verdict.heard_at else "Not looked at yet.")
    if worst.attention is Attention.GOOD:
        return ""
    told = worst.attention is Attention.MOVING or (worst.attention is Attention.WAITING and state.steps)
    if told and not state.problems:
        return ""
    return cut(state.message or state.waits_for.what, MESSAGE)


def _was(worst: Seen) -> str:
    """What an unseen workload last said of itself; empty for one that is seen, was never fully heard, or said
    nothing."""
    told = worst.verdict.heard_at and worst.row.attention is not Attention.UNKNOWN
    return was(worst.row.state, worst.row.attention) if told else ""
