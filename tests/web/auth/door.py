"""A whole board behind a real port, with whatever way of signing in a test wants."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher

from app.domain.grants import Grant
from app.domain.people import Principal, Role
from app.main import create_app
from app.settings import AuthSettings, Mode, Persona, Settings
from app.store import people
from app.web.auth import passwords, tokens
from app.web.auth.limits import Limits
from tests.databases import fresh

DEADLINE = 10.0
PASSWORD = "nine brave lanterns"
CHEAP = passwords.Passwords(Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1))
"""For what lies around passwords; `test_local` has what they really cost."""
HASH = CHEAP.hashed(PASSWORD)
STAGING, PRODUCTION = "staging", "production"


def persona(subject: str, *grants: tuple[Role, str]) -> Persona:
    held = tuple(Grant(role, where, people=(f"demo:{subject}",)) for role, where in grants)
    return Persona(subject, subject.title(), "is there", held)


PERSONAS = (
    persona("viewer", (Role.VIEWER, "*")),
    persona("operator", (Role.OPERATOR, STAGING)),
    persona("approver", (Role.APPROVER, PRODUCTION)),
    persona("admin", (Role.ADMIN, "*")),
    persona("nobody"),
)
DEMO = AuthSettings(modes=(Mode.DEMO,), personas=PERSONAS)
LOCAL = AuthSettings(modes=(Mode.LOCAL,), grants=(Grant(Role.VIEWER, people=("*",)),))


class Door:
    """The running board, and a way to ask it."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self.app, self.port = app, port
        self.keeper = app.state.keeper
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx2.AsyncClient(base_url=self.url, trust_env=False, verify=False)

    async def ask(self, method: str, path: str, cookie: str = "", **more: Any) -> httpx2.Response:
        """The answer to a browser's request; follows no redirects. A header None is left out."""
        sent: dict[str, Any] = {
            "accept": "text/html",
            "origin": self.url,
            **({"cookie": cookie} if cookie else {}),
        }
        sent |= more.pop("headers", {})
        self.http.cookies.clear()
        kept = {name: value for name, value in sent.items() if value is not None}
        return await self.http.request(method, path, headers=kept, **more)

    async def be(self, subject: str) -> str:
        """Sign in as one of the demo's people; answers the cookie."""
        answer = await self.ask("POST", "/login", data={"be": subject})
        assert answer.status_code == 303, answer.text
        return cookie_of(answer)

    async def csrf(self, cookie: str) -> str:
        """The token for forms of a session."""
        page = await self.ask("GET", "/login", cookie)
        found = re.search(r'data-csrf="([0-9a-f]+)"', page.text)
        assert found
        return found[1]

    async def account(self, name: str, *grants: str, groups: str = "[]") -> None:
        """A local account with the one password."""
        now = datetime.now(UTC)
        held = "[" + ", ".join(f'"{grant}"' for grant in grants) + "]"
        row: dict[str, Any] = {
            "name": name,
            "display": name.title(),
            "email": "",
            "password": HASH,
            "grants": held,
        }
        row |= {"groups": groups, "created_at": now, "changed_at": now, "disabled_at": None}
        async with self.keeper.database.writing() as session:
            await people.add(session, people.ACCOUNT, row)

    async def token(self, owner: Principal | None = None, **wanted: Any) -> str:
        secret, row = tokens.api_token(tokens.Wanted("a script", **wanted), owner, datetime.now(UTC))
        async with self.keeper.database.writing() as session:
            await people.add(session, people.TOKEN, row)
        return secret

    async def screen(self, view: str = "/", **wanted: Any) -> str:
        """A screen that was set up; answers its cookie."""
        secret, row = tokens.kiosk(tokens.Wanted("a screen", **wanted), view, None, datetime.now(UTC))
        async with self.keeper.database.writing() as session:
            await people.add(session, people.TOKEN, row)
        answer = await self.ask("GET", f"/kiosk/{secret}")
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == view
        return cookie_of(answer)

    async def rows(self, table: Any) -> list[Any]:
        from sqlalchemy import select

        async with self.keeper.database.reading() as connection:
            return list((await connection.execute(select(table))).mappings())

    async def anew(self) -> None:
        """Be as at the start: nobody is there, signed in, counted or remembered."""
        async with self.keeper.database.writing() as session:
            for table in (people.ACCOUNT, people.ATTEMPT, people.SESSION, people.SIGNIN, people.TOKEN):
                await (await session.connection()).execute(table.delete())
        self.later()
        self.keeper.limits = Limits()
        self.keeper.forget()
        self.http.headers.pop("cookie", None)

    def later(self, **delta: float) -> None:
        """Let time pass."""
        moved = timedelta(**delta)
        self.keeper.clock = lambda: datetime.now(UTC) + moved

    async def settled(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not holds():
                await asyncio.sleep(0.01)


def cookie_of(answer: httpx2.Response) -> str:
    """The cookies an answer sets that hold something, as a browser sends them."""
    lines = answer.headers.get_list("set-cookie")
    pairs = [line.partition(";")[0] for line in lines]
    return "; ".join(pair for pair in pairs if not pair.endswith("="))


@asynccontextmanager
async def door(directory: Path, auth: AuthSettings = DEMO, **settings: Any) -> AsyncIterator[Door]:
    """A running board."""
    port = socket.create_server(("127.0.0.1", 0))
    number = port.getsockname()[1]
    known = {"database": fresh(directory), "port": number, "auth": auth} | settings
    if callable(known["auth"]):
        known["auth"] = known["auth"](number)
    app = create_app(Settings(**known))
    app.state.keeper.passwords = CHEAP
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    config.server_header = False
    server = uvicorn.Server(config)
    async with app.router.lifespan_context(app):
        serving = asyncio.create_task(server._serve([port]))
        here = Door(app, number)
        try:
            await here.settled(lambda: server.started)
            yield here
        finally:
            await here.http.aclose()
            app.state.hub.closing.set()
            server.should_exit = True
            await serving


def with_(auth: AuthSettings, **changed: Any) -> AuthSettings:
    """Other settings."""
    return replace(auth, **changed)
