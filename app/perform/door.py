"""The only door out: what is asked is judged, rehearsed and put down, before anything is touched.

`ask` answers once the intent is kept; the work is done by `Worker`, in the background. A denial is kept too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import msgspec

from app.domain import audit, drills
from app.domain.commands import CommandPhase, Offer, Verb
from app.domain.errors import StoreUnavailable
from app.domain.names import Topic, WorkloadRef
from app.domain.people import Principal
from app.domain.policy import Blocker, Verdict
from app.domain.rollout import RolloutState
from app.engines import owners
from app.engines.acting import Plan
from app.live import Live
from app.store import commands, readiness
from app.store.audit import append
from app.store.commands import Intended, Kept, Known
from app.store.db import Database

from .failpoints import reached
from .judge import Judge, Judgement, command_of, personal
from .look import ClusterLike, Seen, kind_of, relevant
from .terms import (
    MAX_KEY,
    Ask,
    Blocked,
    KeyReused,
    Moved,
    NotKnown,
    Preview,
    Receipt,
    RightsNow,
    Rules,
    Unsuited,
    as_asked,
    receipt_of,
)
from .worker import POLL, Worker
from .write import sendings

DRILL = "drill:"
"""How the keys of the two commands of a drill begin; they end in "back" and "forth"."""


class Perform:
    """Judges, records and (by its worker) carries out commands. `clusters` are those connected just now, by name;
    `rights_now` tells what whoever asked may do by the time it is done; while `resting` nothing new is taken on.
    `dead_after` and `place` are as for `Worker`."""

    def __init__(
        self,
        database: Database,
        live: Live,
        clusters: Mapping[str, ClusterLike],
        rules: Rules,
        clock: Callable[[], datetime],
        *,
        rights_now: RightsNow = as_asked,
        resting: Callable[[], bool] = lambda: False,
        dead_after: float | None = None,
        place: str = "",
    ) -> None:
        self._database, self._live, self._clusters = database, live, clusters
        self._clock, self._resting = clock, resting
        self._judge, self._rules = Judge(clusters, rules), rules
        self.worker = Worker(
            database, live, clusters, rules, clock, rights_now=rights_now, dead_after=dead_after, place=place
        )

    async def run(self) -> None:
        """Carry out what was asked, for ever."""
        await self.worker.run()

    async def preview(self, ask: Ask, principal: Principal) -> Preview:
        """What would happen now. Only a denial for who asks is recorded.

        Raises Unsuited, NotKnown, ClusterError, StoreUnavailable.
        """
        Unsuited.check(ask)
        known, now = await self.known(ask.ref), self._clock()
        judged = await self._judged(ask, principal, known, now)
        if personal(judged.verdict):
            await self._refused(judged, ask, principal, now, "preview")
        plan, seen = judged.plan, judged.seen
        return Preview(
            ask.verb,
            ask.ref,
            known.place.environment,
            plan.sentence if plan else "",
            sendings(plan) if plan else (),
            plan.difference if plan else (),
            judged.verdict.blocked_by,
            judged.verdict.warnings,
            relevant(ask.verb, seen.expected) if seen else ask.expected,
            judged.dry_run,
            judged.said,
            plan.from_ if plan else None,
            plan.to if plan else None,
            judged.targets,
            owners.source(seen.state, seen.look) if seen else None,
            seen.containers if seen else {},
        )

    async def ask(self, ask: Ask, principal: Principal) -> Receipt:
        """Record what is asked, to be carried out at once. The same key with the same ask gives the same receipt.

        Raises Unsuited, KeyReused, Blocked, Moved, NotKnown, ClusterError, StoreUnavailable; nothing was changed then,
        and an ask that raised StoreUnavailable may be repeated with its key.
        """
        if not 0 < len(ask.key) <= MAX_KEY:
            raise ValueError(f"an idempotency key has 1 to {MAX_KEY} characters")
        Unsuited.check(ask)
        if before := await self._asked_before(ask, principal):
            return before
        if self._resting():
            raise StoreUnavailable(
                "Shipboard is stopping.", "Nothing was recorded or changed.", "Ask again soon."
            )
        known, now = await self.known(ask.ref), self._clock()
        try:
            judged = await self._judged(ask, principal, known, now)
        except Moved as error:
            bare = command_of(ask, principal, known, now)
            await self._refused(Judgement(bare, Verdict()), ask, principal, now, str(error))
            raise
        if not judged.verdict.allowed or not judged.plan or not judged.seen:
            refusal = Blocked(judged.verdict.blocked_by)
            await self._refused(judged, ask, principal, now, str(refusal))
            raise refusal
        kept = Kept(judged.command, principal, ask.digest, _intended(judged.plan, judged.seen))
        try:
            async with self._database.writing() as session:
                new = await commands.put_down(session, kept)
                if new:
                    await append(session, _asked(kept, ask, judged.seen))
        except StoreUnavailable:
            # The connection may have been lost in the commit itself: only the key tells whether it was kept.
            if found := await self._asked_before(ask, principal):
                self._announce(kept)
                return found
            raise
        if not new:
            found = await self._asked_before(ask, principal)
            assert found is not None
            return found
        reached("after_intent")
        self._announce(kept)
        return receipt_of(kept)

    async def drill(self, ask: Ask, principal: Principal) -> Receipt:
        """Ask to go back, to be brought forward again once that has landed. Raises as `ask` does."""
        known = await self.known(ask.ref)
        if blocker := self.undrilled(known.place.environment, known.state):
            raise Blocked((blocker,))
        return await self.ask(replace(ask, key=f"{DRILL}{ask.key}:back"), principal)

    def undrilled(self, environment: str, state: RolloutState) -> Blocker | None:
        """What stands in the way of a drill."""
        if environment in self._rules.production:
            return Blocker("drill", "No drill is made in production.", "Drill where it harms nobody.")
        why = drills.why_not(state)
        if why == "":
            return None
        said = why or "Its strategy has steps that a person answers, so no drill can be made."
        return Blocker("drill", said, "Wait until it is at rest." if why else "")

    async def receipt(
        self, ident: str, *, unlike: CommandPhase | None = None, within: float = 0.0
    ) -> Receipt:
        """A command as it stands; as soon as its phase is another than `unlike`, but at most `within` seconds later.

        Raises NotKnown, StoreUnavailable.
        """
        ends = time.monotonic() + within
        with self._live.listening() as listener:
            while True:
                async with self._database.reading() as connection:
                    kept = await commands.one(connection, ident)
                if kept is None:
                    raise NotKnown(
                        "There is no such command.", "Old ones are forgotten.", "See /api/v1/commands."
                    )
                left = ends - time.monotonic()
                if kept.phase is not unlike or kept.final or left <= 0:
                    return receipt_of(kept)
                about = Topic("command", ident)
                pause = time.monotonic() + min(left, POLL)  # another process may have moved it
                while (rest := pause - time.monotonic()) > 0 and about not in await listener.changes(rest):
                    pass

    async def offers(self, ref: WorkloadRef, principal: Principal) -> Mapping[Verb, Offer]:
        """Every verb of a workload as it stands for `principal`, by the state that is stored: for buttons. Raises
        NotKnown, StoreUnavailable."""
        known = await self.known(ref)
        async with self._database.reading() as connection:
            record = await readiness.record(connection, ref, _keys(known))
        return await self._judge.offers(known, principal, record)

    async def known(self, ref: WorkloadRef) -> Known:
        """A workload as the database has it. Raises NotKnown, StoreUnavailable."""
        kind_of(ref)
        async with self._database.reading() as connection:
            known = await commands.workload(connection, ref)
        if known is None:
            raise NotKnown(f"Nothing is known of {ref}.", "", "See /api/v1/workloads for all there are.")
        return known

    async def _judged(self, ask: Ask, principal: Principal, known: Known, now: datetime) -> Judgement:
        record = None
        if ask.verb is Verb.ROLLBACK:
            async with self._database.reading() as connection:
                record = await readiness.record(connection, ask.ref, _keys(known))
        return await self._judge(ask, principal, known, now, record)

    async def _asked_before(self, ask: Ask, principal: Principal) -> Receipt | None:
        async with self._database.reading() as connection:
            kept = await commands.by_key(connection, principal.identity, ask.key)
        if kept is None:
            return None
        if kept.digest != ask.digest:
            raise KeyReused(
                "This key was used for something else.",
                f"It is that of {kept.command.id}.",
                "Take a new one.",
            )
        return receipt_of(kept)

    async def _refused(
        self, judged: Judgement, ask: Ask, principal: Principal, now: datetime, said: str
    ) -> None:
        command = judged.command
        entry = audit.Entry.of(
            principal,
            audit.Kind.REFUSED,
            now,
            object=str(ask.ref),
            environment=command.environment,
            verb=ask.verb.value,
            reason=command.reason,
            digest=_digest(judged.seen),
            blocked_by=" ".join(f"{b.rule}: {b.message}" for b in judged.verdict.blocked_by),
            request=ask.request,
            result=said,
        )
        async with self._database.writing() as session:
            await append(session, entry)

    def _announce(self, kept: Kept) -> None:
        self.worker.wake()
        command = kept.command
        self._live.publish((Topic("command", command.id), Topic("workload", command.workload)))


def _intended(plan: Plan, seen: Seen) -> Intended:
    return Intended(plan.sentence, sendings(plan), plan.difference, seen.expected, plan.effect)


def _keys(known: Known) -> list[str]:
    """Of the revisions that are kept, which alone may be gone back to."""
    return [revision.key for revision in known.state.revisions]


def _digest(seen: Seen | None) -> str:
    """Stands for all that was seen when it was judged."""
    if seen is None:
        return ""
    return sha256(msgspec.json.encode((seen.expected, seen.version))).hexdigest()[:32]


def _asked(kept: Kept, ask: Ask, seen: Seen) -> audit.Entry:
    command, difference = kept.command, kept.intended.difference
    return audit.Entry.of(
        kept.principal,
        audit.Kind.ASKED,
        command.asked_at,
        object=str(command.ref),
        environment=command.environment,
        verb=command.verb.value,
        reason=command.reason,
        digest=_digest(seen),
        before="; ".join(f"{d.what}: {d.before}" for d in difference),
        after="; ".join(f"{d.what}: {d.after}" for d in difference),
        command=command.id,
        request=ask.request,
        result=kept.intended.sentence,
    )
