"""Everything that goes wrong in a request, in one shape: RFC 9457 problem+json, or the same as a page for
people.

An unexpected error answers 500 with the request's id and nothing else; the log has the rest under that id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import ShipboardError, StoreUnavailable
from app.perform import Blocked, EvidenceChanged, KeyReused, Moved, NotKnown, Over, Unsuited

from .logs import without_secret

MEDIA_TYPE = "application/problem+json"
Page = Callable[[Mapping[str, Any], Scope], str]
"""Renders the error page from the members of a problem, for the client of a scope."""

log = structlog.get_logger("shipboard.errors")

_WORDS = {
    400: "The request cannot be understood.",
    404: "There is nothing at this address. The board is at /.",
    405: "This address does not take that method.",
    406: "This address cannot answer in any of the media types asked for.",
    413: "The request is larger than this server reads.",
    422: "Some of the request's values are not what this address takes; see errors.",
}


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """A problem+json answer: `title` names the sort of problem, `detail` says why and what to do."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return Response(
        msgspec.json.encode(body),
        status,
        {"cache-control": "no-store", "vary": "Accept", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


class Refusal(Exception):
    """Raise to answer a problem in the form the client reads, JSON or a page. The arguments are those of
    `problem`."""

    def __init__(self, status: int, title: str, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.members = status, title, detail, members


def refused(error: ShipboardError, path: str) -> Refusal:
    """The problem that stands for what a door or the database raises in a request to `path`."""
    said, about = str(error), {"what": error.what, "why": error.why, "todo": error.todo}
    about["instance"] = without_secret(path)
    later = {"retry-after": "5"}
    match error:
        case Blocked():
            reasons = {b.rule for b in error.blocked_by}
            status = 403 if error.forbidden else 422 if reasons <= {"reason", "argument"} else 409
            blocked = msgspec.to_builtins(error.blocked_by)
            return Refusal(status, "Not possible now", said, blocked_by=blocked, **about)
        case EvidenceChanged() | Moved():
            difference = msgspec.to_builtins(error.difference)
            return Refusal(409, "It has changed", said, difference=difference, blocked_by=[], **about)
        case Over():
            return Refusal(409, "Decided already", said, blocked_by=[], **about)
        case Unsuited():
            return Refusal(422, "Argument not taken", said, **about)
        case KeyReused():
            return Refusal(422, "Key used before", said, **about)
        case NotKnown():
            return Refusal(404, "Not found", said, **about)
        case StoreUnavailable():
            about |= {"why": f"{error.what} {error.why}", "todo": error.todo or "Try again in a few seconds."}
            what = "Database unavailable"
            detail = f"{about['why']} {about['todo']}"
            return Refusal(503, what, detail, headers=later, **{**about, "what": f"{what}."})
    return Refusal(503, "The cluster cannot be asked", said, headers=later, **about)


def answer(scope: Scope, status: int, title: str, detail: str, **members: Any) -> Response:
    """The problem as the client of `scope` reads it: a page if it asks for HTML first, else JSON."""
    members.setdefault("request_id", scope.get("state", {}).get("request_id", ""))
    headers = members.pop("headers", None)
    if status == 401 and headers and "location" in headers:
        return Response(status_code=303, headers={"cache-control": "no-store", "vary": "Accept", **headers})
    as_json = problem(status, title, detail, headers=headers, **members)
    if not wants_html(scope):
        return as_json
    shown = {"title": title, "status": status, "detail": detail, **members}
    page: Page | None = getattr(scope["app"].state, "error_page", None) if "app" in scope else None
    try:
        text = page(shown, scope) if page else _plain_page(shown)
    except Exception:
        log.exception("the error page cannot be rendered")
        text = _plain_page(shown)
    kept = {name: value for name, value in as_json.headers.items() if not name.startswith("content-")}
    return Response(text, status, kept, media_type="text/html")


def wants_html(scope: Scope) -> bool:
    """Whether the client is a person's browser: it accepts text/html by name and is not asking for the
    API."""
    if scope["path"].startswith("/api/"):
        return False
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return b"text/html" in accept.lower() and b"text/event-stream" not in accept.lower()


def install(app: FastAPI) -> None:
    """Give every error of `app` this shape, the framework's own included."""

    async def stopped(request: Request, error: Exception) -> Response:
        if isinstance(error, ShipboardError):
            error = refused(error, request.url.path)
        assert isinstance(error, Refusal)
        return answer(request.scope, error.status, error.title, error.detail, **error.members)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = _phrase(error.status_code)
        detail = error.detail if error.detail != title else ""
        detail = detail or _WORDS.get(error.status_code, "The server refused the request.")
        return answer(request.scope, error.status_code, title, detail, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [
            {"where": ".".join(str(part)[:100] for part in each["loc"]), "what": str(each["msg"])[:200]}
            for each in error.errors()[:20]
        ]
        return answer(request.scope, 422, "Invalid request", _WORDS[422], errors=found)

    app.add_exception_handler(Refusal, stopped)
    app.add_exception_handler(ShipboardError, stopped)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


class Unexpected:
    """ASGI: turns any exception into a 500 with the request's id, and logs it; stands inside the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception:
            log.exception(
                "request failed", method=scope.get("method"), path=without_secret(scope.get("path", ""))
            )
            if started or scope["type"] != "http":
                raise
            detail = "Something went wrong here, not in your request. The log has it under this request id."
            await answer(scope, 500, _phrase(500), detail)(scope, receive, send)


async def unknown_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request for a host that is not ours."""
    detail = (
        "This board answers only to its own names. Open it by localhost or 127.0.0.1, "
        "or set public_url to the address people use."
    )
    await answer(scope, 421, _phrase(421), detail)(scope, receive, send)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _plain_page(shown: Mapping[str, Any]) -> str:
    """The page for when there is no template; without a style, since the policy allows none inside."""
    title, detail, ident = (escape(str(shown.get(key, ""))) for key in ("title", "detail", "request_id"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{shown["status"]} {title}</title>'
        f"<h1>{title}</h1><p>{detail}</p><p>Request {ident}</p><p><a href='/'>To the board</a></p></html>"
    )
