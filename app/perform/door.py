"""The only door out: what is asked is judged, rehearsed and put down, before anything is touched.

`ask` answers once the intent is kept; the work is done by `Worker`, in the background. A denial is kept too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex

import msgspec

from app.domain import audit
from app.domain.commands import VERBS, Command, CommandPhase, Offer, Reason, Verb
from app.domain.errors import StoreUnavailable
from app.domain.names import Topic, WorkloadRef, cut
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, Verdict, permits
from app.domain.refusals import ClusterError, Unreachable
from app.engines import ENGINES
from app.engines.acting import NotOffered, Plan
from app.live import Live
from app.store import commands
from app.store.audit import append
from app.store.commands import Intended, Kept, Known
from app.store.db import Database

from .access import Access
from .failpoints import reached
from .look import ClusterLike, Seen, completed, kind_of, look, moved, relevant
from .terms import (
    MAX_KEY,
    MAX_REASON,
    PERSONAL,
    Ask,
    Blocked,
    KeyReused,
    Moved,
    NotKnown,
    Preview,
    Receipt,
    Rules,
    receipt_of,
)
from .worker import POLL, Worker
from .write import send, sendings

DEADLINE = timedelta(seconds=60)
"""How long after it was asked a command is still begun."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """An ask, held against a fresh look: what it is about, and what stands in the way."""

    command: Command
    verdict: Verdict
    seen: Seen | None = None
    plan: Plan | None = None
    dry_run: str = ""
    said: str = ""


class Perform:
    """Judges, records and (by its worker) carries out commands. `clusters` are those connected just now, by name;
    while `resting` nothing new is taken on."""

    def __init__(
        self,
        database: Database,
        live: Live,
        clusters: Mapping[str, ClusterLike],
        rules: Rules,
        clock: Callable[[], datetime],
        *,
        resting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database, self._live, self._clusters = database, live, clusters
        self._rules, self._clock, self._resting = rules, clock, resting
        self._access = Access()
        self.worker = Worker(database, live, clusters, rules, clock)

    async def run(self) -> None:
        """Carry out what was asked, for ever."""
        await self.worker.run()

    async def preview(self, ask: Ask, principal: Principal) -> Preview:
        """What would happen now. Only a denial for who asks is recorded.

        Raises NotKnown, ClusterError, StoreUnavailable.
        """
        known, now = await self._known(ask.ref), self._clock()
        judged = await self._judge(ask, principal, known, now, rehearse=True)
        if any(b.rule in PERSONAL for b in judged.verdict.blocked_by):
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
        )

    async def ask(self, ask: Ask, principal: Principal) -> Receipt:
        """Record what is asked, to be carried out at once. The same key with the same ask gives the same receipt.

        Raises KeyReused, Blocked, Moved, NotKnown, ClusterError, StoreUnavailable; nothing was changed then, and an ask
        that raised StoreUnavailable may be repeated with its key.
        """
        if not 0 < len(ask.key) <= MAX_KEY:
            raise ValueError(f"an idempotency key has 1 to {MAX_KEY} characters")
        if before := await self._asked_before(ask, principal):
            return before
        if self._resting():
            raise StoreUnavailable(
                "Shipboard is stopping.", "Nothing was recorded or changed.", "Ask again soon."
            )
        known, now = await self._known(ask.ref), self._clock()
        try:
            judged = await self._judge(ask, principal, known, now, rehearse=True)
        except Moved as error:
            bare = self._command(ask, principal, known, now)
            await self._refused(_Judged(bare, Verdict()), ask, principal, now, str(error))
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
        known = await self._known(ref)
        engine = next((e for e in ENGINES if e.name == known.engine), None)
        if engine is None:
            return {}
        cluster, more = self._clusters.get(ref.cluster), []
        if cluster is None:
            more.append(_unconnected(ref.cluster))
        elif blocker := await self._access.blocker(cluster, kind_of(ref), ref.namespace):
            more.append(blocker)
        return {
            verb: replace(
                offer,
                blocked_by=(
                    *self._permitted(verb, principal, known.place.environment).blocked_by,
                    *offer.blocked_by,
                    *more,
                ),
            )
            for verb, offer in engine.verbs(known.state).items()
        }

    async def _judge(
        self, ask: Ask, principal: Principal, known: Known, now: datetime, *, rehearse: bool
    ) -> _Judged:
        """Raises Moved, NotKnown, ClusterError."""
        command = self._command(ask, principal, known, now)
        blocked = list(self._permitted(ask.verb, principal, command.environment).blocked_by)
        blocked += self._reasoned(command)
        if any(b.rule in PERSONAL for b in blocked):  # who may not act learns nothing of what it would do
            return _Judged(command, Verdict(tuple(blocked)))
        cluster = self._cluster(ask.ref)
        seen = await look(cluster, ask.ref)
        if difference := moved(ask.expected, seen):
            raise Moved(difference)
        command = replace(
            command,
            workload=f"{ask.ref.cluster}:{seen.uid}",
            expected=completed(ask.expected, relevant(ask.verb, seen.expected)),
        )
        ruled = self._rules.verdict(command, seen.state, now)
        blocked += ruled.blocked_by
        try:
            plan = seen.plan(ask.verb, ask.arguments, now, command.id)
        except NotOffered as error:
            return _Judged(command, Verdict((*blocked, *error.blockers), ruled.warnings), seen)
        blocked += await self._access.blockers(cluster, plan.patches)
        dry_run = said = ""
        if rehearse and not blocked and plan.patches:
            try:
                await send(cluster, plan, dry_run=True)
                dry_run = "accepted"
            except Unreachable:
                raise
            except ClusterError as error:
                dry_run, said = "refused", str(error)
                blocked.append(Blocker("cluster", f"The cluster refuses it: {error}", "Mend what it names."))
        return _Judged(command, Verdict(tuple(blocked), ruled.warnings), seen, plan, dry_run, said)

    def _permitted(self, verb: Verb, principal: Principal, environment: str) -> Verdict:
        return permits(principal, Permission.ACT, environment, verb=verb.value, role=VERBS[verb].role)

    def _reasoned(self, command: Command) -> list[Blocker]:
        when, place = VERBS[command.verb].reason, command.environment
        due = when is Reason.ALWAYS or (when is Reason.PRODUCTION and place in self._rules.production)
        if not due or command.reason:
            return []
        return [Blocker("reason", f"{VERBS[command.verb].label} takes a reason in {place}.", "Say why.")]

    def _command(self, ask: Ask, principal: Principal, known: Known, now: datetime) -> Command:
        return Command(
            token_hex(12),
            ask.verb,
            known.key,
            ask.ref,
            known.place.environment,
            ask.arguments,
            ask.expected,
            cut(ask.reason.strip(), MAX_REASON),
            principal.identity,
            principal.name,
            ask.key,
            now,
            now + DEADLINE,
        )

    def _cluster(self, ref: WorkloadRef) -> ClusterLike:
        if cluster := self._clusters.get(ref.cluster):
            return cluster
        raise Unreachable(
            f"Could not reach {ref.cluster}", "Shipboard is not connected to it", "See /sources"
        )

    async def _known(self, ref: WorkloadRef) -> Known:
        kind_of(ref)
        async with self._database.reading() as connection:
            known = await commands.workload(connection, ref)
        if known is None:
            raise NotKnown(f"Nothing is known of {ref}.", "", "See /api/v1/workloads for all there are.")
        return known

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
        self, judged: _Judged, ask: Ask, principal: Principal, now: datetime, said: str
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


def _unconnected(cluster: str) -> Blocker:
    return Blocker("cluster", f"Shipboard is not connected to {cluster}.", "See /sources for the reason.")


def _intended(plan: Plan, seen: Seen) -> Intended:
    return Intended(plan.sentence, sendings(plan), plan.difference, seen.expected, plan.effect)


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
