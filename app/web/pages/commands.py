"""The dialog of a command: a page with a form, which asks `Perform` and leads to the receipt.

It works without any script; with one the same page opens over the workload. What the form was made from comes back
with it under a signature of the session, so that nothing is asked that was not shown; its key makes a second click,
or a second try after an answer that never came, the same command.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from app.domain.commands import VERBS, Arguments, Expected, Offer, Verb
from app.domain.errors import ShipboardError, StoreUnavailable
from app.domain.names import WorkloadRef
from app.domain.policy import Blocker, Permission
from app.engines import owners_acts
from app.perform import Ask, Blocked, KeyReused, Moved, NotKnown, Perform, Preview, Unsuited
from app.read import acts, changes
from app.read import commands as read
from app.read.rows import WorkloadRow
from app.store.readiness import OWNER
from app.web import auth
from app.web.answers import refusal
from app.web.auth import needs
from app.web.auth.login import form
from app.web.render import Renderer
from app.web.streams import Hub

from .asking import Asking, FormProblem, Remembered, asking, drilling, ends
from .may import personal

PATH = "/workloads/{cluster}/{namespace}/{kind}/{name}/commands/{verb}"
MAX_FORM = 16_000
_TODO = "Look for it on the board: it may run under another name or in another place."


@dataclass(frozen=True, slots=True)
class Shown:
    """What a form was made from, as it comes back."""

    verb: Verb
    ref: WorkloadRef
    arguments: Arguments
    expected: Expected
    drill: bool = False


_shown = msgspec.json.Decoder(Shown)


def sign(shown: Shown, secret: str) -> str:
    """`shown` as a hidden field, signed for the session that `secret` (its form token) belongs to."""
    body = msgspec.json.encode(shown)
    return urlsafe_b64encode(_mac(body, secret) + body).decode()


def unsign(text: str, secret: str) -> Shown:
    """What a hidden field holds. Raises ValueError unless it was signed for this session."""
    if len(text) > MAX_FORM:
        raise ValueError("too long")
    raw = urlsafe_b64decode(text.encode("ascii"))
    if not hmac.compare_digest(raw[:32], _mac(raw[32:], secret)):
        raise ValueError("not signed for this session")
    try:
        return _shown.decode(raw[32:])
    except msgspec.MsgspecError as error:
        raise ValueError("garbled") from error


def _mac(body: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), b"shipboard form 1\x00" + body, sha256).digest()


class Dialog:
    """Makes the dialog of one request and answers its form."""

    def __init__(self, hub: Hub, renderer: Renderer, perform: Perform, production: frozenset[str]) -> None:
        self._hub, self._renderer, self._perform, self._production = hub, renderer, perform, production

    async def show(self, request: Request) -> Response:
        """The dialog as things stand."""
        verb, ref = _target(request)
        drill = verb is Verb.ROLLBACK and request.query_params.get("drill") == "1"
        return await self._page(
            request, Shown(verb, ref, _arguments(verb, request.query_params, self._hub), Expected(), drill)
        )

    async def ask(self, request: Request) -> Response:
        """Ask for what the form says; to the receipt, or back to the form with what stands in the way."""
        verb, ref = _target(request)
        fields = await form(request)
        given = {name: _text(fields, name) for name in ("seen", "key", "reason", "confirm", "again")}
        try:
            shown = unsign(given["seen"], _secret(request))
            if (shown.verb, shown.ref) != (verb, ref) or not 0 < len(given["key"]) <= 64:
                raise ValueError("the form of something else")
        except ValueError:
            why = "This form was not made for you here, or it is too old."
            raise refusal(request, 400, "Unknown form", why, "Open the dialog again.") from None
        if given["again"]:
            return await self._page(request, shown, given["reason"])
        typed = given["confirm"].strip()
        if VERBS[verb].dangerous and typed != ref.name:
            problem = FormProblem(422, f"Type {ref.name} to confirm: this skips what would have stopped it.")
            return await self._page(request, shown, given["reason"], problem)
        ident = str(request.scope.get("state", {}).get("request_id", ""))
        asked = Ask(verb, ref, shown.arguments, shown.expected, given["reason"], given["key"], ident)
        try:
            do = self._perform.drill if shown.drill else self._perform.ask
            receipt = await do(asked, auth.of(request.scope))
        except ShipboardError as error:
            kept = given["key"] if isinstance(error, StoreUnavailable) else ""
            problem = _problem(request, error)
            return await self._page(request, shown, given["reason"], problem, key=kept)
        return RedirectResponse(f"/commands/{receipt.id}", 303, {"cache-control": "no-store"})

    async def _page(
        self,
        request: Request,
        form: Shown,
        reason: str = "",
        problem: FormProblem | None = None,
        key: str = "",
    ) -> Response:
        verb, ref = form.verb, form.ref
        row = self._hub.fleet.at(ref)
        if row is None:
            why = f"Nothing is known of {ref.kind} {ref.name} in namespace {ref.namespace} of cluster {ref.cluster}."
            raise refusal(request, 404, "No such workload", why, _TODO)
        shown = await self._asking(request, row, form)
        shown = replace(shown, problem=problem, hours=_hours(request.query_params))
        secret = _secret(request)
        seen = sign(Shown(verb, ref, shown.arguments, shown.expected, form.drill), secret)
        context = {
            "asked": shown,
            "reason": reason[:500],
            "key": key or token_urlsafe(18),
            "seen": seen,
            "csrf": secret,
            "now": self._hub.clock(),
            "viewer": auth.viewer(request.scope),
        }
        status = problem.status if problem else 200
        headers = {"cache-control": "no-store"}
        return Response(self._renderer.page("command.html", context), status, headers, media_type="text/html")

    async def _asking(self, request: Request, row: WorkloadRow, form: Shown) -> Asking:
        verb, arguments = form.verb, form.arguments
        who, past = auth.of(request.scope), await self._hub.fleet.follow(row.ref)
        offer = acts.verbs(row, past.told.record).get(verb)
        if offer is None:
            why = f"A {row.ref.kind} like {row.ref.name} knows no {VERBS[verb].label.lower()}."
            raise refusal(request, 404, "No such command", why, "See its page for what it can do.")
        if offer.label.startswith("Free "):  # the deletion is all that this rollback is about
            arguments = replace(arguments, delete_blocking=True)
        barred, preview = [], None
        if own := personal(who, verb, row.place.environment):
            barred.append(own)
        else:
            try:
                preview = await self._perform.preview(Ask(verb, row.ref, arguments), who)
            except StoreUnavailable:
                raise
            except ShipboardError as error:
                barred.append(Blocker("cluster", str(error), "See /sources for how the cluster is."))
        lasts: tuple[Offer, ...] = ()
        if preview and any(b.rule == OWNER for b in preview.blocked_by):  # as the look shows, so the words
            there = acts.verbs(row, replace(past.told.record, undone=True))
            offer = there.get(verb, offer)
            lasts = tuple(there[v] for v in (Verb.HOLD, Verb.SYNC) if v in there and there[v].available)
        if form.drill and (blocker := self._perform.undrilled(row.place.environment, row.state)):
            barred.append(blocker)
        told = await self._remembered(row, verb, preview)
        found = asking(row, offer, preview, arguments, barred, told, self._production, self._hub.clock())
        found = replace(found, lasts=tuple(each for each in lasts if each.verb is not verb))
        return drilling(found) if form.drill else found

    async def _remembered(self, row: WorkloadRow, verb: Verb, preview: Preview | None) -> Remembered:
        fleet = self._hub.fleet
        past = await fleet.follow(row.ref)
        took = await read.took(self._hub.database, row.ref, verb)
        before, after = ends(row, verb, preview)
        source = preview.source if preview and verb in owners_acts.UNDONE | {Verb.SYNC, Verb.HOLD} else None
        async with self._hub.database.reading() as connection:
            lies = await changes.between(connection, before, after) if before and after else None
            lost = await changes.revert(connection, source) if source else None
            chosen = preview.targets if preview and verb is Verb.SYNC else ()
            titles = await changes.titles(connection, [target.revision.version for target in chosen])
        near = acts.others(fleet.workloads.values(), row)
        return Remembered(near, took, past.told.readiness, lies, lost, titles)


def routes(hub: Hub, renderer: Renderer, perform: Perform, production: frozenset[str]) -> APIRouter:
    """The dialog's two routes. `production`: environments where a reason is due."""
    router, dialog = APIRouter(include_in_schema=False), Dialog(hub, renderer, perform, production)
    router.add_api_route(PATH, dialog.show, methods=["GET", "HEAD"], dependencies=[needs(Permission.VIEW)])
    router.add_api_route(PATH, dialog.ask, methods=["POST"], dependencies=[needs(Permission.ACT)])
    return router


def _target(request: Request) -> tuple[Verb, WorkloadRef]:
    at = request.path_params
    try:
        verb = Verb(at["verb"])
    except ValueError:
        why = f"{str(at['verb'])[:50]} is nothing that can be asked."
        raise refusal(
            request, 404, "No such command", why, "See the workload's page for what it can do."
        ) from None
    return verb, WorkloadRef(at["cluster"], at["namespace"], at["kind"], at["name"])


def _arguments(verb: Verb, params: Mapping[str, str], hub: Hub) -> Arguments:
    """What was chosen in the address; what makes no sense for the verb counts as not chosen."""
    images = {
        name.removeprefix("image."): value.strip()
        for name, value in params.items()
        if name.startswith("image.") and 0 < len(value.strip()) <= 500 and len(name) <= 300
    }
    weight = params.get("weight", "")
    until = None
    if hours := _hours(params) if "hours" in params else 0:
        until = (hub.clock() + timedelta(hours=hours)).replace(microsecond=0)
    given: dict[str, Any] = {
        "revision": params.get("revision", "")[:300],
        "images": images,
        "weight": int(weight) if weight.isdecimal() and int(weight) <= 100 else None,
        "delete_blocking": params.get("delete_blocking", "") == "yes",
        "until": until,
    }
    return Arguments(**{name: value for name, value in given.items() if name in VERBS[verb].takes})


def _hours(params: Mapping[str, str]) -> int:
    given = params.get("hours", "")
    return min(168, max(1, int(given))) if given.isdecimal() and len(given) < 5 else 1


def _problem(request: Request, error: ShipboardError) -> FormProblem:
    """Why the form comes back, in words."""
    match error:
        case Moved():
            return FormProblem(409, "It has changed since you looked, so nothing was done.", error.difference)
        case Blocked():
            rules = {b.rule for b in error.blocked_by}
            said = " ".join(f"{b.message} {b.clears}".strip() for b in error.blocked_by)
            return FormProblem(403 if error.forbidden else 422 if rules == {"reason"} else 409, said)
        case KeyReused():
            said = (
                "This form was sent before, with another reason. What was asked then stands; ask anew below."
            )
            return FormProblem(422, said)
        case Unsuited():
            return FormProblem(422, str(error))
        case NotKnown():
            raise refusal(request, 404, "No such workload", str(error), _TODO)
    return FormProblem(503, f"{error} Nothing was changed; ask again in a moment.")


def _text(fields: FormData, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) and len(value) <= MAX_FORM else ""


def _secret(request: Request) -> str:
    return str(request.scope.get("csrf", ""))
