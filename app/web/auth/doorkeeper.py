"""Finds out who asks: by a token, a session's cookie, a screen's cookie, or a proxy; else a stranger.

What the database says of a session or token is believed for `FRESH` seconds, so whatever is ended ends everywhere
within five, open streams included, whichever process ended it. While the database does not answer, those known go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from secrets import token_bytes

import structlog
from starlette.types import Scope

from app.domain.audit import Act
from app.domain.errors import StoreUnavailable
from app.domain.grants import granted
from app.domain.people import EVERYWHERE, NOBODY, Principal, PrincipalKind, Role
from app.settings import AuthSettings, Mode
from app.store import people
from app.store.db import Database

from . import cookies, proxy, sessions
from .audited import Denials
from .guard import LOCAL, Caller
from .holders import bearer_of, person_of
from .limits import Limits, client
from .passwords import Passwords
from .sessions import SignedIn
from .tokens import API_PREFIX
from .watchers import Watchers

FRESH = 2.0
"""Seconds for which a row read is believed."""
PATIENCE = 300.0
"""Seconds for which it is believed while the database does not answer."""
LOOK_EVERY = 1.5
"""Seconds between two looks at whether those who watch still may."""
TOUCH = timedelta(seconds=60)
KEPT = 10_000

log = structlog.get_logger("shipboard.auth")
STRANGER = replace(NOBODY, roles={EVERYWHERE: frozenset({Role.VIEWER})})
"""Who did not sign in, where strangers may look."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a session or token (None: there is none that holds), and when."""

    principal: Principal | None
    seen_at: datetime
    until: datetime
    read_at: float
    source: str = ""


class Doorkeeper:
    """The resolver of a running board. `database` is set once it is open; `https` is how people reach the board;
    `acts`: where nobody is asked who they are, everybody may act, since only this machine gets here."""

    def __init__(
        self,
        settings: AuthSettings,
        https: bool,
        acts: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._acts = acts
        self.settings = settings
        self.cookies = cookies.Cookies(https)
        self.limits = Limits()
        self.passwords = Passwords()
        self.clock = clock
        self._database: Database | None = None
        self._known: dict[str, _Known] = {}
        self.watchers = Watchers()
        self.watch = self.watchers.watch
        self._kick = asyncio.Event()
        self._own = token_bytes(32)
        self._touching: set[asyncio.Task[None]] = set()
        self._denials = Denials(lambda: self.clock())

    @property
    def database(self) -> Database:
        """The database. Raises StoreUnavailable before it is open."""
        if self._database is None:
            raise StoreUnavailable("Nobody can be recognised yet.", "Shipboard is starting.", "Try again.")
        return self._database

    @database.setter
    def database(self, opened: Database) -> None:
        self._database = opened

    async def caller(self, scope: Scope) -> Caller:
        """Who a request is from. Raises StoreUnavailable."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if given:
            return await self._bearer(scope, given)
        found = cookies.read(scope)
        if (secret := found.get(self.cookies.session)) and (
            person := await self._holds(secret, scope, touch=True)
        ):
            return Caller(person, secret.encode())
        if (secret := found.get(self.cookies.kiosk)) and (screen := await self._holds(secret, scope)):
            return Caller(screen, secret.encode())
        if Mode.PROXY in self.settings.modes and self.settings.proxy:
            try:
                asked = proxy.asked_by(scope, self.settings.proxy)
            except proxy.Distrusted:
                return Caller(NOBODY, wrong="The headers of the proxy are not as it would send them.")
            if asked:
                name, groups = asked
                roles = granted(self.settings.grants, f"proxy:{name}", groups)
                person = Principal(PrincipalKind.PERSON, "proxy", name, name, roles=roles, groups=groups)
                watched = self.watchers.seen_as(person.identity)
                if watched and watched.roles != roles:
                    self.watchers.end(person.identity)
                return Caller(person, self._own + name.encode())
        if not self.settings.modes:
            return Caller(LOCAL if self._acts else STRANGER, self._own)
        return Caller(STRANGER if self.settings.anonymous else NOBODY)

    async def denied(self, scope: Scope, said: str, verb: str = Act.ENTER) -> None:
        """Have the audit know that a request was refused. Raises StoreUnavailable only before the start."""
        await self._denials.note(self.database, scope, scope.get("principal", NOBODY), said, verb)

    async def end(self) -> None:
        """Write down what was only counted so far."""
        try:
            await self._denials.write(self.database, at_once=True)
        except StoreUnavailable as error:
            log.warning("denials were not written down", why=str(error))

    async def rights_now(self, principal: Principal) -> Principal | None:
        """`principal` with the rights of this moment; None when the session or token it came by holds no more. Raises
        StoreUnavailable."""
        if principal.session:
            return await self._standing(principal)
        if principal.kind is PrincipalKind.PERSON and principal.issuer == Mode.PROXY:
            if Mode.PROXY not in self.settings.modes:
                return None
            roles = granted(self.settings.grants, f"proxy:{principal.subject}", principal.groups)
            return replace(principal, roles=roles)
        if principal.identity == LOCAL.identity:
            return None if self.settings.modes or not self._acts else LOCAL
        return principal if principal.kind is PrincipalKind.SYSTEM else None

    def forget(self) -> None:
        """Something was ended: believe nothing that was read before, and look at once at who watches."""
        self._known.clear()
        self._kick.set()

    async def run(self) -> None:
        """End the streams of those who no longer may, and forget what is long over; for ever."""
        swept = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._kick.wait()
            except TimeoutError:
                pass
            self._kick.clear()
            try:
                await self._look_after()
                await self._denials.write(self.database)
                if time.monotonic() - swept > 3600:
                    swept, now = time.monotonic(), self.clock()
                    async with self.database.writing() as session:
                        await people.sweep(session, now, now - timedelta(days=30), now - timedelta(hours=1))
            except StoreUnavailable as error:
                log.warning("who watches cannot be looked after just now", why=str(error))

    async def begin(self, scope: Scope, signed: SignedIn) -> str:
        """A new session; answers its Set-Cookie line. Whatever session the browser had until now ends."""
        before = cookies.read(scope).get(self.cookies.session)
        secret = await sessions.begin(self.database, scope, signed, self.clock(), before)
        if before:
            self.forget()
        return self.cookies.set(self.cookies.session, secret)

    async def _bearer(self, scope: Scope, given: list[bytes]) -> Caller:
        scheme, _, secret = given[0].decode("latin-1").partition(" ")
        if (
            len(given) == 1
            and scheme.lower() == "bearer"
            and secret.startswith(API_PREFIX)
            and len(secret) < 100
        ):
            found = await self._holds(secret, scope, touch=True)
            if found and found.kind is PrincipalKind.TOKEN:
                return Caller(found)
        return Caller(NOBODY, wrong="This token does not hold: it is unknown, out of date or revoked.")

    async def _holds(self, secret: str, scope: Scope, *, touch: bool = False) -> Principal | None:
        """Whose session or token this is; None if it does not hold, any more, or from here."""
        key, now = cookies.digest(secret), self.clock()
        known = self._known.get(key)
        if known is None or time.monotonic() - known.read_at > FRESH:
            try:
                known = await self._read(key)
            except StoreUnavailable:
                if known is None or time.monotonic() - known.read_at > PATIENCE:
                    raise
            else:
                if len(self._known) >= KEPT:
                    self._known.clear()
                if known.principal:
                    self._known[key] = known
                else:
                    self._known.pop(key, None)
        person = known.principal
        if person is None or now >= known.until or not _from(scope, known.source):
            return None
        if person.kind is PrincipalKind.PERSON and now - known.seen_at >= self._idle:
            return None
        if touch and now - known.seen_at > TOUCH and not _streams(scope):
            self._known[key] = replace(known, seen_at=now)
            task = asyncio.create_task(self._touch(key, person, now))
            self._touching.add(task)
            task.add_done_callback(self._touching.discard)
        return person

    @property
    def _idle(self) -> timedelta:
        return timedelta(minutes=self.settings.idle_minutes)

    async def _touch(self, key: str, person: Principal, now: datetime) -> None:
        try:
            async with self.database.writing() as session:
                if person.kind is PrincipalKind.PERSON:
                    await people.change(session, people.SESSION, {"seen_at": now}, key=key)
                else:
                    await people.change(session, people.TOKEN, {"used_at": now}, key=key)
        except StoreUnavailable:
            log.debug("the last use was not noted")

    async def _read(self, key: str) -> _Known:
        async with self.database.reading() as connection:
            row = await people.one(connection, people.SESSION, key=key)
            token = None if row else await people.one(connection, people.TOKEN, key=key)
        at = time.monotonic()
        if row:
            until = row["created_at"] + timedelta(hours=self.settings.hours)
            return _Known(await person_of(self.database, self.settings, row), row["seen_at"], until, at)
        if token:
            holder = await bearer_of(self.database, self.settings, token)
            seen = token["used_at"] or token["created_at"]
            return _Known(holder, seen, token["expires_at"], at, token["source"])
        long_ago = datetime.fromtimestamp(0, UTC)
        return _Known(None, long_ago, long_ago, at)

    async def _look_after(self) -> None:
        for ident, was in self.watchers.all():
            found = await self._standing(was)
            if found is None or found.roles != was.roles:
                self._known.clear()
                self.watchers.end(ident)

    async def _standing(self, was: Principal) -> Principal | None:
        """Who came by a session or token, as the database has it now; None when it holds no more. Whom a proxy told of
        stands as told until it tells anew."""
        if not was.session:
            return was
        now = self.clock()
        table = people.SESSION if was.kind is PrincipalKind.PERSON else people.TOKEN
        async with self.database.reading() as connection:
            row = await people.one(connection, table, ident=was.session)
        if row is None:
            return None
        if table is people.TOKEN:
            over = now >= row["expires_at"]
            return None if over else await bearer_of(self.database, self.settings, row)
        over = now >= row["created_at"] + timedelta(hours=self.settings.hours)
        idle = now - row["seen_at"] >= self._idle + TOUCH
        return None if over or idle else await person_of(self.database, self.settings, row)


def _from(scope: Scope, source: str) -> bool:
    """Whether a request comes from the network `source` (empty: from wherever)."""
    if not source:
        return True
    try:
        return ip_address(client(scope)) in ip_network(source)
    except ValueError:
        return False


def _streams(scope: Scope) -> bool:
    return any(n == b"accept" and b"text/event-stream" in v for n, v in scope["headers"])
