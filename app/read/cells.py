"""From workload rows to what a cell shows: the worst of several workloads, steps as segments, pods as
squares. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..domain.counts import among
from ..domain.gates import Gate, Origin
from ..domain.names import cut
from ..domain.rollout import Attention, Phase, PodCondition, RolloutState, Step, StepState, WaitKind
from .acts import answer, hold
from .board import BoardRow, Build, Cell, Column, Gap, Held, Member, Pods, Segment, Square, Waiting
from .builds import ServiceBuilds
from .marks import Marks
from .origins import Origins, Running
from .query import version_of
from .road import segments
from .rows import WorkloadRow
from .telling import ask, stands
from .words import kubectl, slug, was, word

LANDED = timedelta(hours=1)
"""How long what landed is shown in the full healthy colour."""
SQUARES = 24
"""Most pods drawn one by one."""
SEGMENTS = 8
"""Most steps drawn; of a longer strategy those around the current one."""
MESSAGE = 240
"""Longest message in a cell, in characters."""
SEVERITY = tuple(Attention)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a workload can be seen. If not: why, and when its source was last heard (None: never)."""

    unseen: bool
    message: str = ""
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload as it may be shown: what it said, through the verdict on its sources."""

    row: WorkloadRow
    verdict: Verdict

    @property
    def attention(self) -> Attention:
        """Its own, unless it cannot be seen."""
        return Attention.UNKNOWN if self.verdict.unseen else self.row.attention

    @property
    def key(self) -> tuple[int, float, str]:
        """Worst first: severity, then the longest waiting or the newest, then the name."""
        since = self.row.since.timestamp()
        age = since if self.attention is Attention.WAITING else -since
        return SEVERITY.index(self.attention), age, str(self.row.ref)


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
    cells: list[Cell | None] = []
    before: Cell | None = None
    runs: Running | None = None
    for column in columns:
        here = sorted((s for s in seen if s.row.place.environment == column.name), key=lambda s: s.key)
        cell = _cell(column, here, before, now) if here else None
        if cell and origins:
            mine = origins.running(here[0].row)
            cell = _told(cell, runs, mine, origins)
            runs = mine
        if cell and marks:
            flags = {flag.message: flag for s in here for flag in marks.of(s.row.key)}
            cell = replace(cell, flags=tuple(flags.values())) if flags else cell
        before = cell or before
        cells.append(cell)
    shown = [(i, c) for i, c in enumerate(cells) if c]
    place, worst = min(shown, key=lambda ic: (SEVERITY.index(ic[1].attention), -ic[0]))
    team = next((s.row.place.team for s in seen if s.row.place.team), "")
    return BoardRow(
        service=service,
        slug=slug(service),
        team=team,
        attention=worst.attention,
        rank=rank(service, worst, from_last=len(columns) - 1 - place),
        cells=tuple(cells),
        build=_build(builds) if builds else None,
    )


def _told(cell: Cell, before: Running | None, mine: Running | None, origins: Origins) -> Cell:
    """`cell` with its commit and the way to it: versions that are of one commit are the same, whatever they are
    called."""
    if mine is None:
        return cell
    apart = origins.between(before, mine) if cell.gap is not Gap.NONE else None
    gap = Gap.SAME if apart == 0 else cell.gap
    return replace(cell, commit=mine.sha, commits=apart or None if gap is Gap.DIFFERS else None, gap=gap)


def _build(builds: ServiceBuilds) -> Build:
    run = builds.latest
    over = builds.over is not None and run.seconds is not None and run.over > 0
    attention = run.attention or Attention.UNKNOWN
    return Build(run.id, run.sha, attention, run.word, run.begun_at, run.seconds, over)


def rank(service: str, cell: Cell, from_last: int) -> str:
    """Text that sorts worst first: of what waits the oldest, of what fails or moves the nearest to
    production and then the newest, of the rest the name."""
    seconds = int(cell.since.timestamp())
    match cell.attention:
        case Attention.WAITING:
            order = f"00-{seconds:012d}"
        case Attention.FAILED | Attention.MOVING:
            order = f"{from_last:02d}-{10**12 - seconds:012d}"
        case _:
            order = f"00-{0:012d}"
    return f"{SEVERITY.index(cell.attention)}-{order}-{service}"


def _cell(column: Column, seen: Sequence[Seen], before: Cell | None, now: datetime) -> Cell:
    worst = seen[0]
    state, row, attention = worst.row.state, worst.row, worst.attention
    members = _members(seen)
    landed = attention is Attention.GOOD and row.landed_at is not None and now - row.landed_at < LANDED
    version = version_of(row)
    tells = not worst.verdict.unseen and attention not in (Attention.GOOD, Attention.UNKNOWN)
    steps = _segments(state.steps) if tells else ()
    moves = tells and attention is Attention.MOVING and not steps
    return Cell(
        environment=column.name,
        title=column.title,
        attention=attention,
        version=version,
        word=word(state, attention),
        since=worst.verdict.heard_at or row.since,
        quiet=attention is Attention.GOOD and not landed,
        landed=landed,
        gap=Gap.NONE if before is None else Gap.SAME if before.version == version else Gap.DIFFERS,
        message=_message(worst),
        members=members,
        mixed=len({(m.version, m.attention) for m in members}) > 1,
        landed_at=row.landed_at,
        heard_at=worst.verdict.heard_at,
        was=_was(worst),
        until=state.waits_for.until if tells and state.waits_for.kind is WaitKind.TIMER else None,
        steps=steps,
        progress=state.progress if moves else None,
        pods=_pods(state) if tells else None,
    )


def _members(seen: Sequence[Seen]) -> tuple[Member, ...]:
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
        what, _, more = worst.verdict.message.partition(
            ". "
        )  # the reason and what to do are told by /sources
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


def _segments(steps: Sequence[Step]) -> tuple[Segment, ...]:
    """Steps as people count them, of a long strategy those around the current one."""
    found = segments(steps)
    now = next((i for i, s in enumerate(found) if s.state is not StepState.DONE), 0)
    start = max(0, min(now - SEGMENTS // 2, len(found) - SEGMENTS))
    return found[start : start + SEGMENTS]


def _pods(state: RolloutState) -> Pods | None:
    counted: Counter[Square] = Counter()
    for pod in state.pods:
        if pod.condition is PodCondition.FAILING:
            counted[Square.FAILING] += 1
        elif pod.condition is PodCondition.ENDING:
            counted[Square.ENDING] += 1
        elif not pod.new:
            counted[Square.OLD] += 1
        else:
            counted[Square.NEW if pod.condition is PodCondition.READY else Square.STARTING] += 1
    if not counted:
        counted = Counter({Square.NEW: state.counts.updated})
        counted[Square.OLD] = max(0, state.counts.total - state.counts.updated)
    total, wanted = sum(counted.values()), state.counts.wanted
    if not total:
        return None
    new = counted[Square.NEW]
    text = f"{new:,} of {wanted:,}"
    stays = state.phase in (Phase.FAILED, Phase.ABORTED) or state.problems
    if stays and state.stable and state.stable.version:
        text += f" new, {state.stable.version} serves"
    label = f"{among(new, wanted)} {'is' if wanted == 1 else 'are'} new and ready"
    if counted[Square.FAILING]:
        label += f", {counted[Square.FAILING]:,} failing"
    if total > SQUARES:
        text = f"{text}, {total:,} pods"
    return Pods(_shares(counted, total), text, label)


def _shares(counted: Counter[Square], total: int) -> tuple[Square, ...]:
    """Squares in the order of `Square`; beyond SQUARES pods each kind has its share, and at least one."""
    squares: list[Square] = []
    for square in Square:
        n = counted[square]
        drawn = n if total <= SQUARES else max(1, round(n * SQUARES / total)) if n else 0
        squares += [square] * drawn
    return tuple(squares)


def held(service: str, rows: Sequence[WorkloadRow]) -> tuple[Held, ...]:
    """What of a service is held."""
    return tuple(
        Held(service, row.place.environment, str(row.ref), found.by, found.until)
        for row in rows
        if (found := hold(row.state.owner))
    )


def waiting(
    service: str, seen: Sequence[Seen], columns: Sequence[Column], gates: Sequence[Gate] = ()
) -> tuple[Waiting, ...]:
    """What of a service waits for a person, in the shown columns: each with its gate, where one is open."""
    names = {c.name for c in columns}
    rows = [s for s in seen if s.attention is Attention.WAITING and s.row.place.environment in names]
    mine = {g.subject.workload: g for g in gates if g.origin is Origin.ROLLOUT}
    found = [
        Waiting(
            service=service,
            slug=slug(str(s.row.ref)),
            environment=s.row.place.environment,
            cluster=s.row.ref.cluster,
            version=version_of(s.row),
            ask=ask(s.row.state),
            stands=stands(s.row.state),
            ref=str(s.row.ref),
            team=s.row.place.team,
            since=s.row.state.waits_for.since or s.row.since,
            verb=answer(s.row),
            href=f"/gates/{mine[s.row.key].id}" if s.row.key in mine else "",
        )
        for s in rows
    ]
    found += [
        Waiting(
            service=service,
            slug=f"gate-{g.id}",
            environment=g.subject.environment,
            cluster=g.subject.target.cluster if g.subject.target else "",
            version=g.subject.after.name,
            ask=g.subject.question,
            stands=g.subject.stands,
            ref=str(g.subject.target or ""),
            team=g.subject.team,
            since=g.opened_at,
            href=f"/gates/{g.id}",
            decision=True,
        )
        for g in gates
        if g.origin is not Origin.ROLLOUT and g.subject.environment in names
    ]
    return tuple(found)
