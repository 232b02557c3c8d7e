"""One command, carried out: a fresh look, the rules again, a conditional write; and after a doubt, what can be told.

Nothing here is blindly repeated. A write is sent again only when the object shows that it was not made: it does not
bear the command's stamp (or, where a write leaves none, all is as it was), and what was expected still holds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.commands import VERBS, CommandPhase
from app.domain.policy import Blocker, Permission, permits
from app.domain.refusals import (
    Absent,
    ClusterError,
    Conflict,
    Invalid,
    Lost,
    Throttled,
    Unauthorized,
    Unreachable,
)
from app.engines.acting import Effect, NotOffered
from app.store.commands import Intended, Kept

from .book import End
from .differences import moved
from .failpoints import reached
from .look import ClusterLike, Seen, look, stamped
from .terms import Moved, NotKnown, RightsNow, Rules
from .write import Partly, outrun, send, sendings, stamps

ATTEMPTS = 12
"""How often a command is set about before it is given up."""
GRACE = 15.0
"""Seconds that a doubt is looked into at least, even after the command's deadline: the process may just have begun."""
_UNTOUCHED = "nothing was changed"


@dataclass(slots=True)
class _Standing:
    """How a command stands while it is carried out: `doubt`, it may have been written; `partial`, its first write was,
    and of its `intended` writes at least the first `sent`; `trouble`, what went wrong last."""

    intended: Intended
    doubt: bool
    partial: bool = False
    sent: int = 1
    trouble: str = ""


class Carrier:
    """Carries commands out on `clusters`."""

    def __init__(
        self,
        clusters: Mapping[str, ClusterLike],
        rules: Rules,
        clock: Callable[[], datetime],
        rights_now: RightsNow,
    ) -> None:
        self._clusters, self._rules, self._clock, self._rights_now = clusters, rules, clock, rights_now

    async def carry(self, kept: Kept, *, doubt: bool) -> End:
        """Bring a running command to where it goes next. `doubt`: another had begun it, and may have written."""
        standing = _Standing(kept.intended, doubt)
        began, attempt = time.monotonic(), 0
        while True:
            if end := await self._try(kept, standing, grace=time.monotonic() - began < GRACE):
                return end
            attempt += 1
            unsure = standing.doubt or standing.partial
            if attempt >= ATTEMPTS and not (unsure and time.monotonic() - began < GRACE):
                return _given_up(standing)
            await asyncio.sleep(min(0.02 * 2**attempt, 1.5) * random.uniform(0.5, 1.0))

    async def _try(self, kept: Kept, standing: _Standing, *, grace: bool) -> End | None:
        command = kept.command
        late = self._clock() >= command.deadline
        if late and not (standing.doubt or standing.partial):
            return End(CommandPhase.REFUSED, f"It was not begun in time; {_UNTOUCHED}.")
        cluster = self._clusters.get(command.ref.cluster)
        try:
            if cluster is None:
                raise Unreachable(
                    f"Could not reach {command.ref.cluster}", "Shipboard is not connected to it"
                )
            seen = await look(cluster, command.ref)
            if standing.doubt and (end := await self._told(cluster, kept, standing, seen, late=late)):
                return end
            return await self._write(cluster, kept, standing, seen)
        except (Absent, NotKnown) as error:
            if standing.doubt or standing.partial:
                return End(CommandPhase.UNKNOWN, f"It is gone, so nobody can tell what was done. {error}")
            return End(CommandPhase.REFUSED, f"It is gone; {_UNTOUCHED}. {error}")
        except ClusterError as error:
            standing.trouble = str(error)
            return None if grace or not late else _given_up(standing)

    async def _told(
        self, cluster: ClusterLike, kept: Kept, standing: _Standing, seen: Seen, *, late: bool
    ) -> End | None:
        """What the cluster tells of a write that may have been made; None: it was not, or not all of it."""
        command, intended = kept.command, standing.intended
        first = intended.sendings[0] if intended.sendings else None
        stampable = first is not None and first.method == "PATCH"
        path = first.path.removesuffix("/status").removesuffix("/scale") if first and stampable else ""
        mine = bool(path) and await stamped(cluster, path) == command.id
        # An effect that names nothing is no evidence.
        met = intended.effect != Effect() and intended.effect.met(seen.state)
        if met or (mine and len(intended.sendings) == 1):
            return End(CommandPhase.SENT, "Found to be written already.", intended=intended)
        if mine:
            standing.partial = True
            return None
        if standing.partial:
            return End(CommandPhase.UNKNOWN, "Part of it was written, and something else has written since.")
        leaves_stamp = first is not None and command.id in str(first.body)
        if late and leaves_stamp:
            return End(CommandPhase.REFUSED, f"It was not written, and now it is too late; {_UNTOUCHED}.")
        if late:
            said = "It cannot be told whether it was written; it is too late to try again."
            return End(CommandPhase.UNKNOWN, said)
        if difference := moved(command.expected if leaves_stamp else intended.basis, seen):
            error = Moved(difference)
            if leaves_stamp:
                return End(CommandPhase.REFUSED, f"{error.what} {error.why} {_UNTOUCHED.capitalize()}.")
            return End(
                CommandPhase.UNKNOWN, f"It cannot be told whether it was written. {error.what} {error.why}"
            )
        standing.doubt = False
        return None

    async def _write(self, cluster: ClusterLike, kept: Kept, standing: _Standing, seen: Seen) -> End | None:
        command = kept.command
        if not standing.partial and (end := await self._stopped(kept, seen)):
            return end
        try:
            plan = seen.plan(command.verb, command.arguments, command.asked_at, command.id)
        except NotOffered as error:
            if standing.partial:
                return End(CommandPhase.SENT, "Sent.", intended=standing.intended)
            return End(CommandPhase.REFUSED, f"{error.why} {_UNTOUCHED.capitalize()}.", error.blockers)
        if not plan.patches:
            if standing.partial:
                return End(CommandPhase.SENT, "Sent.", intended=standing.intended)
            return End(CommandPhase.DONE, "It was already so.")
        intended = Intended(plan.sentence, sendings(plan), plan.difference, seen.expected, plan.effect)
        if standing.partial:  # what is left of it is planned anew; what was sent stays on record
            was = standing.intended
            intended = replace(
                was, sendings=(*was.sendings[: standing.sent], *intended.sendings), effect=plan.effect
            )
        standing.intended = intended
        reached("before_write")
        try:
            await send(cluster, plan, between=lambda: reached("after_first_write"))
        except Partly as error:
            standing.sent = len(intended.sendings) - len(plan.patches) + error.sent
            standing.partial, standing.doubt = True, stamps(plan, command.id)
            raise error.error from None
        except Lost:
            standing.doubt = True
            raise
        except (Throttled, Unauthorized, Unreachable, Conflict):
            raise
        except Invalid as error:
            if await outrun(cluster, plan):
                raise
            return End(CommandPhase.REFUSED, f"The cluster refuses it; {_UNTOUCHED}. {error}")
        except ClusterError as error:
            if standing.partial:
                return End(CommandPhase.FAILED, f"Only part of it was written. {error}")
            return End(CommandPhase.REFUSED, f"The cluster refuses it; {_UNTOUCHED}. {error}")
        reached("after_write")
        return End(CommandPhase.SENT, "The cluster took it; its effect is awaited.", intended=intended)

    async def _stopped(self, kept: Kept, seen: Seen) -> End | None:
        """Whether what was seen, the rights that whoever asked has by now, or a rule stands in the way."""
        command = kept.command
        if difference := moved(command.expected, seen):
            said = Moved(difference)
            return End(CommandPhase.REFUSED, f"{said.what} {said.why} {_UNTOUCHED.capitalize()}.")
        role = VERBS[command.verb].role
        who = await self._rights_now(kept.principal)
        if who is None:
            revoked = Blocker(
                "revoked", f"The session or token of {command.by} holds no more.", "Sign in again."
            )
            return End(CommandPhase.REFUSED, f"{revoked.message} {_UNTOUCHED.capitalize()}.", (revoked,))
        may = permits(who, Permission.ACT, command.environment, verb=command.verb.value, role=role)
        blocked = (*may.blocked_by, *self._rules.verdict(command, seen.state, self._clock()).blocked_by)
        if not blocked:
            return None
        words = " ".join(b.message for b in blocked)
        return End(CommandPhase.REFUSED, f"{words} {_UNTOUCHED.capitalize()}.", blocked)


def _given_up(standing: _Standing) -> End:
    if standing.partial:
        return End(CommandPhase.UNKNOWN, f"Part of it was written. {standing.trouble}")
    if standing.doubt:
        return End(CommandPhase.UNKNOWN, f"It cannot be told whether it was written. {standing.trouble}")
    return End(CommandPhase.REFUSED, f"It could not be written; {_UNTOUCHED}. {standing.trouble}")
