"""`shipboard token` and `kiosk`: what programs and screens come in by. Works on the database whether or not it is
served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain.audit import Act
from app.domain.people import Role
from app.domain.policy import Permission
from app.settings import Settings
from app.store import people as rows
from app.store.audit import append
from app.store.db import Database
from app.web.auth import tokens

from .choose import Config, Storage, settings_from
from .database import entry, on_database, using
from .say import WRONG, expected, refuse

api_tokens = typer.Typer(help="Tokens for programs.", no_args_is_help=True)
kiosks = typer.Typer(help="Screens that show one view and may nothing else.", no_args_is_help=True)

Ident = Annotated[str, typer.Argument(help="As `list` calls it.")]
Days = Annotated[int, typer.Option(help=f"How long it lasts, at most {tokens.MOST_DAYS}.")]


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
    typer.echo(f"{settings.address}/kiosk/{secret}")


@kiosks.command("list")
def list_kiosks(config: Config = None, database: Storage = None) -> None:
    """Screens that may show something."""
    _list("kiosk", config, database)


@kiosks.command("revoke")
def revoke_kiosk(ident: Ident, config: Config = None, database: Storage = None) -> None:
    """Blank a screen, within 5 s."""
    _revoke("kiosk", ident, config, database)


def _made(make: Callable[[datetime], tuple[str, Any]]) -> tuple[str, Any]:
    try:
        return make(datetime.now(UTC))
    except ValueError as error:
        refuse(str(error), code=WRONG)


def token_of_ci(name: str, settings: Settings) -> str:
    """A token with which a CI reports to the board of `settings` for a month."""
    wanted = tokens.Wanted(name, Role.OPERATOR, verbs=(Permission.REPORT,), days=30)
    secret, row = tokens.api_token(wanted, None, datetime.now(UTC))
    asyncio.run(using(settings, partial(_write, row)))
    return secret


def _keep(row: Any, config: Path | None, database: str | None) -> None:
    on_database(config, database, partial(_write, row))


async def _write(row: Any, opened: Database) -> None:
    async with opened.writing() as session:
        await rows.add(session, rows.TOKEN, row)
        verb = Act.CREATE_KIOSK if row["kind"] == "kiosk" else Act.CREATE_TOKEN
        await append(session, entry(verb, tokens.spoken(row), row["created_at"]))


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

    on_database(config, database, work)


def _revoke(kind: str, ident: str, config: Path | None, database: str | None) -> None:
    async def work(opened: Database) -> None:
        async with opened.writing() as session:
            now = datetime.now(UTC)
            changed = {"revoked_at": now}
            if not await rows.change(session, rows.TOKEN, changed, ident=ident, kind=kind, revoked_at=None):
                refuse(f"There is no {kind} token {ident} in force.", todo="See `list`.")
            verb, what = (Act.REVOKE_KIOSK, "kiosk") if kind == "kiosk" else (Act.REVOKE_TOKEN, "token")
            await append(session, entry(verb, f"{what} {ident}", now))
        typer.echo(f"{ident} holds no more.")

    on_database(config, database, work)
