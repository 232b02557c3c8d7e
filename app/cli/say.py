"""What the command line says, and how it ends: one block of plain text for everything that can be
expected."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from app.settings import SettingsRefused

FAILED, WRONG = 1, 2
"""Exit codes: it could not start, or something is to be mended; the command line or the settings are
wrong."""


def refuse(what: str, why: str = "", todo: str = "", code: int = FAILED) -> NoReturn:
    """Say what happened, why and what to do on standard error, and end with `code`."""
    typer.echo(f"shipboard: {what}", err=True)
    for head, text in (("Why:   ", why), ("To do: ", todo)):
        if text:
            indent = " " * (len(head) + 2)
            lines = text.splitlines() if "\n" in text else textwrap.wrap(text, 96)
            typer.echo(f"  {head}" + f"\n{indent}".join(lines), err=True)
    raise typer.Exit(code)


@contextmanager
def expected() -> Iterator[None]:
    """Turn the errors that can be expected into `refuse`; anything else is a bug and keeps its traceback."""
    from app.domain.errors import ShipboardError
    from app.domain.refusals import ClusterError
    from app.web.server import PortRefused

    try:
        yield
    except SettingsRefused as refused:
        count = len(refused.problems)
        what = "The settings are wrong." if count > 1 else "A setting is wrong."
        refuse(what, str(refused), "Mend what is named above; nothing was started.", WRONG)
    except PortRefused as refused:
        refuse(
            str(refused), todo="Stop the other one, or choose a port with --port." if refused.taken else ""
        )
    except (ShipboardError, ClusterError) as error:
        refuse(error.what, error.why, error.todo)
