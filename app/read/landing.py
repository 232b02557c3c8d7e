"""What became of a command after the cluster took it: how the pods move, where that ended, or why it is stuck.

A command is done when its effect is seen, and what follows is the rollout's own life. So nothing of this is stored
with the command: what ended is told by the transitions of its workload, what still moves by its state. Pure but for
`asked`, which reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.commands import VERBS, CommandPhase, Verb
from ..domain.history import Transition
from ..domain.names import ImageRef, cut
from ..domain.remedies import remedy
from ..domain.rollout import SETTLED, Attention, Phase, RolloutState
from ..store import mapping
from ..store.commands import Kept
from ..store.tables import TRANSITION
from .query import version_of
from .rows import WorkloadRow
from .telling import MESSAGE, ask
from .words import ready

_LOOKED = 40
"""Most transitions read of what follows one command."""
_SOON = timedelta(minutes=10)
"""How long after a command was done its first transition is waited for: then nothing is known of what became of it."""
_STOPS = frozenset({Phase.PAUSED, Phase.AWAITING_APPROVAL})
_ONWARD = frozenset({Verb.PROMOTE, Verb.RESUME})
"""Verbs that ask for no more than to go on to wherever it waits next."""
_PLAIN = "Look at the workload: roll back, or mend what it names."


class Whither(StrEnum):
    """Where the move that a command began is."""

    MOVING = "moving"
    WAITING = "waiting"  # for a person, on the way
    STUCK = "stuck"
    LANDED = "landed"
    OVERTAKEN = "overtaken"  # another revision was asked for before it landed
    UNSEEN = "unseen"  # it cannot be told just now


@dataclass(frozen=True, slots=True)
class Landing:
    """What becomes of the pods: one sentence, what to do next (where there is something), how many pods of `wanted` are
    ready on the new revision, and, once it is over, when that was and how many seconds after it was asked."""

    state: Whither
    said: str
    todo: str = ""
    ready: int = 0
    wanted: int = 0
    at: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """What the transitions since a command tell: the revision it led to (empty: not seen yet), how it ended (None: it
    did not), where it stands, and whether it failed on the way."""

    goal: str = ""
    version: str = ""
    end: Whither | None = None
    at: datetime | None = None
    label: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class AskedCommand:
    """A command, and the way that it began."""

    kept: Kept
    way: Way = Way()


def way(kept: Kept, transitions: Iterable[Transition]) -> Way:
    """What `transitions`, those of its workload since it was asked, in order, tell of a command.

    A failure is an end only as long as nothing follows: controllers show one for an instant.
    """
    effect, after = kept.intended.effect, list(transitions)
    origin = effect.origin or kept.command.expected.revision
    elsewhere = [t for t in after if t.revision != origin]
    # Of two objects that are one workload the other may be seen first, as it was: what was meant is told by its images.
    tags = {ImageRef.parse(image).tag for image in effect.images}
    meant = next((t for t in elsewhere if t.version in tags), next(iter(elsewhere), None))
    goal = effect.revision or (meant.revision if meant else origin)
    found = Way()
    for each in after:
        if each.revision != goal:
            if found.goal:
                return Way(goal, found.version, Whither.OVERTAKEN, each.at)
            continue
        failed = each.after in (Phase.FAILED, Phase.ABORTED)
        found = Way(goal, each.version, None, each.at, each.label, failed)
        stops = each.after in _STOPS and kept.command.verb in _ONWARD
        if each.after in SETTLED or stops:
            label = each.label if stops else ""
            return Way(goal, each.version, Whither.LANDED, each.at, label)
    return found


def landing(
    asked: AskedCommand, row: WorkloadRow | None, attention: Attention, now: datetime
) -> Landing | None:
    """How the move of a command stands at `now`. `row` is its workload as it is seen (None: it is gone), `attention`
    what it wears. None where nothing moves, or nothing is known."""
    kept, told = asked.kept, asked.way
    if not VERBS[kept.command.verb].moves or kept.sent_at is None:
        return None
    if kept.phase not in (CommandPhase.SENT, CommandPhase.DONE):
        return None
    if kept.phase is CommandPhase.DONE and told.end:
        return _ended(asked, row)
    if row is None or attention is Attention.UNKNOWN:
        return Landing(
            Whither.UNSEEN, "Its pods cannot be seen just now." if row else "The workload is gone."
        )
    state = row.state
    same = state.revision is not None and state.revision.key == told.goal
    if not told.goal and kept.ended_at is not None:
        if kept.command.verb is Verb.RESUME and state.phase in SETTLED and row.seen_at >= kept.sent_at:
            return Landing(Whither.LANDED, "Nothing was left to move.")
        if now - kept.ended_at > _SOON and not state.paused:
            return None
    if state.paused:
        return Landing(Whither.WAITING, "It is paused: its pods do not move.", "Resume it.")
    if not same:
        return Landing(Whither.MOVING, "Its pods have not begun to move.", wanted=state.counts.wanted)
    return _moving(told, state, version_of(row), attention)


def _moving(told: Way, state: RolloutState, version: str, attention: Attention) -> Landing:
    wanted = state.counts.wanted
    there = min(state.revision.ready if state.revision else 0, wanted)
    said = ready(there, wanted, version)
    if told.failed or attention is Attention.FAILED:
        problem = next(iter(state.problems), None)
        why = cut(problem.message if problem else state.message, MESSAGE)
        todo = (remedy(problem.category) if problem else "") or _PLAIN
        return Landing(Whither.STUCK, f"{said} {why}".strip(), todo, there, wanted)
    if attention is Attention.WAITING:
        at = f" at {state.weight.wanted} %" if state.weight else ""
        return Landing(Whither.WAITING, f"{said} It waits{at} for a person.", ask(state), there, wanted)
    return Landing(Whither.MOVING, said, "", there, wanted)


def _ended(asked: AskedCommand, row: WorkloadRow | None) -> Landing:
    told, wanted, there = asked.way, 0, 0
    took = (told.at - asked.kept.command.asked_at).total_seconds() if told.at else None
    version = told.version or "It"
    if told.end is Whither.OVERTAKEN:
        said = f"Another version was asked for before all pods of {told.version or 'this one'} were ready."
        return Landing(Whither.OVERTAKEN, said, "", 0, 0, told.at, took)
    if told.label:
        said = f"{version} stands at {told.label}."
    elif row and row.state.revision and row.state.revision.key == told.goal and row.state.phase in SETTLED:
        wanted = row.state.counts.wanted
        there = min(row.state.revision.ready, wanted)
        said = ready(there, wanted, told.version)
    else:
        said = f"{version} landed."
    return Landing(Whither.LANDED, said, "", there, wanted, told.at, took)


async def asked(connection: AsyncConnection, several: Sequence[Kept]) -> tuple[AskedCommand, ...]:
    """Commands with the ways that they began."""
    return tuple([AskedCommand(kept, await _way(connection, kept)) for kept in several])


async def _way(connection: AsyncConnection, kept: Kept) -> Way:
    if not VERBS[kept.command.verb].moves or kept.sent_at is None:
        return Way()
    query = (
        select(TRANSITION)
        .where(TRANSITION.c.workload == kept.command.workload, TRANSITION.c.at >= kept.command.asked_at)
        .order_by(TRANSITION.c.at, TRANSITION.c.id)
        .limit(_LOOKED)
    )
    return way(kept, [mapping.transition_of(row) for row in await connection.execute(query)])
