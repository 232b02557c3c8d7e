"""What the audit says of the door: one entry for whatever is done here, and for whoever is turned away.

Somebody known is written down at once, up to `PROMPT` times a minute. Strangers, and what is beyond that, are
counted by source, place and answer, and written once a minute with the count, so that neither a flood nor many
addresses fill the disk. What was counted since the last minute is lost with a process that is killed; the log has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from starlette.types import Scope

from app.domain.audit import Act, Entry, Kind
from app.domain.errors import StoreUnavailable
from app.domain.people import NOBODY, Principal, PrincipalKind
from app.store.audit import append
from app.store.db import Database
from app.web.logs import without_secret

from . import limits

PROMPT = 30
"""Denials of one caller that get an entry each, within a minute."""
MOST = 100
"""Sorts of denial that are told apart within a minute; the rest are counted together."""
MINUTE = 60.0
_PLACES = frozenset(
    {"account", "api", "hooks", "kiosk", "login", "logout", "metrics", "oidc", "sources", "w"}
)
log = structlog.get_logger("shipboard.auth")


@dataclass(frozen=True, slots=True)
class Denied:
    """A sort of denial: to whom, doing what (`verb`), where, and what was said."""

    identity: str
    name: str
    verb: str
    object: str
    result: str


_OTHERS = Denied(
    "nobody|elsewhere", "others", Act.ENTER, "", "Refused, from more sources than are told apart"
)


def entry(
    scope: Scope, who: Principal, verb: str, at: datetime, what: str, result: str, kind: str = Kind.DONE
) -> Entry:
    """The entry for what `who` did by a request; it goes into the unit of work of what was done."""
    said = f"{result} From {limits.source(scope)}.".strip()
    request = str(scope.get("state", {}).get("request_id", ""))
    return Entry.of(who, kind, at, verb=verb, object=what, request=request, result=said)


class Denials:
    """The denials of a process. `clock` is the doorkeeper's."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._since = clock()
        self._counted: Counter[Denied] = Counter()
        self._prompt: Counter[str] = Counter()

    async def note(
        self, database: Database, scope: Scope, who: Principal, said: str, verb: str = Act.ENTER
    ) -> None:
        """Write down, or count, that `who` was refused. Never raises StoreUnavailable: it is counted then."""
        if who.kind is PrincipalKind.NOBODY:
            where = f"nobody|{limits.source(scope)}"
            self._count(Denied(where, NOBODY.name, verb, _place(scope["path"]), said))
            return
        self._prompt[who.identity] += 1
        if self._prompt[who.identity] <= PROMPT:
            asked = f"{scope['method']} {without_secret(scope['path'])}"
            try:
                async with database.writing() as session:
                    await append(session, entry(scope, who, verb, self._clock(), asked, said, Kind.REFUSED))
                return
            except StoreUnavailable:
                log.warning("a denial could not be written down yet", principal=who.identity)
        self._count(Denied(who.identity, who.name, verb, _place(scope["path"]), said))

    async def write(self, database: Database, *, at_once: bool = False) -> None:
        """Write down what was counted, if the minute is over, or `at_once`. Raises StoreUnavailable, and keeps it."""
        now = self._clock()
        if not at_once and 0 <= (now - self._since).total_seconds() < MINUTE:
            return
        counted, since = self._counted, self._since
        self._counted, self._since = Counter(), now
        self._prompt.clear()
        if not counted:
            return
        try:
            async with database.writing() as session:
                for denied, times in counted.items():
                    await append(session, _folded(denied, times, since, now))
        except StoreUnavailable:
            for denied, times in counted.items():
                self._count(denied, times)
            self._since = since
            raise

    def _count(self, denied: Denied, times: int = 1) -> None:
        known = denied in self._counted or len(self._counted) < MOST
        self._counted[denied if known else _OTHERS] += times


def _folded(denied: Denied, times: int, since: datetime, now: datetime) -> Entry:
    said = f"{denied.result} {times} times since {since:%H:%M:%S} UTC."
    return Entry(
        now, Kind.REFUSED, denied.identity, denied.name, object=denied.object, verb=denied.verb, result=said
    )


def _place(path: str) -> str:
    """The class of an address: few, whatever is asked for."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return f"/{first}" if first in _PLACES or not first else "another address"
