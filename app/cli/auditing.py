"""`shipboard audit`: check the chain of audit entries and export it. Reads a database or a file; asks no server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain.audit import Mark, check_lines
from app.settings import Settings
from app.store.audit import key_beside, key_from, lines
from app.store.db import Database

from .choose import Config, Storage, settings_from
from .say import FAILED, WRONG, expected, refuse

audit = typer.Typer(help="The audit: is it whole, and what is in it.", no_args_is_help=True)


@audit.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export (JSON lines); default: the database.")
    ] = None,
    head: Annotated[
        str, typer.Option(help="A head the log told (SEQ:MAC), without which a cut tail may not be seen.")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="The key (default: SHIPBOARD_AUDIT_KEY, or beside the SQLite file).")
    ] = None,
    config: Config = None,
    database: Storage = None,
) -> None:
    """Whether every entry is as it was written, in its place, and none is missing; names the first that is not."""
    with expected():
        settings = settings_from(config, database=database)
        key = _key(settings, key_file)
        told = _mark(head) if head else None
        read = _file(file) if file else asyncio.run(_database(settings.database))
        try:
            found = check_lines(read, key, told)
        except ValueError as error:
            refuse(f"{file or 'The database'} holds what is no audit entry.", str(error))
    if found.bad is not None:
        typer.echo(f"Entry {found.bad} is bad: {found.why}. {found.sound} entries before it are sound.")
        raise typer.Exit(FAILED)
    typer.echo(f"Sound: {found.sound} entries. Head {found.head.seq}:{found.head.mac}")


@audit.command()
def export(config: Config = None, database: Storage = None) -> None:
    """The whole chain as JSON lines on standard output, to be kept and checked elsewhere."""
    with expected():
        settings = settings_from(config, database=database)
        for line in asyncio.run(_database(settings.database)):
            typer.echo(json.dumps(line, ensure_ascii=False))


async def _database(url: str) -> list[dict[str, Any]]:
    opened = Database.looking(url)
    try:
        async with opened.reading() as connection:
            return [line async for line in lines(connection)]
    finally:
        await opened.close()


def _file(file: Path) -> list[dict[str, Any]]:
    try:
        found = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        refuse(f"{file} cannot be read.", str(error), code=WRONG)
    if not all(isinstance(line, dict) for line in found):
        refuse(f"{file} is no export of the audit.", code=WRONG)
    return found


def _mark(text: str) -> Mark:
    seq, _, mac = text.partition(":")
    if not seq.isdigit() or not mac:
        refuse(f"{text!r} is no head.", "It is SEQ:MAC, as the log's lines `audit head` tell.", code=WRONG)
    return Mark(int(seq), mac)


def _key(settings: Settings, key_file: Path | None) -> bytes:
    if key_file is None and settings.audit_key:
        return key_from(settings.audit_key)
    address = settings.database.partition(":///")[2]
    file = key_file or key_beside(Path(address))
    if not address and key_file is None:
        refuse("The key is not known.", "", "Set SHIPBOARD_AUDIT_KEY, or name a file by --key-file.", WRONG)
    try:
        return key_from(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "It is no text."
        refuse(f"The key {file} cannot be read.", f"{why}.", "Set SHIPBOARD_AUDIT_KEY or --key-file.", WRONG)
