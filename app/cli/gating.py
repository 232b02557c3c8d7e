"""`shipboard gates`, `approve`, `reject`, `wait`: gates from a terminal and from pipelines. All they know is the API.

A token may ask and wait; only a person decides: `approve` and `reject` sign in (--as), or come with a token of one's
own with the role approver. A program's token is told why not.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from typing import Annotated, Any, NoReturn

import typer

from .board import client, said
from .say import FAILED, WRONG, refuse

Url = Annotated[str, typer.Option(envvar="SHIPBOARD_URL")]
Token = Annotated[str, typer.Option(envvar="SHIPBOARD_TOKEN", help="Made by `shipboard token`.")]
Ident = Annotated[str, typer.Argument(help="The gate, as in its page's address.")]
Name = Annotated[
    str, typer.Option("--as", help="Your account; the password is asked, or in SHIPBOARD_PASSWORD.")
]
Own = Annotated[
    str, typer.Option(envvar="SHIPBOARD_TOKEN", help="In place of --as: your own, with the role approver.")
]
LOCAL = "http://127.0.0.1:8000"
UNDECIDED = 3


def gates(url: Url = LOCAL, token: Token = "") -> None:
    """What waits for a decision, oldest first."""
    with client(url, token) as http:
        items = said(http.get("/api/v1/gates"))["items"]
    for each in items:
        if each["phase"] == "open":
            left = ", ".join(each["missing"]) or "every rule is met"
            typer.echo(
                f"{each['id']}  {each['service']} in {each['environment']}: {each['question']}  ({left})"
            )
    if not any(each["phase"] == "open" for each in items):
        typer.echo("Nothing waits for a decision.")


def approve(
    gate: Ident,
    reason: Annotated[str, typer.Option(help="Why; everyone sees it.")] = "",
    override: Annotated[
        bool, typer.Option("--override", help="Although it is frozen; takes a reason.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    name: Name = "",
    url: Url = LOCAL,
    token: Own = "",
) -> None:
    """Approve what a gate asks, on the evidence it shows now. Exit codes: 0 it counts, 1 it does not."""
    _decide(url, gate, "approve", reason, name, token, override=override, sure=yes)


def reject(
    gate: Ident,
    reason: Annotated[str, typer.Option(help="Why; everyone sees it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    name: Name = "",
    url: Url = LOCAL,
    token: Own = "",
) -> None:
    """Reject what a gate asks, with a reason."""
    _decide(url, gate, "reject", reason, name, token, override=False, sure=yes)


def wait(
    gate: Annotated[str, typer.Argument(help="The gate; without one, a question is asked first.")] = "",
    service: Annotated[str, typer.Option(help="Of the question: what is shipped.")] = "",
    environment: Annotated[str, typer.Option(help="Of the question: where to.")] = "",
    release: Annotated[str, typer.Option("--version", help="Of the question: which version.")] = "",
    key: Annotated[str, typer.Option(help="Of the question: the same again is the same gate.")] = "",
    minutes: Annotated[float, typer.Option(min=0, help="How long to wait at most.")] = 60.0,
    url: Url = LOCAL,
    token: Token = "",
) -> None:
    """Wait until a gate is decided, over restarts too. Exit codes: 0 approved, 1 not approved, 3 not decided."""
    ends, ident = time.monotonic() + minutes * 60, gate
    with client(url, token) as http:
        if not ident:
            if not (service and environment and key):
                refuse(
                    "There is no question.",
                    "It takes a gate, or --service, --environment and --key.",
                    code=WRONG,
                )
            asked = {"service": service, "environment": environment, "version": release, "key": key}
            ident = _patient(http, ends, "POST", "/api/v1/gates", json=asked)["line"]["id"]
            typer.echo(f"It waits at {url.rstrip('/')}/gates/{ident}")
        while True:
            within = min(30.0, max(0.0, ends - time.monotonic()))
            seen = _patient(http, ends, "GET", f"/api/v1/gates/{ident}/wait", params={"within": within})
            phase = seen["line"]["phase"]
            if phase != "open":
                typer.echo(f"{phase} by {seen['line']['by']}: {seen['line']['reason']}".rstrip(": "))
                raise typer.Exit(0 if phase in ("approved", "executing", "executed") else FAILED)
            if time.monotonic() >= ends:
                refuse("It is not decided yet.", "", f"Ask again: shipboard wait {ident}", UNDECIDED)


def _decide(
    url: str, gate: str, answer: str, reason: str, name: str, token: str, *, override: bool, sure: bool
) -> None:
    with client(url, "" if name else token) as http:
        if name:
            password = os.environ.get("SHIPBOARD_PASSWORD") or typer.prompt(
                f"Password of {name}", hide_input=True
            )
            signed = http.post(
                "/login", data={"user": name, "password": password, "be": name}, headers=_ours(url)
            )
            if signed.status_code >= 400:
                refuse("You are not signed in.", "Name or password is wrong, or it was tried too often.", "")
        seen = said(http.get(f"/api/v1/gates/{gate}"))
        typer.echo(seen["line"]["question"])
        for rule in seen["rules"]:
            typer.echo(
                f"  {'met' if rule['holds'] == 'yes' else rule['holds']:8}{rule['name']}: {rule['said']}"
            )
        if not sure and not typer.confirm(f"{answer.capitalize()} it?"):
            raise typer.Exit(FAILED)
        sent = {**_ours(url), "idempotency-key": secrets.token_hex(16)}
        if name or not token:  # who comes by a token needs no proof of being on our pages
            page = http.get(f"/gates/{gate}").text
            found = re.search(r'(?:name="csrf" value|data-csrf)="([0-9a-f]+)"', page)
            sent["x-csrf-token"] = found[1] if found else ""
        body = {"answer": answer, "evidence": seen["digest"], "reason": reason, "override": override}
        line = said(http.post(f"/api/v1/gates/{gate}/decisions", json=body, headers=sent))["line"]
    left = f"; still missing: {', '.join(line['missing'])}" if line["missing"] else ""
    typer.echo(f"{line['phase']}{left}")


def _ours(url: str) -> dict[str, str]:
    """The header that says the request comes from the board's own pages; as a person's program it may."""
    return {"origin": "/".join(url.split("/")[:3])}


def _patient(http: Any, ends: float, method: str, path: str, **more: Any) -> dict[str, Any]:
    """The answer, however often the board restarts meanwhile; only the end of the wait ends this."""
    import httpx2

    while True:
        try:
            answer = http.request(method, path, **more)
            if answer.status_code not in (202, 429, 502, 503, 504):
                return said(answer)
            why = f"the answer is {answer.status_code}"
        except httpx2.HTTPError as error:
            why = type(error).__name__
        if time.monotonic() >= ends:
            _gone(http, why)
        time.sleep(1.0)


def _gone(http: Any, why: str) -> NoReturn:
    refuse(f"No answer from {http.base_url}.", why, "Is SHIPBOARD_URL right?", UNDECIDED)
