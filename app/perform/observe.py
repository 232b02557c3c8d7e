"""Success is seen, not answered: commands that were sent wait here until their workload shows the effect.

The collector's looks wake them. Where it stays silent, and before anything but success is said, the cluster is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.domain.commands import CommandPhase, Verb
from app.domain.errors import StoreUnavailable
from app.domain.names import EVERYTHING, Topic
from app.domain.refusals import Absent, ClusterError
from app.live import Listener
from app.store import commands
from app.store.commands import Kept, Known

from .book import Book, End
from .failpoints import reached
from .look import ClusterLike, Seen, look

SILENCE = 10.0
"""Seconds without news after which the cluster is asked."""
AGAIN = 1.0
"""Seconds after which a cluster that could not be asked is asked again."""
GIVE_UP: Mapping[Verb, float] = {
    Verb.ROLLBACK: 120.0,
    Verb.SET_IMAGE: 120.0,
    Verb.PROMOTE_FULL: 600.0,  # of a blue-green nothing shows it but the switch
    Verb.SYNC: 300.0,
}
"""Seconds after which a verb's effect is no longer waited for; 60 for the others."""
BLIND = 60.0
"""Seconds more that a cluster which cannot be asked is given."""

log = structlog.get_logger("shipboard.perform")


@dataclass(slots=True)
class _Waiting:
    kept: Kept
    since: float
    looked: float


class Observer:
    """Waits for the effects of commands."""

    def __init__(self, book: Book, clusters: Mapping[str, ClusterLike]) -> None:
        self._book, self._clusters = book, clusters
        self._waiting: dict[str, _Waiting] = {}
        self._listener: Listener | None = None

    def __contains__(self, ident: str) -> bool:
        return ident in self._waiting

    def take(self, kept: Kept, *, at_once: bool = False) -> None:
        """Wait for the effect of a command that was sent. `at_once`: ask the cluster first, since the look that shows
        the effect may be an old one, which nobody will tell of again."""
        now = time.monotonic()
        self._waiting[kept.command.id] = _Waiting(kept, now, now - SILENCE if at_once else now)
        if self._listener:
            self._listener.mark((Topic("workload", kept.command.workload),))

    async def run(self, listener: Listener) -> None:
        """Watch for ever."""
        self._listener = listener
        while True:
            topics = await listener.changes(within=1.0)
            try:
                changed = {topic.key for topic in topics if topic.sort == "workload"}
                if EVERYTHING in topics:
                    changed |= {each.kept.command.workload for each in self._waiting.values()}
                await self._round(changed)
            except StoreUnavailable as error:
                log.warning("effects cannot be looked for", reason=str(error))
                await asyncio.sleep(1.0)

    async def _round(self, changed: set[str]) -> None:
        told = [each for each in self._waiting.values() if each.kept.command.workload in changed]
        unsure = [each for each in self._waiting.values() if time.monotonic() - each.looked >= SILENCE]
        if told:
            async with self._book.database.reading() as connection:
                known = await commands.workloads(connection, [w.kept.command.workload for w in told])
            for each in told:
                found = known.get(each.kept.command.workload)
                if found is None or _notable(each.kept, found):
                    if found and _met(each.kept, found):
                        await self._end(each, End(CommandPhase.DONE, "Its effect is seen."))
                    elif each not in unsure:
                        unsure.append(each)
        await self._ask(unsure)

    async def _ask(self, unsure: Iterable[_Waiting]) -> None:
        """Look at the clusters, at all at once."""
        waiting = [each for each in unsure if each.kept.command.id in self._waiting]
        looks = await asyncio.gather(*(self._look(each.kept) for each in waiting))
        for each, seen in zip(waiting, looks, strict=True):
            blind = isinstance(seen, ClusterError)
            each.looked = time.monotonic() - (SILENCE - AGAIN if blind else 0.0)
            if end := _concluded(each, seen):
                await self._end(each, end)

    async def _look(self, kept: Kept) -> Seen | ClusterError | None:
        """The workload; None when it is gone; the error when that cannot be told."""
        cluster, ref = self._clusters.get(kept.command.ref.cluster), kept.command.ref
        if cluster is None:
            return ClusterError(f"Could not reach {ref.cluster}", "Shipboard is not connected to it")
        try:
            return await look(cluster, ref)
        except Absent:
            return None
        except ClusterError as error:
            return error
        except Exception as error:  # whatever an odd object does to an engine, others are still watched
            log.exception("a look failed", workload=str(ref))
            return ClusterError(f"Could not read {ref}", type(error).__name__)

    async def _end(self, each: _Waiting, end: End) -> None:
        if end.phase is CommandPhase.DONE:
            reached("before_done")
        await self._book.move(each.kept, end)
        self._waiting.pop(each.kept.command.id, None)


def _met(kept: Kept, found: Known) -> bool:
    """Whether a stored look that is newer than the write shows the effect."""
    after = kept.sent_at is not None and found.seen_at >= kept.sent_at - timedelta(milliseconds=1)
    return after and kept.intended.effect.met(found.state) is True


def _notable(kept: Kept, found: Known) -> bool:
    effect = kept.intended.effect
    return effect.met(found.state) is not None or effect.lost(found.state)


def _concluded(each: _Waiting, seen: Seen | ClusterError | None) -> End | None:
    """What a look at the cluster means for a command that was sent; None: go on waiting."""
    command, effect = each.kept.command, each.kept.intended.effect
    waited, most = time.monotonic() - each.since, GIVE_UP.get(command.verb, 60.0)
    if seen is None:
        return End(CommandPhase.SUPERSEDED, "The workload was deleted.")
    if isinstance(seen, ClusterError):
        if waited < most + BLIND:
            return None
        return End(
            CommandPhase.UNKNOWN, f"The cluster took it; whether it had an effect cannot be seen. {seen}"
        )
    if command.expected.uid and seen.uid != command.expected.uid:
        return End(CommandPhase.SUPERSEDED, "The workload was deleted and created anew.")
    met = effect.met(seen.state)
    if met:
        return End(CommandPhase.DONE, "Its effect is seen.")
    if effect.lost(seen.state):
        return End(CommandPhase.SUPERSEDED, "Another version was asked for before its effect was seen.")
    if met is False:
        return End(
            CommandPhase.FAILED, f"The cluster took it, and it had no effect. {seen.state.message}".strip()
        )
    if waited < most:
        return None
    said = f"The cluster took it, but its effect did not come within {most:.0f} s. {seen.state.message}"
    return End(CommandPhase.FAILED, said.strip())
