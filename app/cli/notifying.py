"""`shipboard notify`: does a target take messages?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from app.domain.notices import Notice, NoticeKind

from .choose import settings_from
from .say import WRONG, expected, refuse

notify = typer.Typer(help="Telling people: try a target.", no_args_is_help=True)


@notify.callback()
def about() -> None:
    """Telling people: try a target."""


@notify.command("test")
def try_out(
    name: Annotated[str, typer.Argument(help="The target, as `notify.targets` names it.")],
    config: Annotated[Path | None, typer.Option(help="As for serve.")] = None,
) -> None:
    """Send a message to a target at once, past routes and outbox. Exit codes: 0 it was taken, 1 it was not."""
    from app.sources.targets import Message, opened

    with expected():
        settings = settings_from(config)
        known = {target.name: target for target in settings.notify.targets}
        if name not in known:
            refuse(f"There is no target {name!r}.", "", f"Known are: {', '.join(known) or 'none'}.", WRONG)
        if not known[name].on:
            refuse(f"{name} is off.", f"{known[name].place} holds nothing.", "Set it, and try again.")
        now = datetime.now(UTC)
        said = "Shipboard can tell you things here."
        notice = Notice(
            NoticeKind.TEST, "test", f"test/{token_hex(4)}", now, said, "This is a test.", "/sources"
        )

        async def send() -> None:
            target = opened(known[name])
            try:
                await target.send(Message(f"msg_{token_hex(14)}", (notice,), now, settings.address))
            finally:
                await target.close()

        asyncio.run(send())
    typer.echo(f"{name} took it.")
    if not settings.public_url:
        typer.echo("Links lead to this machine, since public_url is not set.", err=True)
