"""A deployment marked as failed by hand: a page with a form, which tells of an incident that names it or takes one
back.

It works without any script. Who lacks the rights sees what is known and why they cannot change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.dora import Incident
from app.domain.errors import ShipboardError
from app.domain.instants import in_utc
from app.domain.names import cut
from app.domain.policy import Permission, permits
from app.perform import Blocked, Incidents
from app.read.incidents import Failing, failing
from app.web import auth
from app.web.answers import refusal
from app.web.auth import needs
from app.web.auth.login import form, see_other, text
from app.web.render import Renderer
from app.web.streams import Hub

PATH = "/timeline/{rollout}/incident"


def routes(hub: Hub, renderer: Renderer, incidents: Incidents) -> APIRouter:
    """The page and where its form goes."""
    router = APIRouter(include_in_schema=False)

    async def found(request: Request, rollout: str) -> Failing:
        async with hub.database.reading() as connection:
            model = await failing(connection, rollout[:200])
        if model is None:
            why = "Nothing is known of this deployment; it may be older than what is kept."
            raise refusal(request, 404, "No such deployment", why, "Take it from the timeline.")
        return model

    def page(
        request: Request, model: Failing, given: Mapping[str, str], problem: str = "", status: int = 200
    ) -> Response:
        verdict = permits(auth.of(request.scope), Permission.REPORT, model.environment)
        own = next((each.incident for each in model.told if each.incident.id == model.own), None)
        now = hub.clock()
        kept = {
            "title": own.title if own else "",
            "started": _field(own.started_at if own else model.ended_at or now),
            "resolved": _field(own.resolved_at) if own and own.resolved_at else "",
        }
        context = {
            "m": model,
            "own": own,
            "given": {**kept, **given},
            "problem": problem,
            "blocked_by": verdict.blocked_by,
            "csrf": str(request.scope.get("csrf", "")),
            "now": now,
            "viewer": auth.viewer(request.scope),
        }
        body = renderer.page("incident.html", context)
        return Response(body, status, {"cache-control": "no-store"}, media_type="text/html")

    @router.api_route(PATH, methods=["GET", "HEAD"], dependencies=[needs(Permission.VIEW)])
    async def show(request: Request, rollout: str) -> Response:
        return page(request, await found(request, rollout), {})

    @router.post(PATH, dependencies=[needs(Permission.REPORT)])
    async def tell(request: Request, rollout: str) -> Response:
        model, fields = await found(request, rollout), await form(request)
        given = {name: text(fields, name, 200) for name in ("title", "started", "resolved")}
        who = auth.of(request.scope)
        try:
            if withdrawn := text(fields, "withdraw", 100):
                if withdrawn not in {each.incident.id for each in model.told}:
                    raise ValueError("That incident is not of this deployment, or was withdrawn already.")
                await incidents.withdraw(withdrawn, text(fields, "why", 500), who)
            else:
                await incidents.mark(_incident(model, given, hub.clock()), who)
        except ValueError as error:
            return page(request, model, given, str(error), 422)
        except Blocked as error:
            return page(request, model, given, str(error), 403 if error.forbidden else 422)
        except ShipboardError as error:
            return page(request, model, given, str(error), 409)
        return see_other(f"/timeline/{quote(model.id, safe='')}/incident")

    return router


def _incident(model: Failing, given: Mapping[str, str], now: datetime) -> Incident:
    """What the form says. Raises ValueError with what to change."""
    title = cut(given["title"].strip(), 200)
    started, resolved = _instant(given["started"], "began"), _instant(given["resolved"], "was over")
    if not title:
        raise ValueError("Say what was wrong.")
    if started is None:
        raise ValueError("Say when it began.")
    if not model.started_at.replace(second=0, microsecond=0) <= started <= now:
        raise ValueError("It began before this deployment did, or has not begun yet. The times are UTC.")
    if resolved and not started <= resolved <= now:
        raise ValueError("It was over before it began, or is not yet. The times are UTC.")
    return Incident(model.own, model.service, model.environment, title, started, resolved, model.id)


def _instant(given: str, what: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(given) if given else None
        return in_utc(at if at.tzinfo else at.replace(tzinfo=UTC)) if at else None
    except ValueError:
        raise ValueError(f"When it {what} is no time. Use one like 2026-11-25T09:30 (UTC).") from None


def _field(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
