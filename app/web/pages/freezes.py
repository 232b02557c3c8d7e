"""Freezes by hand, on the page of gates: the forms that begin one, end it early and let a service out.

The list of freezes and the forms that choose among them are kept up by the page's stream, alike for all who may
the same; the rest is each viewer's own. All work without JavaScript.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from app.domain.freezes import Freeze, at_wall
from app.domain.instants import in_utc
from app.domain.people import Principal
from app.domain.policy import Permission, permits
from app.perform import Freezes
from app.read.fleet import Fleet
from app.web import auth
from app.web.answers import refusal
from app.web.auth import needs
from app.web.render import Renderer

PATTERN = r"^[\w.*?/-]{1,100}$"
"""Names, with * and ? for any."""
ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Helsinki", "America/New_York"),
    *("America/Chicago", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tokyo"),
    *("Asia/Shanghai", "Australia/Sydney"),
)
Name = Annotated[str, Form(pattern=PATTERN)]
Reason = Annotated[str, Form(max_length=500)]
Ident = Annotated[str, Form(pattern=r"^[\w-]{1,64}$")]


def mine(renderer: Renderer, fleet: Fleet, query: object, scope: Scope, now: datetime) -> str:
    """The form of one viewer that begins a freeze, and what proves the others to be theirs."""
    who = auth.of(scope)
    zones = [f.window.zone for f in fleet.delivery.freezes if f.window]
    places = fleet.delivery.order
    context = {
        "may": _anywhere(who, places),
        "environments": [e for e in places if permits(who, Permission.ADMIN, e).allowed],
        "zones": dict.fromkeys((*zones, *ZONES)),
        "zone": zones[0] if zones else "UTC",
        "csrf": str(scope.get("csrf", "")),
    }
    return renderer.page("freezing.html", context)


def routes(freezes: Freezes) -> APIRouter:
    """Where the forms go."""
    router = APIRouter(include_in_schema=False)

    @router.post("/freezes", dependencies=[needs(Permission.ADMIN)])
    async def begin(
        request: Request,
        environment: Name,
        service: Name,
        reason: Reason = "",
        since: Annotated[str, Form(max_length=40)] = "",
        until: Annotated[str, Form(max_length=40)] = "",
        zone: Annotated[str, Form(max_length=60)] = "UTC",
    ) -> Response:
        try:
            begins, ends = (in_utc(at_wall(text, zone)) if text else None for text in (since, until))
            if ends and ends <= max(begins or freezes.clock(), freezes.clock()):
                raise ValueError("It would be over before it begins, or is over already.")
        except ValueError as error:
            raise refusal(
                request, 422, "Not a freeze", str(error), "Go back, and look at its times."
            ) from None
        made = Freeze("", reason, environment, service, since=begins, until=ends)
        await freezes.freeze(made, auth.of(request.scope))
        return _back()

    @router.post("/freezes/end", dependencies=[needs(Permission.ADMIN)])
    async def end(request: Request, freeze: Ident, reason: Reason = "") -> Response:
        await freezes.lift(freeze, reason, auth.of(request.scope))
        return _back()

    @router.post("/freezes/exempt", dependencies=[needs(Permission.ADMIN)])
    async def exempt(request: Request, freeze: Ident, service: Name, reason: Reason = "") -> Response:
        await freezes.exempt(freeze, service, reason, auth.of(request.scope))
        return _back()

    return router


def _anywhere(who: Principal, places: tuple[str, ...]) -> bool:
    return any(permits(who, Permission.ADMIN, place).allowed for place in ("*", *places))


def _back() -> Response:
    return RedirectResponse("/gates#freezes", 303, {"cache-control": "no-store"})
