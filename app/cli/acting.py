"""`shipboard act`: ask a running board for something to be done, and tell how it goes. All it knows is the API."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.domain.commands import Arguments, Verb, ignored, takers

from .board import client, refuse_blocked, said
from .say import FAILED, WRONG, refuse

PATIENCE = 180.0
"""Seconds after which it is no longer waited."""
LANDING = 1800.0
"""The same for pods that move."""
_OVER = {"refused": FAILED, "failed": FAILED, "superseded": FAILED, "unknown": 3}


def act(
    verb: Annotated[Verb, typer.Argument(help="What is to be done.")],
    workload: Annotated[str, typer.Argument(help="CLUSTER/NAMESPACE/KIND/NAME, as in the page's address.")],
    reason: Annotated[str, typer.Option(help="Why; due in production.")] = "",
    revision: Annotated[str, typer.Option(help=f"The key of a revision, for: {takers('revision')}.")] = "",
    image: Annotated[
        list[str] | None, typer.Option(help=f"CONTAINER=IMAGE, repeatable, for: {takers('images')}.")
    ] = None,
    weight: Annotated[int | None, typer.Option(help=f"In percent, for: {takers('weight')}.")] = None,
    delete_blocking: Annotated[
        bool,
        typer.Option(
            "--delete-blocking",
            help=f"Delete broken pods that block an ordered set, for: {takers('delete_blocking')}.",
        ),
    ] = False,
    hours: Annotated[
        float | None, typer.Option(min=0.01, max=168, help=f"How long, for: {takers('until')}.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    key: Annotated[
        str, typer.Option(help="Idempotency key: the same again is the same command (default: a new one).")
    ] = "",
    landed: Annotated[
        bool, typer.Option("--landed", help="Wait also for the pods that it moves; stuck is not done.")
    ] = False,
    url: Annotated[str, typer.Option(envvar="SHIPBOARD_URL")] = "http://127.0.0.1:8000",
    token: Annotated[str, typer.Option(envvar="SHIPBOARD_TOKEN", help="Made by `shipboard token`.")] = "",
) -> None:
    """Do something to a workload, and wait until its effect is seen. Exit codes: 0 done, 1 not done, 3 nobody knows."""
    import httpx2

    parts = workload.strip("/").removeprefix("workloads/").split("/")
    if len(parts) != 4:
        refuse(f"{workload!r} is no workload.", "It is CLUSTER/NAMESPACE/KIND/NAME.", code=WRONG)
    images = dict(each.partition("=")[::2] for each in image or ())
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours) if hours else None
    given = Arguments(revision, images, weight, delete_blocking, until)
    if why := ignored(verb, given):
        refuse("Nothing was asked.", why, "Leave out what it does not take.", code=WRONG)
    arguments = {name: value for name, value in asdict(given).items() if value not in (None, "", {}, False)}
    if until:
        arguments["until"] = until.isoformat()
    body = {"verb": verb.value, "arguments": arguments, "reason": reason}
    where = f"/api/v1/workloads/{'/'.join(quote(part, safe='') for part in parts)}/commands"
    with client(url, token) as http:
        try:
            seen = said(http.post(where, params={"dry_run": 1}, json=body))
            typer.echo(seen["sentence"] or "It cannot be done now.")
            for each in seen["difference"]:
                typer.echo(f"  {each['what']}: {each['before'] or 'none'} → {each['after'] or 'none'}")
            if dry_run:
                for each in seen["patches"]:
                    typer.echo(f"  {each['method']} {each['path']}")
            if seen["blocked_by"]:
                refuse_blocked(seen["blocked_by"])
            if dry_run:
                return
            key = key or secrets.token_hex(16)
            body["expected"] = {k: v for k, v in seen["expected"].items() if v is not None}
            receipt = said(http.post(where, json=body, headers={"idempotency-key": key}))
            receipt = _follow(http, receipt)
            if landed:
                _landed(http, receipt)
        except httpx2.HTTPError as error:
            todo = f"Look at {url}, and ask again with --key {key}." if key else "Is SHIPBOARD_URL right?"
            refuse(f"No answer from {url}.", f"{type(error).__name__}: {error}", todo)


def _landed(http: Any, receipt: dict[str, Any]) -> None:
    """Print how the pods move until they are there; ends with its exit code where they do not get there."""
    ends, shown = time.monotonic() + LANDING, ""
    while (goes := receipt.get("landing")) and time.monotonic() < ends:
        if goes["said"] != shown:
            shown = goes["said"]
            typer.echo(f"{goes['state']}: {shown}")
        if goes["state"] in ("stuck", "overtaken", "waiting"):
            refuse("It did not land.", shown, goes["todo"])
        if goes["state"] == "landed":
            return
        time.sleep(1.0)
        receipt = said(http.get(f"/api/v1/commands/{receipt['id']}"))
    if goes:
        refuse("Its pods still move.", "They go on by themselves.", f"See /commands/{receipt['id']}.", 3)


def _follow(http: Any, receipt: dict[str, Any]) -> dict[str, Any]:
    """Print each phase until the last; the receipt if that is done, else ends with its exit code."""
    ends = time.monotonic() + PATIENCE
    shown = ""
    while True:
        if receipt["phase"] != shown:
            shown = receipt["phase"]
            typer.echo(f"{shown}{': ' + receipt['message'] if receipt['message'] else ''}")
        if shown == "done":
            return dict(said(http.get(f"/api/v1/commands/{receipt['id']}")))
        if shown in _OVER:
            raise typer.Exit(_OVER[shown])
        if time.monotonic() > ends:
            refuse(f"Still {shown}.", "It goes on by itself.", f"See /api/v1/commands/{receipt['id']}.", 3)
        receipt = said(http.get(f"/api/v1/commands/{receipt['id']}", params={"unlike": shown}))
