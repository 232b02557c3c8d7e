"""`shipboard user`: who may sign in by a password kept here. Works on the database whether or not it is served."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain.audit import Act
from app.domain.people import Role
from app.store import people as rows
from app.store.audit import append
from app.store.db import Database
from app.web.auth import passwords

from .choose import Config, Storage
from .database import entry, on_database
from .say import WRONG, refuse

users = typer.Typer(help="People who sign in by a name and a password kept here.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name to sign in by.")]
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
            await append(session, entry(Act.ADD_USER, f"user {name}, {held}", now))
        typer.echo(
            f"{name} may sign in." + ("" if role or group else " No role yet: give one by auth.roles.")
        )

    on_database(config, database, work)


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

    on_database(config, database, work)


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
            await append(session, entry(verb, f"user {name}{more}", now))
        typer.echo(f"{name} {said}.")

    on_database(config, database, work)


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
