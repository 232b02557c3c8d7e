"""The account page: one's own sessions and tokens, to end and to make; for an admin everybody's, and screens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.domain.audit import Act
from app.domain.people import Principal, Role
from app.domain.policy import Permission, permits
from app.store import people
from app.store.audit import append
from app.web.errors import Refusal
from app.web.render import Renderer

from . import tokens
from .access import needs, of, refuse_unless
from .audited import entry
from .doorkeeper import Doorkeeper
from .guard import LOCAL
from .login import form, see_other, text
from .viewer import spoken, viewer

_GONE = ("Not found", "There is nothing of this name that you could end; it may be over already.")
log = structlog.get_logger("shipboard.auth")


@dataclass(frozen=True, slots=True)
class Line:
    """A session, token or screen as the page lists it."""

    ident: str
    name: str
    detail: str
    seen_at: datetime | None
    until: datetime
    here: bool


class Account:
    """The routes' work. `base` is the board's own address, for links that are told once."""

    def __init__(self, door: Doorkeeper, renderer: Renderer, base: str, environments: Sequence[str]) -> None:
        self._door, self._renderer, self._base, self._environments = door, renderer, base, environments

    async def show(self, request: Request) -> Response:
        """The page."""
        return await self._page(request)

    async def make_token(self, request: Request) -> Response:
        """A token for a program of one's own; its secret is on the answer, and nowhere else."""
        fields, who = await form(request), of(request.scope)
        chosen = tokens.lines(text(fields, "verbs"))
        wanted = tokens.Wanted(
            text(fields, "name"),
            text(fields, "role"),
            tokens.lines(text(fields, "environments") or "*"),
            chosen or None,
            _days(fields),
            text(fields, "source").strip(),
            tokens.lines(text(fields, "repositories")) or None,
        )
        try:
            owner = None if who is LOCAL else who  # nobody in particular could own it
            if wanted.role == Role.APPROVER and self._stale(who):
                raise ValueError(
                    "A token that decides takes a recent sign-in: sign out, in again, and make it."
                )
            secret, row = tokens.api_token(wanted, owner, self._door.clock())
        except ValueError as error:
            return await self._page(request, wrong=str(error), fields=fields)
        await self._add(request, row, Act.CREATE_TOKEN)
        return await self._page(request, secret=secret)

    def _stale(self, who: Principal) -> bool:
        """Whether somebody signed in too long ago for what takes a step up."""
        limit, at = timedelta(minutes=self._door.settings.step_up_minutes), who.signed_in_at
        return bool(limit and at and self._door.clock() - at > limit)

    async def make_screen(self, request: Request) -> Response:
        """A link that sets up a screen, once."""
        await refuse_unless(permits(of(request.scope), Permission.ADMIN), request.scope)
        fields, who = await form(request), of(request.scope)
        wanted = tokens.Wanted(
            text(fields, "name"), days=_days(fields), source=text(fields, "source").strip()
        )
        try:
            secret, row = tokens.kiosk(wanted, text(fields, "view").strip() or "/", who, self._door.clock())
        except ValueError as error:
            return await self._page(request, wrong=str(error), fields=fields)
        await self._add(request, row, Act.CREATE_KIOSK)
        return await self._page(request, link=f"{self._base}/kiosk/{secret}")

    async def end_session(self, request: Request, ident: str) -> Response:
        """End a session: one's own, or, for an admin, anybody's."""
        return await self._end(request, people.SESSION, ident, "ended_at", Act.END_SESSION)

    async def revoke(self, request: Request, ident: str) -> Response:
        """Revoke a token or a screen: one's own, or, for an admin, anybody's."""
        return await self._end(request, people.TOKEN, ident, "revoked_at", Act.REVOKE_TOKEN)

    async def _end(self, request: Request, table: Any, ident: str, column: str, verb: Act) -> Response:
        who, door = of(request.scope), self._door
        own = {} if permits(who, Permission.ADMIN).allowed else {"issuer": who.issuer, "subject": who.subject}
        async with door.database.writing() as session:
            now = door.clock()
            found = await people.change(session, table, {column: now}, ident=ident, **{column: None}, **own)
            if found:
                row = await people.one(await session.connection(), table, ident=ident)
                assert row is not None
                kiosk = row.get("kind") == "kiosk"
                what = f"{'kiosk' if kiosk else table.name} {ident} ({row['name']})"
                done = Act.REVOKE_KIOSK if kiosk else verb
                await append(session, entry(request.scope, who, done, now, what, ""))
        if not found:
            raise Refusal(404, *_GONE)
        door.forget()
        log.info("ended", what=table.name, ident=ident, principal=who.identity)
        return see_other("/account")

    async def _add(self, request: Request, row: Any, verb: Act) -> None:
        who = of(request.scope)
        async with self._door.database.writing() as session:
            await people.add(session, people.TOKEN, row)
            what = tokens.spoken(row)
            await append(session, entry(request.scope, who, verb, row["created_at"], what, ""))
        log.info("token made", kind=row["kind"], ident=row["ident"], principal=who.identity)

    async def _page(
        self,
        request: Request,
        wrong: str = "",
        secret: str = "",
        link: str = "",
        fields: FormData | None = None,
    ) -> Response:
        who, door, now = of(request.scope), self._door, self._door.clock()
        admin = permits(who, Permission.ADMIN).allowed
        own = {"issuer": who.issuer, "subject": who.subject}
        async with door.database.reading() as connection:
            sessions = await people.many(connection, people.SESSION, **own, ended_at=None)
            made = await people.many(connection, people.TOKEN, **own, revoked_at=None, kind="api")
            others, all_tokens, screens = [], [], []
            if admin:
                others = await people.many(connection, people.SESSION, ended_at=None)
                all_tokens = await people.many(connection, people.TOKEN, revoked_at=None, kind="api")
                screens = await people.many(connection, people.TOKEN, revoked_at=None, kind="kiosk")
        mine = {row["ident"] for row in (*sessions, *made)}
        context = {
            "viewer": viewer(request.scope),
            "who": who,
            "roles": spoken(who),
            "admin": admin,
            "sessions": self._lines(sessions, who, now),
            "tokens": self._lines(made, who, now),
            "others": self._lines([row for row in others if row["ident"] not in mine], who, now),
            "all_tokens": self._lines([row for row in all_tokens if row["ident"] not in mine], who, now),
            "screens": self._lines(screens, who, now),
            "environments": self._environments,
            "verbs": tokens.VERBS,
            "wrong": wrong,
            "secret": secret,
            "link": link,
            "given": dict(fields or {}),
            "now": now,
        }
        html = self._renderer.page("account.html", context)
        return Response(html, 422 if wrong else 200, {"cache-control": "no-store"}, media_type="text/html")

    def _lines(self, rows: Sequence[people.Row], who: Principal, now: datetime) -> list[Line]:
        found = []
        for row in rows:
            if "expires_at" in row:
                until, seen = row["expires_at"], row["used_at"]
                name = row["name"]
                detail = row["view"] or f"{_last(row['roles'])} in {_words(row['environments'])}"
                if row["repositories"]:
                    detail += f", only reports for {_words(row['repositories'])}"
                if row["owner"] and (row["issuer"], row["subject"]) != (who.issuer, who.subject):
                    detail = f"{detail}, of {row['owner']}"
                if row["kind"] == "kiosk" and seen is None:
                    detail += ", not set up yet"
            else:
                until, seen = row["created_at"] + timedelta(hours=self._door.settings.hours), row["seen_at"]
                idle = timedelta(minutes=self._door.settings.idle_minutes)
                name = row["name"] if row["issuer"] != who.issuer or row["subject"] != who.subject else ""
                name, detail = name or _browser(row["agent"]), _browser(row["agent"]) if name else ""
                if seen + idle <= now:
                    continue
            if until > now:
                found.append(Line(row["ident"], name, detail, seen, until, row["ident"] == who.session))
        return found


def _days(fields: FormData) -> int:
    given = text(fields, "days", 4)
    return int(given) if given.isascii() and given.isdigit() else 0


def _words(stored: str) -> str:
    found = ", ".join(tokens.lines(stored.strip("[]").replace('"', "")))
    return "all environments" if found == "*" else found


def _last(stored: str) -> str:
    return (tokens.lines(stored.strip("[]").replace('"', "")) or ("viewer",))[-1]


def _browser(agent: str) -> str:
    """A browser's name and system, as far as people tell them apart."""
    names = (
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    )
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac", "Linux")
    name = next((word for mark, word in names if mark in agent), "A browser")
    system = next((word for word in systems if word in agent), "")
    return f"{name} on {system}" if system else name


def routes(door: Doorkeeper, renderer: Renderer, base: str, environments: Sequence[str]) -> APIRouter:
    """The routes of the account page."""
    router, account = APIRouter(include_in_schema=False), Account(door, renderer, base, environments)
    for path, method, route, permission in (
        ("/account", "GET", account.show, Permission.SELF),
        ("/account/tokens", "POST", account.make_token, Permission.SELF),
        ("/account/screens", "POST", account.make_screen, Permission.ADMIN),
        ("/account/sessions/{ident}/end", "POST", account.end_session, Permission.SELF),
        ("/account/tokens/{ident}/revoke", "POST", account.revoke, Permission.SELF),
    ):
        router.add_api_route(path, route, methods=[method], dependencies=[needs(permission)])
    return router
