"""May it be done, and would it work? Roles, reasons, a fresh look, the engine, the house's rules, the cluster's own
rights, and a rehearsal on its server; all that stands in the way is told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_hex

from app.domain.commands import VERBS, Command, Offer, Reason, Verb
from app.domain.names import cut
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, Verdict, permits
from app.domain.refusals import Absent, Conflict, Denied, Failed, Invalid, Unreachable
from app.domain.targets import Record, Target
from app.engines import ENGINES, offers, owners
from app.engines.acting import NotOffered, Plan
from app.store.commands import Known

from .access import Access
from .differences import moved
from .look import ClusterLike, Seen, completed, kind_of, look, relevant
from .terms import MAX_REASON, PERSONAL, Ask, Moved, Rules
from .write import outrun, send

DEADLINE = timedelta(seconds=60)
"""How long after it was asked a command is still begun."""
REHEARSALS = 4
"""How often a rehearsal is tried on an object that changes meanwhile; the write itself has conditions anyway."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """An ask, held against a fresh look: what it is about, and what stands in the way."""

    command: Command
    verdict: Verdict
    seen: Seen | None = None
    plan: Plan | None = None
    dry_run: str = ""
    said: str = ""
    targets: tuple[Target, ...] = ()


class Judge:
    """Judges asks about workloads of `clusters`."""

    def __init__(self, clusters: Mapping[str, ClusterLike], rules: Rules) -> None:
        self._clusters, self._rules = clusters, rules
        self._access = Access()

    async def __call__(
        self, ask: Ask, principal: Principal, known: Known, now: datetime, record: Record | None = None
    ) -> Judgement:
        """Hold an ask against everything; one that goes back also against the `record` of what was live. Raises Moved,
        NotKnown, ClusterError."""
        command = command_of(ask, principal, known, now)
        verdict = _permitted(ask.verb, principal, command.environment)
        if not verdict.allowed:  # who may not act learns nothing of what it would do
            return Judgement(command, verdict)
        cluster = self._clusters.get(ask.ref.cluster)
        if cluster is None:
            why = "Shipboard is not connected to it"
            raise Unreachable(f"Could not reach {ask.ref.cluster}", why, "See /sources for the reason")
        for _ in range(REHEARSALS):
            judged = await self._once(cluster, ask, principal, command, now, record or Record())
            if judged.dry_run != "outrun":
                return judged
            await asyncio.sleep(0.02)
        return replace(judged, dry_run="")

    async def offers(self, known: Known, principal: Principal, record: Record) -> Mapping[Verb, Offer]:
        """Every verb of a workload, by its stored state, with what stands in the way of `principal`."""
        engine = next((e for e in ENGINES if e.name == known.engine), None)
        if engine is None:
            return {}
        ref, barred = known.ref, []
        cluster = self._clusters.get(ref.cluster)
        if cluster is None:
            said = f"Shipboard is not connected to {ref.cluster}."
            barred.append(Blocker("cluster", said, "See /sources for the reason."))
        elif blocker := await self._access.blocker(cluster, kind_of(ref), ref.namespace):
            barred.append(blocker)
        found = {}
        for verb, offer in offers(engine, known.state, record)[0].items():
            permitted = _permitted(verb, principal, known.place.environment)
            found[verb] = replace(offer, blocked_by=(*permitted.blocked_by, *offer.blocked_by, *barred))
        return found

    async def _once(
        self,
        cluster: ClusterLike,
        ask: Ask,
        principal: Principal,
        command: Command,
        now: datetime,
        record: Record,
    ) -> Judgement:
        blocked = [*self._reasoned(command), *self._rules.stale(principal, command.environment, now)]
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
        targets = _targets(ask.verb, seen, record)
        if targets and not ask.arguments.revision:
            command = replace(command, arguments=replace(ask.arguments, revision=targets[0].revision.key))
        asked = command.arguments.revision
        blocked += [b for target in targets if target.revision.key == asked for b in target.blocked_by]
        try:
            plan = seen.plan(ask.verb, command.arguments, now, command.id)
        except NotOffered as error:
            said = Verdict((*blocked, *error.blockers), ruled.warnings)
            return Judgement(command, said, seen, targets=targets)
        blocked += await self._access.blockers(cluster, plan.patches)
        dry_run = words = ""
        if not [b for b in blocked if b.rule != "reason"] and plan.patches:
            dry_run, words = await _rehearsed(cluster, plan)
        if dry_run == "refused":
            blocked.append(Blocker("cluster", f"The cluster refuses it: {words}", "Mend what it names."))
        return Judgement(
            command, Verdict(tuple(blocked), ruled.warnings), seen, plan, dry_run, words, targets
        )

    def _reasoned(self, command: Command) -> list[Blocker]:
        rule, place = VERBS[command.verb], command.environment
        due = rule.reason is Reason.ALWAYS or (
            rule.reason is Reason.PRODUCTION and place in self._rules.production
        )
        if not due or command.reason:
            return []
        return [Blocker("reason", f"{rule.label} takes a reason in {place}.", "Say why.")]


def command_of(ask: Ask, principal: Principal, known: Known, now: datetime) -> Command:
    """The command that an ask would be."""
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


def personal(verdict: Verdict) -> bool:
    """Whether it is about who asks."""
    return any(blocker.rule in PERSONAL for blocker in verdict.blocked_by)


async def _rehearsed(cluster: ClusterLike, plan: Plan) -> tuple[str, str]:
    """ "accepted", "refused" with the server's words, or "outrun": the object changed since it was looked at."""
    try:
        await send(cluster, plan, dry_run=True)
    except Conflict:
        return "outrun", ""
    except Invalid as error:
        return ("outrun", "") if await outrun(cluster, plan) else ("refused", str(error))
    except (Denied, Absent, Failed) as error:
        return "refused", str(error)
    return "accepted", ""


def _targets(verb: Verb, seen: Seen, record: Record) -> tuple[Target, ...]:
    """What a rollback could go to, the version that was live last before all others; and a sync, as its owner tells."""
    if verb is Verb.SYNC:
        return owners.targets(seen.state, seen.look)
    return offers(seen.engine, seen.state, record)[1] if verb is Verb.ROLLBACK else ()


def _permitted(verb: Verb, principal: Principal, environment: str) -> Verdict:
    return permits(principal, Permission.ACT, environment, verb=verb.value, role=VERBS[verb].role)
