"""`POST /hooks/slack/{id}`: the slash command and the buttons of a Slack workspace.

A request is proven by Slack's signature over its bytes, at most five minutes old and good for one time. Whoever asks
is who the settings say; what they may do, four eyes and the evidence are judged by the door that the page uses too.
Slack is answered within its three seconds; what takes longer goes to its response address, on its own host alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.errors import ShipboardError
from app.domain.gates import Answer, Gate, GatePhase
from app.domain.people import Principal
from app.domain.policy import Permission, permits
from app.domain.refusals import ClusterError
from app.perform import Ballot, EvidenceChanged, Gates, NotKnown, Over, cast_ballot
from app.settings import AuthSettings, SlackPerson, SlackSettings
from app.sources.hooks.verify import SLACK, TOLERANCE, Signed
from app.sources.outbound import Outbound, bearer
from app.sources.targets.slack import escaped
from app.store.db import Database
from app.web.answers import refusal
from app.web.auth import needs, remember
from app.web.auth.holders import person_named
from app.web.bodies import Intake

from . import said
from .asked import Asked, Unreadable, read
from .said import Said

MAX_BODY, MAX_UNPROVEN = 256 << 10, 8 << 20
BODY_SECONDS = 2.0
PROMPT_SECONDS = 2.4
"""How long an answer may take before it goes to the response address; Slack gives up after three seconds."""
MAX_SEEN = 10_000
SLOW = "That takes a moment. Look what became of it before you try again."

Who = Callable[[SlackPerson, str, datetime], Awaitable[Principal | None]]
"""Who somebody of Slack is here, by now: the entry of the settings, the session's name, when they proved it."""
log = structlog.get_logger("shipboard.slack")
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Desk:
    """Answers one workspace. `base` is the board's address, `back` where answers go later; with a `bot` a no is asked
    why in a dialog."""

    settings: SlackSettings
    gates: Gates
    who: Who
    base: str
    back: Outbound
    bot: Outbound | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _seen: dict[str, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[Said | None]] = field(default_factory=set)

    def proven(self, request: Request, body: bytes) -> bool:
        """Whether Slack sent it, just now and for the first time."""
        names = ("x-slack-signature", "x-slack-request-timestamp")
        headers = {name: request.headers.getlist(name) for name in names}
        return SLACK.proves(Signed(headers, body, body), self.settings.secrets, self.clock())

    def again(self, request: Request) -> bool:
        """Whether this very request came before."""
        now, mark = time.monotonic(), request.headers.get("x-slack-signature", "")
        if len(self._seen) >= MAX_SEEN:
            self._seen = {m: at for m, at in self._seen.items() if now - at < 2 * TOLERANCE}
        before = self._seen.get(mark)
        self._seen[mark] = now
        return before is not None

    async def answer(self, asked: Asked, request: str) -> Said | None:
        """What to answer at once; None: nothing, since it goes to the response address."""
        task = asyncio.create_task(self._whatever(asked, request), name="slack")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if asked.dialog or not asked.click:
            done, _ = await asyncio.wait({task}, timeout=PROMPT_SECONDS)
            if done or asked.dialog:
                return task.result() if done else said.wrong(SLOW)
        later = asyncio.create_task(self._later(asked, task), name="slack: later")
        self._tasks.add(later)
        later.add_done_callback(self._tasks.discard)
        if asked.click:
            await asyncio.wait({task}, timeout=PROMPT_SECONDS)
            return None
        return said.private(SLOW)

    async def close(self) -> None:
        """Give what is on its way a moment, then let go."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=1.0)
            for task in late:
                task.cancel()
        await self.back.close()
        if self.bot:
            await self.bot.close()

    async def _later(self, asked: Asked, task: asyncio.Task[Said | None]) -> None:
        told = await task
        if told is None or not asked.answer_to:
            return
        headers = {"content-type": "application/json; charset=utf-8"}
        try:
            await self.back.ask("POST", asked.answer_to, headers, _encode(told))
        except ClusterError as error:
            log.warning("an answer did not reach slack", workspace=self.settings.id, reason=str(error))

    async def _whatever(self, asked: Asked, request: str) -> Said | None:
        page = f"{self.base}/gates/{asked.ident}" if asked.click else ""
        try:
            told = await self._answer(asked, request)
        except NotKnown as error:
            told = said.failed(error)
        except ShipboardError as error:
            told = said.failed(error, "" if asked.dialog else page)
        except Exception:
            log.exception("slack could not be answered", workspace=self.settings.id)
            told = said.private(
                "Something went wrong here. Its log says more; on the page you can try again."
            )
        return said.wrong(told["text"]) if asked.dialog and told and told is not said.DONE else told

    async def _answer(self, asked: Asked, request: str) -> Said | None:
        if self.settings.team and asked.team != self.settings.team:
            return said.private("This board does not answer your workspace.")
        entry = next((p for p in self.settings.people if p.user == asked.user), None)
        now = self.clock()
        proved = now if self.settings.counts_as_sign_in else datetime.min.replace(tzinfo=UTC)
        who = await self.who(entry, f"slack {self.settings.id} {asked.user}", proved) if entry else None
        if who is None:
            return said.unknown(asked.user, self.settings.id)
        if not permits(who, Permission.VIEW).allowed:
            return said.private("You have no role on this board. An admin can grant one.")
        match asked.verb:
            case "open":
                return None
            case "gates":
                return said.waiting(await self.gates.open(), self.base)
            case "show" | "approve" if not asked.click:
                return await self._shown(await self._meant(asked.ident), who)
            case "approve":
                return await self._approved(asked, who, request)
            case "reject" if asked.click and not asked.dialog:
                if await self._dialog(asked):
                    return None
                ident = escaped(asked.ident[:6])
                return said.private(f"Say why, and it is rejected: `/deploy reject {ident} because …`")
            case "reject":
                return await self._rejected(asked, who, request)
        return said.private(said.HELP)

    async def _meant(self, ident: str) -> Gate:
        """The open gate whose id begins so. Raises NotKnown."""
        found = [gate for gate in await self.gates.open() if ident and gate.id.startswith(ident)]
        if len(found) != 1:
            what = "Several gates that wait begin so." if found else "No gate that waits begins so."
            raise NotKnown(what, "", "See /deploy gates.")
        return await self.gates.fresh(found[0])

    async def _shown(self, gate: Gate, who: Principal) -> Said:
        blocked = self.gates.barred(gate, who)
        blocks = said.shown(gate, await self.gates.ruled(gate), blocked, self.base)
        return {**said.private(escaped(gate.subject.question)), "blocks": blocks}

    async def _approved(self, asked: Asked, who: Principal, request: str) -> Said:
        key = hashlib.sha256(asked.click.encode()).hexdigest()[:48]
        ballot = Ballot(Answer.APPROVE, asked.digest, key=f"slack-{key}", request=request)
        name = escaped(who.name)
        try:
            gate = await cast_ballot(self.gates, asked.ident, ballot, who)
            note = f"{name} approved." if gate.phase is GatePhase.OPEN else ""
        except Over:
            gate, note = await self.gates.one(asked.ident), ""
        except EvidenceChanged as error:
            gate = await self.gates.fresh(await self.gates.one(asked.ident))
            note = f"What {name} clicked does not count. {escaped(str(error))}"
        blocks = said.shown(gate, await self.gates.ruled(gate), (), self.base, note)
        return said.instead(blocks, note or escaped(said.ended(gate)))

    async def _rejected(self, asked: Asked, who: Principal, request: str) -> Said:
        gate = await self._meant(asked.ident)
        ballot = Ballot(Answer.REJECT, asked.digest or gate.digest, asked.reason, request=request)
        gate = await cast_ballot(self.gates, gate.id, ballot, who)
        return (
            said.DONE
            if asked.dialog
            else said.private(f"{escaped(gate.subject.service)}: {escaped(said.ended(gate))}")
        )

    async def _dialog(self, asked: Asked) -> bool:
        """Ask why in a dialog, if there is a bot to open one; whether it is open."""
        if self.bot is None or not asked.trigger:
            return False
        told = {"trigger_id": asked.trigger, "view": said.dialog(asked.ident, asked.digest)}
        headers = {"content-type": "application/json; charset=utf-8"}
        try:
            answer = await self.bot.ask("POST", "views.open", headers, _encode(told), reads=True)
        except ClusterError as error:
            log.warning("a dialog could not be opened", workspace=self.settings.id, reason=str(error))
            return False
        return isinstance(answer.body, dict) and answer.body.get("ok") is True


def opened(workspace: SlackSettings, gates: Gates, database: Database, auth: AuthSettings, base: str) -> Desk:
    """The desk of a workspace; nothing is connected yet."""

    async def who(person: SlackPerson, session: str, at: datetime) -> Principal | None:
        groups = frozenset(person.groups)
        return await person_named(database, auth, person.identity, groups, session=session, signed_in_at=at)

    back = Outbound(workspace.hooks, {}, workspace.private)
    bot = Outbound(workspace.api, bearer(workspace.token), workspace.private) if workspace.token else None
    return Desk(workspace, gates, who, base, back, bot)


def routes(desks: Iterable[Desk]) -> APIRouter:
    """The address /hooks/slack/{id}. Include it before that of other hooks, which has the same shape."""
    router, known = APIRouter(include_in_schema=False), {desk.settings.id: desk for desk in desks}
    intake = Intake(MAX_BODY, MAX_UNPROVEN, BODY_SECONDS, "request", "Slack sends less.")

    @router.post("/hooks/slack/{ident}", dependencies=[needs(Permission.OPEN)])
    async def asked(request: Request, ident: str) -> Response:
        """A slash command or a click, signed by Slack."""
        desk = known.get(ident)
        if desk is None or not desk.settings.secrets:
            what, why = (
                "No such hook",
                "There is no Slack workspace of this name here, or it has no secret and is off.",
            )
            raise refusal(request, 404, what, why, "Compare the address with `notify.slack` in the settings.")
        body = await intake.received(request)
        if not desk.proven(request, body):
            what, why = "Not proven", "The request is not signed with a secret of this workspace, or too old."
            await remember(request.scope, f"401 {why}")
            raise refusal(
                request, 401, what, why, "Compare the signing secrets on both sides, and the clocks."
            )
        try:
            found = read(body)
        except Unreadable:
            why = "It is neither a slash command nor a click."
            raise refusal(request, 400, "Unreadable", why, "Name this address for those alone.") from None
        if desk.again(request):
            return Response(status_code=200)
        told = await desk.answer(found, str(request.scope.get("state", {}).get("request_id", "")))
        return Response(
            _encode(told) if told else b"", 200, {"cache-control": "no-store"}, "application/json"
        )

    return router
