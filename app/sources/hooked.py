"""Works the inbox off: each webhook is read by its provider and goes in by the one door, in whatever order.

A webhook that cannot be read is set aside with the reason, and one that fails is tried three times; neither stops
those behind it. Each hook tells of itself as a source: when it was last heard, what is set aside, and since when
it has been silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.ci import ArtifactSeen, CiFact
from app.domain.dora import IncidentTold
from app.domain.errors import StoreUnavailable
from app.domain.facts import WEBHOOKS, Door, SourceObserved
from app.domain.freshness import Freshness
from app.domain.names import cut
from app.domain.repositories import within
from app.settings import HookSettings
from app.store.inbox import TRIES, Inbox, Letter, Post, Result

from .alerted import NOWHERE, Alerts, located
from .asked import Asker
from .hooks import PROVIDERS, Delivery, Reading, Refused
from .hooks.payload import again, unwrapped

AT_ONCE = 200
"""Webhooks taken in together."""
REPORT_SECONDS = 10.0
REST_SECONDS = 0.25
"""Most seconds between two batches while more keeps coming: twice what the last one took, so that a flood costs few
large batches instead of many small ones. The first webhook after quiet is read at once."""
IDLE_SECONDS = 2.0
"""How often the inbox is looked into unasked: another process may have put something in."""
_NOTHING = Reading()
log = structlog.get_logger("shipboard.hooks")


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook as far as reading needs it: `scope` are globs of the repositories that it may report for."""

    id: str
    provider: str
    scope: tuple[str, ...]
    silent_after: timedelta = timedelta(hours=24)
    on: bool = True
    alerts: Alerts = NOWHERE

    @classmethod
    def of(cls, settings: HookSettings) -> Hook:
        """The hook of the settings."""
        silent = timedelta(hours=settings.silent_hours)
        names = tuple((each.name, each.service) for each in settings.service_names)
        alerts = Alerts(settings.environments, names, settings.blame)
        on = bool(settings.secrets)
        return cls(settings.id, settings.provider, settings.repositories, silent, on, alerts)

    @property
    def only(self) -> str:
        """The one repository it is for; empty when its scope may hold more."""
        literal = len(self.scope) == 1 and not set(self.scope[0]) & set("*?[")
        return self.scope[0].lower() if literal else ""


class Hooked:
    """The worker, one a process."""

    def __init__(
        self,
        inbox: Inbox,
        ingest: Door,
        hooks: Iterable[Hook],
        *,
        asker: Asker | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._inbox, self._ingest, self._clock, self._asker = inbox, ingest, clock, asker
        self._hooks: Mapping[str, Hook] = {hook.id: hook for hook in hooks}
        self._missed: dict[str, tuple[int, datetime]] = {}
        self._counted: dict[str, int] = {}
        self.unknown: dict[str, int] = {}
        """Words of providers that have no meaning here, with how often they came."""

    async def run(self) -> None:
        """For ever. Raises StoreUnavailable; what was not settled by then is worked off again, which changes
        nothing."""
        reported = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._inbox.arrived.clear()
            began = loop.time()
            busy = await self.work()
            if loop.time() - reported >= REPORT_SECONDS:
                await self.report()
                reported = loop.time()
            if 0 < busy < AT_ONCE:
                await asyncio.sleep(min(REST_SECONDS, 2 * (loop.time() - began)))
            elif not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._inbox.arrived.wait()

    async def work(self) -> int:
        """Work off what waits, up to `AT_ONCE`; answers how many need not be tried again."""
        letters = await self._inbox.take(AT_ONCE)
        readings = [(letter, *self._read(letter)) for letter in letters]
        facts = [fact for _, result, found in readings for fact in found.facts if result.state == "done"]
        results = [result for _, result, _ in readings]
        if facts:
            try:
                await self._ingest(facts)
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("webhooks could not be taken in together; each is tried by itself")
                results = [await self._alone(*reading) for reading in readings]
        if self._asker:
            for (letter, _, found), result in zip(readings, results, strict=True):
                if result.state == "done" and found.asked:
                    await self._asker.take(letter.hook, found.asked, letter.received_at)
        await self._inbox.settle(results, self._clock())
        return sum(result.state != "new" for result in results)

    async def _alone(self, letter: Letter, result: Result, found: Reading) -> Result:
        try:
            if result.state == "done":
                await self._ingest(found.facts)
        except StoreUnavailable:
            raise
        except Exception as error:
            return _failed(letter, error)
        return result

    def _read(self, letter: Letter) -> tuple[Result, Reading]:
        """What a letter says, and so what becomes of it; never raises."""
        self._counted[letter.hook] = self._counted.get(letter.hook, 0) + 1
        hook, provider = self._hooks.get(letter.hook), PROVIDERS.get(letter.provider)
        if hook is None or provider is None:
            return Result(letter.id, "dead", "Its hook is no longer configured."), _NOTHING
        unknown: set[str] = set()
        try:
            text = unwrapped(letter.headers.get("content-type", ""), letter.body)
            delivery = Delivery(
                letter.event, again(text), letter.headers, letter.received_at, hook.only, unknown
            )
            reading = provider.read(delivery)
            reading = replace(reading, facts=tuple(placed(reading.facts, hook)))
            if any(not within(each.repo, hook.scope) for each in reading.asked):
                raise Refused("It asks for a repository outside what this hook may report for.")
        except Refused as refused:
            return Result(letter.id, "dead", str(refused), tries=letter.tries + 1), _NOTHING
        except Exception as error:
            log.exception("a webhook could not be read", hook=letter.hook, letter=letter.id)
            return _failed(letter, error), _NOTHING
        for each in unknown:
            if each in self.unknown or len(self.unknown) < 200:
                self.unknown[each] = self.unknown.get(each, 0) + 1
        if not (self._asker and self._asker.answers(hook.id)):
            why = "What it asks cannot be answered: its hook has no `gates` in the settings."
            ignored = why if any(each.call for each in reading.asked) else reading.ignored
            reading = replace(reading, asked=(), ignored=ignored)
        if not reading.facts and not reading.asked:
            return Result(letter.id, "ignored", reading.ignored), reading
        odd = f"Words that are not known here: {cut(', '.join(sorted(unknown)), 200)}." if unknown else ""
        return Result(letter.id, "done", odd, len(reading.facts), letter.tries + 1), reading

    def note_missed(self, hook: str, runs: int, at: datetime) -> None:
        """Polling found so many runs that webhooks had not told."""
        count, _ = self._missed.get(hook, (0, at))
        self._missed[hook] = (count + runs, at)

    async def report(self) -> None:
        """Tell how each hook is, as a source."""
        posts, now = await self._inbox.posts(self._hooks), self._clock()
        await self._ingest([self._source(hook, posts.get(hook.id), now) for hook in self._hooks.values()])

    def _source(self, hook: Hook, post: Post | None, now: datetime) -> SourceObserved:
        states = post.states if post else {}
        last = post.last_at if post else None
        freshness, message = self._heard(hook, last, now)
        return SourceObserved(
            cluster=f"{hook.provider}/{hook.id}",
            kind=WEBHOOKS,
            namespace="",
            freshness=freshness,
            contact_at=last,
            seen_at=now,
            message=_joined(message, _aside(states.get("dead", 0))),
            objects=states.get("new", 0),
            events=self._counted.get(hook.id, 0),
            errors=states.get("dead", 0),
        )

    def _heard(self, hook: Hook, last: datetime | None, now: datetime) -> tuple[Freshness, str]:
        if not hook.on:
            return (
                Freshness.UNKNOWN,
                "Off: it has no secret. Set the variable or file that its settings name.",
            )
        if last is None:
            return Freshness.UNKNOWN, "No webhook has come yet."
        missed, at = self._missed.get(hook.id, (0, now))
        if missed and at <= last:
            del self._missed[hook.id]
        elif missed:
            runs = "a run" if missed == 1 else f"{missed} runs"
            return (
                Freshness.STALE,
                f"Webhooks silent since {_moment(last)}: polling found {runs} they did not tell.",
            )
        if now - last > hook.silent_after:
            return Freshness.STALE, f"Webhooks silent since {_moment(last)}."
        return Freshness.LIVE, ""


def placed(facts: Sequence[CiFact | IncidentTold], hook: Hook) -> Sequence[CiFact | IncidentTold]:
    """`facts`, all of them within what `hook` may tell of, incidents under our names. Raises Refused."""
    in_scope([fact for fact in facts if not isinstance(fact, IncidentTold)], hook.scope)
    return [located(fact, hook.id, hook.alerts) if isinstance(fact, IncidentTold) else fact for fact in facts]


def in_scope(facts: Sequence[CiFact], scope: Sequence[str]) -> Sequence[CiFact]:
    """`facts`, all of them of repositories that `scope` holds. Raises Refused."""
    for fact in facts:
        if isinstance(fact, ArtifactSeen) and fact.repo is None:
            raise Refused("Its artifact names no repository.")
        if not within(fact.repo or "", scope):
            raise Refused(f"{cut(fact.repo or 'It', 200)} is outside what this hook may report for.")
    return facts


def _failed(letter: Letter, error: Exception) -> Result:
    tries = letter.tries + 1
    why = f"{type(error).__name__}: {cut(str(error), 200)}"
    return Result(letter.id, "dead" if tries >= TRIES else "new", why, tries=tries)


def _aside(dead: int) -> str:
    if not dead:
        return ""
    return f"{'One webhook is' if dead == 1 else f'{dead} webhooks are'} set aside: GET /api/v1/inbox?state=dead."


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
