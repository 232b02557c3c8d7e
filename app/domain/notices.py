"""What is worth telling people who do not look at the board: which change of state, to whom, and how many at a time.

Quiet by default: one notice a change of state, and none of what follows by itself from one that was told. When more
comes in a minute than anybody reads, it becomes one digest. Pure; `now` is always an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

MINUTE = timedelta(minutes=1)
PER_MINUTE = 10
"""Messages a minute to one target before they become a digest."""
TRIES = 15
"""How often a message is tried before it is set aside: within an hour and a third, by `again`."""
OLD = timedelta(hours=1)
"""What happened longer ago is no news: it is noted, and not told."""
MAX_WAIT = 600.0


class NoticeKind(StrEnum):
    """Changes of state that may be worth a message."""

    GATE_OPENED = "gate-opened"
    GATE_DECIDED = "gate-decided"
    GATE_VOID = "gate-void"
    GATE_EXPIRED = "gate-expired"
    GATE_EXECUTED = "gate-executed"
    GATE_FAILED = "gate-failed"
    ROLLOUT_FAILED = "rollout-failed"
    ROLLOUT_BACK = "rollout-back"
    ROLLOUT_STUCK = "rollout-stuck"
    FREEZE_BEGAN = "freeze-began"
    MAIN_BROKEN = "main-broken"
    SOURCE_SILENT = "source-silent"
    TEST = "test"  # asked for by hand


UNASKED = frozenset(NoticeKind) - {NoticeKind.GATE_VOID, NoticeKind.GATE_EXECUTED, NoticeKind.TEST}
"""What is told where a route names no kinds. What was approved is expected to be carried out, and a question that is no
longer asked wants nothing of anybody."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of state, told in sentences. `key` is unique to the change, so that it is told once; `thread` to what
    it is about (a gate, a rollout), so that what follows stands below what began it.

    `title` is one sentence, `text` what else is worth saying, `path` the page on the board. `gate` and `digest` (of
    the evidence) are those of a gate that can be decided, `version` what is asked about. A place that is empty or "*"
    is every place.
    """

    kind: NoticeKind
    key: str
    thread: str
    at: datetime
    title: str
    text: str = ""
    path: str = "/"
    environment: str = ""
    service: str = ""
    team: str = ""
    gate: str = ""
    digest: str = ""
    version: str = ""
    by: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told what: the names of targets, for notices of places that fit the patterns. `kinds` empty: `UNASKED`."""

    to: tuple[str, ...]
    environment: str = "*"
    service: str = "*"
    team: str = "*"
    kinds: frozenset[NoticeKind] = frozenset()

    def takes(self, notice: Notice) -> bool:
        """Whether it is about this notice."""
        return (
            notice.kind in (self.kinds or UNASKED)
            and _fits(self.environment, notice.environment)
            and _fits(self.service, notice.service)
            and _fits(self.team, notice.team)
        )


def routed(notice: Notice, routes: Iterable[Route]) -> tuple[str, ...]:
    """The targets of a notice, each once."""
    return tuple(dict.fromkeys(name for route in routes if route.takes(notice) for name in route.to))


def _fits(pattern: str, place: str) -> bool:
    """Whether a place is meant; what concerns every place ("*", or patterns of a freeze) concerns this one too."""
    return fnmatchcase(place, pattern) or ("*" in place and fnmatchcase(pattern, place))


def fresh(
    notices: Iterable[Notice], known: frozenset[str], now: datetime
) -> tuple[list[Notice], list[Notice]]:
    """Of `notices` those that are not `known` yet: to be told, and to be noted only since they are `OLD`."""
    new = [notice for notice in notices if notice.key not in known]
    return [n for n in new if now - n.at <= OLD], [n for n in new if now - n.at > OLD]


class Waiting(Protocol):
    """A message that waits to be sent: about which `thread`, not before `due_at`; `batch` is the digest it is part of
    already."""

    @property
    def thread(self) -> str: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def batch(self) -> str: ...


W = TypeVar("W", bound=Waiting)


def ready(waiting: Iterable[W], now: datetime) -> list[W]:
    """Those whose turn it is, in their order: none before an earlier one of its thread."""
    found, held = [], set[str]()
    for each in waiting:
        if each.thread in held:
            continue
        if each.due_at > now:
            held.add(each.thread)
        else:
            found.append(each)
    return found


def bundled(
    due: Sequence[W], sent: Sequence[datetime], now: datetime, per_minute: int
) -> list[tuple[W, ...]]:
    """What to send now, one message a tuple; of several the message is a digest. `sent` are the instants of what went
    out within the last minute. Empty where that was enough: what waits is told together then, a minute later."""
    alone = [each for each in due if not each.batch]
    batches: dict[str, list[W]] = {}
    for each in due:
        if each.batch:
            batches.setdefault(each.batch, []).append(each)
    left = per_minute - sum(1 for at in sent if now - at < MINUTE) - len(batches)
    found = [tuple(batch) for batch in batches.values()]
    if len(alone) <= left:
        found += [(each,) for each in alone]
    elif left > 0:
        found.append(tuple(alone))
    return found


def again(tries: int) -> float:
    """Seconds to wait after so many tries that failed: 5, 10, 20 … up to ten minutes."""
    return min(5.0 * 2.0 ** min(max(tries, 1) - 1, 10), MAX_WAIT)
