"""Questions that webhooks raise: what waits in a forge becomes a gate, and what no longer waits ends one.

Asked as often as the webhook comes; the key of what waits makes it one gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.forges import Asked, ForgeCall
from app.domain.gates import Basis, Decision, GatePhase, Origin, Subject, Version
from app.domain.people import SYSTEM, Principal, PrincipalKind
from app.domain.repositories import Ships, services_of
from app.perform import Gates
from app.perform.asking import Question
from app.settings import HookSettings
from app.store import gate_calls


@dataclass(frozen=True, slots=True)
class Naming:
    """What a hook's environments are called here, where that is another name: (theirs, ours)."""

    environments: Mapping[str, str]

    def ours(self, name: str) -> str:
        """Our name of an environment of the forge."""
        return self.environments.get(name.lower(), name)


def namings(hooks: Iterable[HookSettings]) -> Mapping[str, Naming]:
    """What environments are called here, by hook, of those whose gates are answered."""
    return {
        hook.id: Naming({theirs.lower(): ours for theirs, ours in hook.gates.environments})
        for hook in hooks
        if hook.gates
    }


class Asker:
    """Turns what webhooks ask into gates. `namings` are by hook, of those whose gates can be answered."""

    def __init__(self, gates: Gates, namings: Mapping[str, Naming], ships: Iterable[Ships] = ()) -> None:
        self._gates, self._namings, self._ships = gates, namings, tuple(ships)

    def answers(self, hook: str) -> bool:
        """Whether gates of this hook can be answered."""
        return hook in self._namings

    async def take(self, hook: str, asked: Sequence[Asked], now: datetime) -> None:
        """Put down or end what `asked` says, in its order. Raises StoreUnavailable; all of it may be taken again."""
        for each in asked:
            if each.over_at:
                await self._end(each, each.over_at)
            elif each.call and (question := self._question(hook, each, each.call, now)):
                by = Principal(PrincipalKind.SYSTEM, "shipboard", hook, f"{each.call.forge} ({hook})")
                await self._gates.ask(question, by)

    def _question(self, hook: str, asked: Asked, call: ForgeCall, now: datetime) -> Question | None:
        environment = self._namings[hook].ours(call.environment)
        if asked.optional and environment not in self._gates.delivery.rules:
            return None
        services = services_of(asked.repo, "", self._ships)
        service = services[0] if len(services) == 1 else asked.repo.rpartition("/")[2]
        version = asked.ref.removeprefix("refs/tags/").removeprefix("refs/heads/") or asked.sha[:8]
        subject = Subject(
            service,
            environment,
            f"May {version} go to {environment}?",
            after=Version(version),
            then=f"{call.forge} is told yes, and its job goes on.",
            else_=f"{call.forge} is told no."
            if call.run or call.deployment
            else "Its job stays where it is.",
            stands=f"{call.forge} waits",
            commit=asked.sha,
            url=asked.url,
            asker=f"forge|{hook}",
            starter=asked.actor,
            call=replace(call, hook=hook),
        )
        return Question(f"forge|{hook}|{asked.key}", Origin.FORGE, subject, now, asked.thread)

    async def _end(self, asked: Asked, at: datetime) -> None:
        async with self._gates.database.reading() as connection:
            found = await gate_calls.waiting(connection, asked.thread, at)
        for ident in found:
            gate = await self._gates.one(ident)
            forge = gate.subject.call.forge if gate.subject.call else "The forge"
            said = f"{forge} does not wait any more: it went on or ended there."
            why = Decision(GatePhase.VOID, Basis.RULE, self._gates.clock(), SYSTEM.identity, SYSTEM.name)
            await self._gates.conclude(gate, replace(why, digest=gate.digest), SYSTEM, said)
