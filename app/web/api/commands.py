"""/commands: asking for something to be done to a workload, and what became of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from app.domain.commands import Arguments, CommandPhase, Expected, Verb
from app.domain.names import WorkloadRef
from app.domain.policy import Permission
from app.perform import Ask, Perform, receipt_of
from app.read import commands as read
from app.read.commands import CommandQuery
from app.read.receipt import landings
from app.store import commands as stored
from app.web.answers import refusal
from app.web.auth import needs, of
from app.web.streams import Hub

from . import sample_commands
from .command_bodies import CommandBody, Followed, followed
from .contents import encode
from .listing import Cursor, Limit, Listed, answers, listed, position

_NAME = "commands"
_POSITION = msgspec.json.Decoder(read.Position)


def add(router: APIRouter, hub: Hub, perform: Perform) -> None:
    """Add the operations to `router`."""

    @router.post(
        "/workloads/{cluster}/{namespace}/{kind}/{name}/commands",
        dependencies=[needs(Permission.ACT)],
        status_code=202,
        response_model=None,
        responses=sample_commands.documented(),
    )
    async def command(
        request: Request,
        cluster: str,
        namespace: str,
        kind: str,
        name: str,
        body: CommandBody,
        dry_run: Annotated[bool, Query(description="Only tell what would be done.")] = False,
        idempotency_key: Annotated[
            str | None,
            Header(min_length=1, max_length=200, description="Yours; the same again gives the same command."),
        ] = None,
    ) -> Response:
        """Ask for something to be done. It is recorded and answered with 202; success is when its phase is "done"."""
        ask = Ask(
            body.verb,
            WorkloadRef(cluster, namespace, kind, name),
            Arguments(**body.arguments.model_dump()),
            Expected(**body.expected.model_dump()),
            body.reason,
            idempotency_key or "",
            str(request.scope.get("state", {}).get("request_id", "")),
        )
        if not dry_run and not idempotency_key:
            why = "A command needs the header Idempotency-Key."
            raise refusal(request, 400, "No key", why, "Make one up; send the same when you ask again.")
        if dry_run:
            return _json(await perform.preview(ask, of(request.scope)))
        receipt = await perform.ask(ask, of(request.scope))
        return _json(receipt, 202, {"location": f"/api/v1/commands/{receipt.id}"})

    @router.get(
        "/commands",
        dependencies=[needs(Permission.DEEDS)],
        response_model=Listed[Followed],
        responses=answers(Listed((sample_commands.FOLLOWED,), None), (), 400),
    )
    async def commands(
        request: Request,
        workload: Annotated[str, Query(max_length=300, description="Its key.")] = "",
        verb: Verb | None = None,
        running: Annotated[bool | None, Query(description="Only those that are, or are not, over.")] = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """Commands, the newest first."""
        after = position(request, _NAME, cursor, _POSITION)
        query = CommandQuery(workload, verb.value if verb else "", running)
        rows, end = await read.page(hub.database, query, after, limit)
        found = await landings(hub.database, hub.fleet, rows, hub.clock())
        both = zip(rows, found, strict=True)
        return listed(request, _NAME, [followed(receipt_of(row), goes) for row, goes in both], end)

    @router.get(
        "/commands/{ident}",
        dependencies=[needs(Permission.DEEDS)],
        response_model=Followed,
        responses=answers(sample_commands.FOLLOWED, (), 404),
    )
    async def one(
        request: Request,
        ident: Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")],
        unlike: Annotated[CommandPhase | None, Query(description="Wait until the phase is another.")] = None,
        within: Annotated[float, Query(ge=0, le=30, description="Seconds to wait at most.")] = 20.0,
    ) -> Response:
        """One command. With `unlike` the answer waits until its phase is another one. It is done when its effect is
        seen; `landing` tells how the pods go on."""
        receipt = await perform.receipt(ident, unlike=unlike, within=within)
        async with hub.database.reading() as connection:
            kept = await stored.one(connection, ident)
        found = await landings(hub.database, hub.fleet, [kept] if kept else [], hub.clock())
        return _json(followed(receipt, *found))


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        encode(body), status, {"cache-control": "no-store", **(headers or {})}, media_type="application/json"
    )
