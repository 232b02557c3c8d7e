"""One command as a page: asked, taken by the cluster, seen to work; kept up by topics.

Beside what became of it stands how its workload is now, since that is what the person who asked looks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.commands import VERBS, CommandPhase, Expected
from ..domain.names import Topic, WorkloadRef
from ..domain.policy import Blocker
from ..domain.rollout import Attention
from ..engines.acting import Difference
from ..store import commands
from ..store.commands import Sending
from ..store.db import Database
from .board import Listening
from .commands import Line, line_of
from .fleet import Fleet
from .kept import Kept
from .landing import AskedCommand, Landing, Whither, asked, landing
from .query import version_of
from .remade import Remade
from .restless import as_of
from .sources import listening
from .words import title, word
from .workloads import Verdicts

_GOOD = (CommandPhase.PENDING, CommandPhase.RUNNING, CommandPhase.SENT, CommandPhase.DONE)
_WORN = {
    CommandPhase.DONE: Attention.GOOD,
    CommandPhase.REFUSED: Attention.FAILED,
    CommandPhase.FAILED: Attention.FAILED,
    CommandPhase.SUPERSEDED: Attention.UNKNOWN,
    CommandPhase.UNKNOWN: Attention.UNKNOWN,
}
_HEADS = {
    CommandPhase.PENDING: "Requested.",
    CommandPhase.RUNNING: "Being sent to the cluster.",
    CommandPhase.SENT: "The cluster took it.",
    CommandPhase.DONE: "Done.",
    CommandPhase.REFUSED: "Refused: nothing was changed.",
    CommandPhase.SUPERSEDED: "Something newer took its place.",
    CommandPhase.FAILED: "It did not work.",
    CommandPhase.UNKNOWN: "Nobody can tell what became of it.",
}
_NEXT = {
    CommandPhase.REFUSED: "Look at the workload, and ask again if you still want it.",
    CommandPhase.FAILED: "Look at the workload: the cluster took the change, so it may still come.",
    CommandPhase.UNKNOWN: "Look at the workload in the cluster before you ask again.",
}

_LANDINGS = {
    Whither.MOVING: (Attention.MOVING, "The cluster works on it."),
    Whither.WAITING: (Attention.WAITING, "It waits for a person."),
    Whither.STUCK: (Attention.FAILED, "It is stuck."),
    Whither.LANDED: (Attention.GOOD, "Done."),
    Whither.OVERTAKEN: (Attention.UNKNOWN, "Something newer took its place."),
    Whither.UNSEEN: (Attention.UNKNOWN, "The cluster works on it."),
}
"""What a command that is done wears and says while its pods move."""


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """Which command."""

    ident: str

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> ReceiptQuery:
        """Read the path's (name, value) pairs. Raises ValueError."""
        ident = dict(reversed([*params]))["ident"]
        if not 0 < len(ident) <= 64 or not set(ident) <= set("0123456789abcdef"):
            raise ValueError("A command's id is up to 64 hexadecimal digits.")
        return cls(ident)

    def query_string(self) -> str:
        """Always empty."""
        return ""


@dataclass(frozen=True, slots=True)
class Station:
    """One of the three that a command passes: `state` is "done", "now", "next", or "failed" where it ended; `seconds`
    after it was asked."""

    name: str
    state: str
    at: datetime | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """All of the page. `landing` is how the pods that it moves stand. `now_word` and `now_attention` are of the
    workload as it is seen now (empty: it is gone)."""

    line: Line
    attention: Attention
    head: str
    todo: str
    ref: WorkloadRef
    service: str
    environment: str
    stations: tuple[Station, ...]
    blocked_by: tuple[Blocker, ...]
    patches: tuple[Sending, ...]
    difference: tuple[Difference, ...]
    expected: Expected
    dangerous: bool
    now_version: str
    now_word: str
    now_attention: Attention
    sources: tuple[Listening, ...]
    landing: Landing | None = None
    rows: tuple[()] = ()


_NAME = "command {}"


async def follow(fleet: Fleet, ident: str) -> Kept:
    """The command of an id, kept up for as long as the caller holds it. Raises LookupError when there is none,
    StoreUnavailable."""

    async def read(connection: AsyncConnection, _: datetime) -> AskedCommand | None:
        kept = await commands.one(connection, ident)
        if kept is None:
            return found.value  # type: ignore[no-any-return]  # one that is forgotten stays as it was
        return (await asked(connection, [kept]))[0]

    def wants(topic: Topic) -> bool:
        key = found.value.kept.command.workload if found.value else ""
        return topic in (Topic("command", ident), Topic("workload", key))

    found = Kept(read, wants, rest=timedelta())
    held = await fleet.keep(_NAME.format(ident), lambda: found)
    if held.value is None:
        raise LookupError(f"There is no command {ident}. Old ones are forgotten.")
    return held


async def landings(
    database: Database, fleet: Fleet, several: Sequence[commands.Kept], now: datetime
) -> tuple[Landing | None, ...]:
    """How the pods of some commands stand, in their order. Raises StoreUnavailable."""
    async with database.reading() as connection:
        found = await asked(connection, several)
    verdicts = Verdicts(fleet.sources.values(), now)
    rows = [fleet.at(each.kept.command.ref) for each in found]
    return tuple(
        landing(
            each,
            as_of(row, now) if row else None,
            verdicts.attention(row) if row else Attention.UNKNOWN,
            now,
        )
        for each, row in zip(found, rows, strict=True)
    )


class ReceiptProjection(Remade[ReceiptPage]):
    """The page of a command that somebody follows. KeyError when nobody does."""

    def __init__(self, fleet: Fleet, ident: str, now: datetime) -> None:
        found = fleet.kept(_NAME.format(ident))
        if found is None:
            raise KeyError(ident)
        self._followed = found
        super().__init__(fleet, now)

    @property
    def _cluster(self) -> str:
        return self._asked.kept.command.ref.cluster

    @property
    def _asked(self) -> AskedCommand:
        found: AskedCommand = self._followed.value
        return found

    def apply(self, topics: Iterable[Topic], now: datetime) -> bool:
        """Take in what `topics` name; whether the page changed."""
        command = self._asked.kept.command
        mine = {Topic("command", command.id), Topic("workload", command.workload)}
        named = set(topics)
        if any(topic.sort == "source" for topic in named):
            self._judge(now)
        elif not named & mine:
            return False
        return self._again(now)

    def _make(self) -> ReceiptPage:
        kept = self._asked.kept
        command, phase = kept.command, kept.phase
        row = self._fleet.at(command.ref)
        seen = as_of(row, self._now) if row else None
        worn = Verdicts(self._sources, self._now).attention(row) if row else Attention.UNKNOWN
        goes = landing(self._asked, seen, worn, self._now)
        done = goes if goes and phase is CommandPhase.DONE else None
        return ReceiptPage(
            line=line_of(kept, goes),
            attention=_LANDINGS[done.state][0] if done else _WORN.get(phase, Attention.MOVING),
            head=_LANDINGS[done.state][1] if done else _HEADS[phase],
            todo=done.todo if done else _NEXT.get(phase, ""),
            landing=goes,
            ref=command.ref,
            service=row.place.service if row else command.ref.name,
            environment=title(command.environment),
            stations=_stations(kept.phase, command.asked_at, kept.sent_at, kept.ended_at, goes),
            blocked_by=kept.blocked_by,
            patches=kept.intended.sendings,
            difference=kept.intended.difference,
            expected=command.expected,
            dangerous=VERBS[command.verb].dangerous,
            now_version=version_of(seen) if seen else "",
            now_word=word(seen.state, worn) if seen else "",
            now_attention=worn,
            sources=listening(self._sources),
        )


def _stations(
    phase: CommandPhase,
    asked_at: datetime,
    sent_at: datetime | None,
    ended_at: datetime | None,
    goes: Landing | None,
) -> tuple[Station, ...]:
    def after(at: datetime | None) -> float | None:
        return (at - asked_at).total_seconds() if at else None

    bad = phase not in _GOOD
    first = Station("Requested", "done", asked_at)
    if sent_at:
        second = Station("Taken by the cluster", "done", sent_at, after(sent_at))
        last = Station("Done", "now", note="its effect is awaited")
    else:
        second = Station("Taken by the cluster", "now", note="being sent")
        last = Station("Done", "next")
    if ended_at and bad:
        ended = Station(phase.value.capitalize(), "failed", ended_at, after(ended_at))
        return (first, second, ended) if sent_at else (first, ended, last)
    if goes and goes.state is not Whither.LANDED:
        stuck = ended_at is not None and goes.state in (Whither.STUCK, Whither.OVERTAKEN)
        name = goes.state.value.capitalize() if stuck else "Done"
        return first, second, Station(name, "failed" if stuck else "now", note=goes.said)
    if ended_at:
        ended_at = goes.at if goes and goes.at else ended_at
        last = Station("Done", "done", ended_at, after(ended_at))
        if not sent_at:
            second = Station("Taken by the cluster", "done", ended_at, after(ended_at))
    return first, second, last
