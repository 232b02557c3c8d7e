"""Signing in and out: by password, by a provider, as somebody of the demo, and a screen by its link."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.domain.audit import Act, Kind
from app.domain.people import NOBODY, Principal, PrincipalKind
from app.domain.policy import Permission
from app.settings import Mode
from app.store import people
from app.store.audit import append
from app.web.errors import Refusal
from app.web.render import Renderer

from . import cookies, limits, oidc, tokens
from .access import needs, of, remember
from .audited import entry
from .doorkeeper import Doorkeeper
from .paths import safe_next
from .sessions import SignedIn
from .tokens import KIOSK_PREFIX
from .viewer import viewer

WINDOW = timedelta(minutes=15)
PER_ACCOUNT, PER_SOURCE, IN_ALL = 10, 50, 500
"""Passwords that may be wrong within `WINDOW`."""
SIGN_IN_SECONDS = 600
_WRONG = "This name and this password do not go together."
log = structlog.get_logger("shipboard.auth")


async def form(request: Request) -> FormData:
    """The fields of a plain form. Raises Refusal for anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(415, "Unsupported media type", "This address takes a plain form.")
    return await request.form(max_files=0, max_fields=50)


def text(fields: FormData, name: str, most: int = 2000) -> str:
    """A field's text; empty when it is not there, too long, or holds a NUL, which PostgreSQL has no text for."""
    value = fields.get(name, "")
    return value if isinstance(value, str) and len(value) <= most and "\0" not in value else ""


def see_other(path: str, *set_cookies: str) -> Response:
    """Go on there, with these cookies."""
    response = Response(status_code=303, headers={"location": path, "cache-control": "no-store"})
    for line in set_cookies:
        response.headers.append("set-cookie", line)
    return response


class Login:
    """The routes' work. `provider` is there when the settings have one."""

    def __init__(self, door: Doorkeeper, renderer: Renderer, provider: oidc.Provider | None) -> None:
        self._door, self._renderer, self._provider = door, renderer, provider

    async def show(self, request: Request) -> Response:
        """The page to sign in on."""
        return self._page(request, safe_next(request.query_params.get("next", "/")))

    async def take(self, request: Request) -> Response:
        """A password, or a choice of the demo's people."""
        fields = await form(request)
        back = safe_next(text(fields, "next") or "/")
        settings = self._door.settings
        if Mode.DEMO in settings.modes and (be := text(fields, "be")):
            persona = next((p for p in settings.personas if p.subject == be), None)
            if persona is None:
                await remember(request.scope, "By demo: nobody of this name.", Act.SIGN_IN)
                return self._page(request, back, "There is nobody of this name in the demo.", 401)
            signed = SignedIn(Mode.DEMO, "demo", be, persona.name, self._door.clock())
            line = await self._door.begin(request.scope, signed)
            return see_other(back, line)
        if Mode.LOCAL not in settings.modes:
            await remember(request.scope, "By a password, which is no way in here.", Act.SIGN_IN)
            return self._page(request, back, "Nobody signs in by a password here.", 401)
        return await self._local(
            request, text(fields, "user", 100).strip().lower(), text(fields, "password"), back
        )

    async def leave(self, request: Request) -> Response:
        """End this session, here and in every stream."""
        who, door = of(request.scope), self._door
        secret = cookies.read(request.scope).get(door.cookies.session)
        if secret:
            now = door.clock()
            async with door.database.writing() as session:
                if await people.end_sessions(session, now, key=cookies.digest(secret)):
                    ended = f"session {who.session}"
                    await append(session, entry(request.scope, who, Act.SIGN_OUT, now, ended, ""))
            door.forget()
            log.info("signed out", principal=who.identity, session=who.session)
        response = see_other("/login", door.cookies.clear(door.cookies.session))
        response.headers["clear-site-data"] = '"cache"'
        return response

    async def go(self, request: Request) -> Response:
        """Off to the provider."""
        if self._provider is None:
            raise Refusal(404, "Not found", "Nobody signs in by a provider here.")
        door = self._door
        back = safe_next(request.query_params.get("next", "/"))
        again = of(request.scope).session and door.settings.step_up_minutes
        try:
            address, kept = await self._provider.begin(back, again * 60 if again else None)
        except oidc.Failed as error:
            return self._page(request, back, str(error), 502)
        secret = cookies.secret()
        row = {
            "key": cookies.digest(secret),
            "content": kept,
            "expires_at": door.clock() + timedelta(seconds=SIGN_IN_SECONDS),
        }
        async with door.database.writing() as session:
            await people.add(session, people.SIGNIN, row)
        return see_other(address, door.cookies.set(door.cookies.sign_in, secret, SIGN_IN_SECONDS))

    async def come(self, request: Request) -> Response:
        """Back from the provider."""
        if self._provider is None:
            raise Refusal(404, "Not found", "Nobody signs in by a provider here.")
        door = self._door
        forget = door.cookies.clear(door.cookies.sign_in)
        secret = cookies.read(request.scope).get(door.cookies.sign_in, "")
        async with door.database.writing() as session:
            kept = await people.take_signin(session, cookies.digest(secret), door.clock())
        try:
            if kept is None:
                raise oidc.Failed("This sign-in was not begun here, or took too long.")
            given = request.query_params
            if len(given.multi_items()) != len(given):
                raise oidc.Failed("The provider's answer says something twice.")
            claims, back = await self._provider.finish(kept, given, door.clock())
        except oidc.Failed as error:
            log.warning("sign-in failed", how="oidc", source=limits.source(request.scope), why=str(error))
            await remember(request.scope, f"By oidc: {error}", Act.SIGN_IN)
            page = self._page(request, "/", f"{error} Try again.", 401)
            page.headers.append("set-cookie", forget)
            return page
        issuer = door.settings.oidc.issuer if door.settings.oidc else ""
        who = claims.subject, claims.name, claims.signed_in_at, claims.email, claims.groups
        line = await door.begin(request.scope, SignedIn(Mode.OIDC, issuer, *who))
        return see_other(safe_next(back), line, forget)

    async def screen(self, request: Request, secret: str) -> Response:
        """Exchange a screen's link, once, for a cookie, and show its view."""
        door, now = self._door, self._door.clock()
        link, (own, changed) = cookies.digest(secret), tokens.claimed(self._door.clock())
        row = None
        if secret.startswith(KIOSK_PREFIX) and len(secret) < 100:
            async with door.database.writing() as session:
                row = await people.one(await session.connection(), people.TOKEN, key=link, kind="kiosk")
                fits = row is not None and row["revoked_at"] is None and row["expires_at"] > now
                if not fits or not await people.change(
                    session, people.TOKEN, dict(changed), key=link, used_at=None
                ):
                    row = None
                if row is not None:
                    screen = Principal(
                        PrincipalKind.KIOSK, "kiosk", row["ident"], row["name"], session=row["ident"]
                    )
                    done = entry(request.scope, screen, Act.SET_UP_KIOSK, now, f"kiosk {row['ident']}", "")
                    await append(session, done)
        if row is None:
            await remember(request.scope, "The link of a screen does not hold.", Act.SET_UP_KIOSK)
            raise Refusal(
                404, "Not found", "This link was used already, or is out of date. Ask for another one."
            )
        log.info("screen set up", session=row["ident"], source=limits.source(request.scope))
        line = door.cookies.set(door.cookies.kiosk, own, int((row["expires_at"] - now).total_seconds()))
        return see_other(row["view"], line)

    async def _local(self, request: Request, name: str, password: str, back: str) -> Response:
        door, now = self._door, self._door.clock()
        where = limits.source(request.scope)
        # The name may be a password typed into the wrong field, so it is not kept as it is.
        account = cookies.digest(f"account {name}")
        async with door.database.writing() as session:
            counts = await people.tried(session, account, where, now - WINDOW)
            limited = zip(counts, (PER_ACCOUNT, PER_SOURCE, IN_ALL), strict=True)
            if refused := any(count >= most for count, most in limited):
                ident, row = 0, None
            else:
                ident = await people.attempt(session, account, where, now)
                row = await people.one(await session.connection(), people.ACCOUNT, name=name)
        if refused:  # said once the writer is free: the audit of it is a write of its own
            log.warning("sign-in refused: tried too often", how="local", source=where)
            said = "Too many passwords were wrong. Try again in a quarter of an hour."
            await remember(request.scope, "By local: too many passwords were wrong.", Act.SIGN_IN)
            return self._page(request, back, said, 429)
        usable = row["password"] if row and row["disabled_at"] is None else None
        if not await door.passwords.holds(password, usable) or row is None:
            log.warning("sign-in failed", how="local", source=where)
            await self._failed(request, name if row else "", now)
            return self._page(request, back, _WRONG, 401)
        async with door.database.writing() as session:
            await people.forgive(session, account, ident)
        signed = SignedIn(Mode.LOCAL, "local", name, row["display"], now, row["email"])
        line = await door.begin(request.scope, signed)
        return see_other(back, line)

    async def _failed(self, request: Request, known: str, now: datetime) -> None:
        """Write a wrong password down. A name that nobody has may be a password, so it is kept nowhere."""
        who = Principal(PrincipalKind.NOBODY, "local", known, known or NOBODY.name)
        what = f"user {known}" if known else "an unknown user"
        said = entry(request.scope, who, Act.SIGN_IN, now, what, "By local: wrong password.", Kind.REFUSED)
        async with self._door.database.writing() as session:
            await append(session, said)

    def _page(self, request: Request, back: str, wrong: str = "", status: int = 200) -> Response:
        settings = self._door.settings
        who: Principal = of(request.scope)
        context = {
            "viewer": viewer(request.scope),
            "signed_in": who.kind is PrincipalKind.PERSON and bool(who.session),
            "modes": frozenset(mode.value for mode in settings.modes),
            "provider": settings.oidc.name if settings.oidc else "",
            "next": back,
            "next_query": f"?next={quote(back, safe='/')}" if back != "/" else "",
            "wrong": wrong,
            "anonymous": settings.anonymous,
            "now": self._door.clock(),
        }
        html = self._renderer.page("login.html", context)
        headers = {"cache-control": "no-store"} | ({"retry-after": "900"} if status == 429 else {})
        return Response(html, status, headers, media_type="text/html")


def routes(door: Doorkeeper, renderer: Renderer, provider: oidc.Provider | None) -> APIRouter:
    """The routes to sign in and out."""
    router, login = APIRouter(include_in_schema=False), Login(door, renderer, provider)
    for path, method, route in (
        ("/login", "GET", login.show),
        ("/login", "POST", login.take),
        ("/logout", "POST", login.leave),
        ("/oidc/login", "GET", login.go),
        ("/oidc/callback", "GET", login.come),
        ("/kiosk/{secret}", "GET", login.screen),
    ):
        router.add_api_route(path, route, methods=[method], dependencies=[needs(Permission.OPEN)])
    return router
