"""`shipboard user`, `token` and `kiosk`: who may come in. They work on the database whether or not it is served."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain.audit import Act, Entry, Kind
from app.domain.people import Principal, PrincipalKind, Role
from app.domain.policy import Permission
from app.settings import Settings
from app.store import people as rows
from app.store.audit import append
from app.store.db import Database
from app.web.auth import passwords, tokens

from .choose import make_home, settings_from
from .say import WRONG, expected, refuse

users = typer.Typer(help="People who sign in by a name and a password kept here.", no_args_is_help=True)
api_tokens = typer.Typer(help="Tokens for programs.", no_args_is_help=True)
kiosks = typer.Typer(help="Screens that show one view and may nothing else.", no_args_is_help=True)

Config = Annotated[
    Path | None, typer.Option(help="Settings file (default: ./shipboard.yaml, if it is there).")
]
Storage = Annotated[str | None, typer.Option("--database", help="SQLite file or postgresql:// URL.")]
Name = Annotated[str, typer.Argument(help="The name to sign in by.")]
Ident = Annotated[str, typer.Argument(help="As `list` calls it.")]
Days = Annotated[int, typer.Option(help=f"How long it lasts, at most {tokens.MOST_DAYS}.")]
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_GRANT = re.compile(rf"({'|'.join(Role)})(@[A-Za-z0-9][A-Za-z0-9._:/@-]{{0,99}})?")


@users.command("add")
def add_user(
    name: Name,
    role: Annotated[
        list[str] | None,
        typer.Option(help="viewer, operator, approver or admin, or ROLE@ENVIRONMENT; repeatable."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A group that settings grant roles to; repeatable.")
    ] = None,
    display: Annotated[str, typer.Option(help="The name as others see it (default: the name).")] = "",
    email: Annotated[str, typer.Option(help="For display only.")] = "",
    config: Config = None,
    database: Storage = None,
) -> None:
    """Make somebody; the password is asked for, or read from standard input."""
    if not _NAME.fullmatch(name):
        refuse(f"{name!r} is no name.", "It is made of a-z, 0-9, dots, hyphens and underscores.", code=WRONG)
    for each in role or ():
        if not _GRANT.fullmatch(each):
            refuse(
                f"{each!r} is no role.",
                f"There are {', '.join(Role)}, each also as ROLE@ENVIRONMENT.",
                code=WRONG,
            )
    stored = passwords.Passwords().hashed(_password(name))

    async def work(opened: Database) -> None:
        now = datetime.now(UTC)
        async with opened.writing() as session:
            if await rows.one(await session.connection(), rows.ACCOUNT, name=name):
                refuse(
                    f"There is a user {name} already.",
                    todo="Choose another name, or see `shipboard user list`.",
                )
            values = {
                "name": name, "display": (display or name)[:100], "email": email[:200], "password": stored,
                "grants": json.dumps(role or []), "groups": json.dumps(group or []),
                "created_at": now, "changed_at": now, "disabled_at": None,
            }  # fmt: skip
            await rows.add(session, rows.ACCOUNT, values)
            held = ", ".join([*(role or []), *(f"group {each}" for each in group or [])]) or "no role"
            await append(session, _entry(Act.ADD_USER, f"user {name}, {held}", now))
        typer.echo(
            f"{name} may sign in." + ("" if role or group else " No role yet: give one by auth.roles.")
        )

    _on_database(config, database, work)


@users.command("list")
def list_users(config: Config = None, database: Storage = None) -> None:
    """Everybody, with roles and groups."""

    async def work(opened: Database) -> None:
        async with opened.reading() as connection:
            found = await rows.many(connection, rows.ACCOUNT)
        for row in sorted(found, key=lambda row: row["name"]):
            held = [*json.loads(row["grants"]), *(f"group {group}" for group in json.loads(row["groups"]))]
            state = "disabled" if row["disabled_at"] else "active"
            typer.echo(f"{row['name']:<20} {state:<9} {', '.join(held) or 'no role of its own'}")

    _on_database(config, database, work)


@users.command("disable")
def disable_user(name: Name, config: Config = None, database: Storage = None) -> None:
    """Let somebody in no more; sessions, open pages and tokens end within 5 s."""
    _change_user(
        name,
        lambda now: {"disabled_at": now, "changed_at": now},
        "may not sign in any more",
        Act.DISABLE_USER,
        config,
        database,
    )


@users.command("enable")
def enable_user(name: Name, config: Config = None, database: Storage = None) -> None:
    """Let somebody in again."""
    _change_user(
        name,
        lambda now: {"disabled_at": None, "changed_at": now},
        "may sign in again",
        Act.ENABLE_USER,
        config,
        database,
    )


@users.command("password")
def change_password(name: Name, config: Config = None, database: Storage = None) -> None:
    """Give somebody another password; their sessions end."""
    stored = passwords.Passwords().hashed(_password(name))
    _change_user(
        name,
        lambda now: {"password": stored, "changed_at": now},
        "has another password",
        Act.SET_PASSWORD,
        config,
        database,
    )


@api_tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[str, typer.Option(help="viewer or operator.")] = "viewer",
    environment: Annotated[
        list[str] | None, typer.Option(help="Where it holds (default: all); repeatable.")
    ] = None,
    verb: Annotated[list[str] | None, typer.Option(help="Only this command; repeatable.")] = None,
    repository: Annotated[
        list[str] | None,
        typer.Option(help="It only reports for this one, as github.com/acme/*, and looks; repeatable."),
    ] = None,
    days: Days = 90,
    source: Annotated[str, typer.Option(help="Only from this network, as 10.0.0.0/24.")] = "",
    config: Config = None,
    database: Storage = None,
) -> None:
    """Make a token; it is printed this once, alone on standard output."""
    wanted = tokens.Wanted(
        name,
        "operator" if repository else role,
        tuple(environment or ("*",)),
        tuple(verb) if verb else None,
        days,
        source,
        tuple(repository) if repository else None,
    )
    secret, row = _made(lambda now: tokens.api_token(wanted, None, now))
    _keep(row, config, database)
    typer.echo(secret)


@api_tokens.command("list")
def list_tokens(config: Config = None, database: Storage = None) -> None:
    """Tokens in force; never the secrets."""
    _list("api", config, database)


@api_tokens.command("revoke")
def revoke_token(ident: Ident, config: Config = None, database: Storage = None) -> None:
    """Let a token hold no more, within 5 s."""
    _revoke("api", ident, config, database)


@kiosks.command("create")
def create_kiosk(
    name: Annotated[str, typer.Argument(help="Which screen it is.")],
    view: Annotated[str, typer.Option(help="The page it shows, as /?environment=production.")] = "/",
    days: Days = tokens.MOST_DAYS,
    source: Annotated[str, typer.Option(help="Only from this network, as 10.0.0.0/24.")] = "",
    config: Config = None,
    database: Storage = None,
) -> None:
    """Make a link that sets up a screen, once; it is printed alone on standard output."""
    secret, row = _made(
        lambda now: tokens.kiosk(tokens.Wanted(name, days=days, source=source), view, None, now)
    )
    with expected():
        settings = settings_from(config, database=database)
    _keep(row, config, database)
    typer.echo(f"{settings.public_url or f'http://{settings.host}:{settings.port}'}/kiosk/{secret}")


@kiosks.command("list")
def list_kiosks(config: Config = None, database: Storage = None) -> None:
    """Screens that may show something."""
    _list("kiosk", config, database)


@kiosks.command("revoke")
def revoke_kiosk(ident: Ident, config: Config = None, database: Storage = None) -> None:
    """Blank a screen, within 5 s."""
    _revoke("kiosk", ident, config, database)


def _change_user(
    name: str,
    changed: Callable[[datetime], dict[str, Any]],
    said: str,
    verb: Act,
    config: Path | None,
    database: str | None,
) -> None:
    async def work(opened: Database) -> None:
        now = datetime.now(UTC)
        async with opened.writing() as session:
            if not await rows.change(session, rows.ACCOUNT, changed(now), name=name):
                refuse(f"There is no user {name}.", todo="See `shipboard user list`.")
            ended = await rows.end_sessions(session, now, issuer="local", subject=name)
            more = f", {ended} sessions ended" if ended else ""
            await append(session, _entry(verb, f"user {name}{more}", now))
        typer.echo(f"{name} {said}.")

    _on_database(config, database, work)


def _made(make: Callable[[datetime], tuple[str, Any]]) -> tuple[str, Any]:
    try:
        return make(datetime.now(UTC))
    except ValueError as error:
        refuse(str(error), code=WRONG)


def token_of_ci(name: str, settings: Settings) -> str:
    """A token with which a CI reports to the board of `settings` for a month."""
    wanted = tokens.Wanted(name, Role.OPERATOR, verbs=(Permission.REPORT,), days=30)
    secret, row = tokens.api_token(wanted, None, datetime.now(UTC))
    asyncio.run(_with(settings, partial(_write, row)))
    return secret


def _keep(row: Any, config: Path | None, database: str | None) -> None:
    _on_database(config, database, partial(_write, row))


async def _write(row: Any, opened: Database) -> None:
    async with opened.writing() as session:
        await rows.add(session, rows.TOKEN, row)
        verb = Act.CREATE_KIOSK if row["kind"] == "kiosk" else Act.CREATE_TOKEN
        await append(session, _entry(verb, tokens.spoken(row), row["created_at"]))


def _list(kind: str, config: Path | None, database: str | None) -> None:
    async def work(opened: Database) -> None:
        async with opened.reading() as connection:
            found = await rows.many(connection, rows.TOKEN, kind=kind, revoked_at=None)
        for row in found:
            what = (
                row["view"]
                or f"{', '.join(json.loads(row['roles']))} in {', '.join(json.loads(row['environments']))}"
            )
            if row["repositories"]:
                what += f", only reports for {', '.join(json.loads(row['repositories']))}"
            used = f"used {row['used_at']:%Y-%m-%d}" if row["used_at"] else "never used"
            until = f"until {row['expires_at']:%Y-%m-%d}"
            typer.echo(
                f"{row['ident']}  {row['name']:<24} {what}, {used}, {until}, of {row['owner'] or 'nobody'}"
            )

    _on_database(config, database, work)


def _revoke(kind: str, ident: str, config: Path | None, database: str | None) -> None:
    async def work(opened: Database) -> None:
        async with opened.writing() as session:
            now = datetime.now(UTC)
            changed = {"revoked_at": now}
            if not await rows.change(session, rows.TOKEN, changed, ident=ident, kind=kind, revoked_at=None):
                refuse(f"There is no {kind} token {ident} in force.", todo="See `list`.")
            verb, what = (Act.REVOKE_KIOSK, "kiosk") if kind == "kiosk" else (Act.REVOKE_TOKEN, "token")
            await append(session, _entry(verb, f"{what} {ident}", now))
        typer.echo(f"{ident} holds no more.")

    _on_database(config, database, work)


def _entry(verb: Act, what: str, now: datetime) -> Entry:
    """What the audit says of a command typed here: who typed it is the system's word, which is all there is."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number that has no name
        name = str(os.getuid())
    who = Principal(PrincipalKind.SYSTEM, "command-line", name, name)
    return Entry.of(who, Kind.DONE, now, verb=verb, object=what, result="On the command line.")


def _password(name: str) -> str:
    """A new password, from standard input or typed twice."""
    if sys.stdin.isatty():
        given = getpass.getpass(f"Password for {name}: ")
        if getpass.getpass("Once more: ") != given:
            refuse("The two are not the same.", code=WRONG)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    try:
        passwords.check_new(given, name)
    except ValueError as error:
        refuse(str(error), todo="Choose another one.", code=WRONG)
    return given


def _on_database(
    config: Path | None, database: str | None, work: Callable[[Database], Awaitable[None]]
) -> None:
    with expected():
        settings = settings_from(config, database=database)
        make_home(settings)
        asyncio.run(_with(settings, work))


async def _with(settings: Settings, work: Callable[[Database], Awaitable[None]]) -> None:
    opened = await Database.beside(settings.database, audit_key=settings.audit_key)
    try:
        await work(opened)
    finally:
        await opened.close()
