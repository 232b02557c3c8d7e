"""The database as commands change it: beside a board that may be running, each change with its entry in the audit."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from app.domain.audit import Act, Entry, Kind
from app.domain.people import Principal, PrincipalKind
from app.settings import Settings
from app.store.db import Database

from .choose import make_home, settings_from
from .say import expected


def on_database(
    config: Path | None, database: str | None, work: Callable[[Database], Awaitable[None]]
) -> None:
    """Work on the database that a command line means."""
    with expected():
        settings = settings_from(config, database=database)
        make_home(settings)
        asyncio.run(using(settings, work))


async def using(settings: Settings, work: Callable[[Database], Awaitable[None]]) -> None:
    """Work on the database of `settings`. Raises StoreUnavailable."""
    opened = await Database.beside(settings.database, audit_key=settings.audit_key)
    try:
        await work(opened)
    finally:
        await opened.close()


def entry(verb: Act, what: str, now: datetime) -> Entry:
    """What the audit says of a command typed here: who typed it is the system's word, which is all there is."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number that has no name
        name = str(os.getuid())
    who = Principal(PrincipalKind.SYSTEM, "command-line", name, name)
    return Entry.of(who, Kind.DONE, now, verb=verb, object=what, result="On the command line.")
