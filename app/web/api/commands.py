"""/commands: asking for something to be done to a workload, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import ConfigDict, Field, TypeAdapter
from starlette.responses import Response

from app.domain.commands import Arguments, CommandPhase, Expected, Verb, takers
from app.domain.names import WorkloadRef
from app.domain.policy import Permission
from app.domain.rollout import Phase
from app.engines.acting import Difference
from app.perform import (
    Ask,
    Perform,
    Preview,
    Receipt,
    receipt_of,
)
from app.read import commands as read
from app.read.commands import CommandQuery
from app.read.landing import Landing, Whither
from app.read.receipt import landings
from app.store import commands as stored
from app.store.commands import Sending
from app.web.answers import refusal
from app.web.auth import needs, of
from app.web.errors import MEDIA_TYPE as PROBLEM
from app.web.fields import Body, Instant
from app.web.streams import Hub

from . import sample
from .contents import encode
from .listing import Cursor, Limit, Listed, Problem, answers, listed, position

_NAME = "commands"
_POSITION = msgspec.json.Decoder(read.Position)
Short = Annotated[str, Field(max_length=300)]


class ArgumentsBody(Body):
    """What a verb needs beside the workload; one that it does not take is refused with 422."""

    revision: Short = Field(default="", description=f"The key of a revision: {takers('revision')}.")
    images: dict[Short, Annotated[str, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=50, description=f"Images by container: {takers('images')}."
    )
    weight: int | None = Field(default=None, ge=0, le=100, description=f"Percent: {takers('weight')}.")
    delete_blocking: bool = Field(
        default=False,
        description=f"Delete broken pods that block an ordered set: {takers('delete_blocking')}.",
    )
    until: Instant | None = Field(default=None, description=f"When it ends: {takers('until')}.")


class ExpectedBody(Body):
    """What was seen; if any of it no longer holds, nothing is done. Take it from a dry run."""

    uid: Short = ""
    revision: Short = ""
    stable: Short = ""
    step: int | None = Field(default=None, ge=0, le=10_000)
    phase: Phase | None = None
    paused_at: Instant | None = None


class CommandBody(Body):
    """A command."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"verb": "abort", "expected": {"revision": "7c9d"}, "reason": "Errors rose."}
        },
    )
    verb: Verb
    arguments: ArgumentsBody = ArgumentsBody()
    expected: ExpectedBody = ExpectedBody()
    reason: str = Field(default="", max_length=500)


@dataclass(frozen=True, slots=True)
class Followed(Receipt):
    """A receipt with what becomes of the pods that it moves, once the cluster took it; null where it moves none."""

    landing: Landing | None = None


_SENDING = Sending(
    "PATCH",
    "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/checkout/status",
    "application/merge-patch+json",
    {"status": {"abort": True}, "metadata": {"uid": "5a1b", "resourceVersion": "4711"}},
)
_EXPECTED = Expected("5a1b", "7c9d")
_RECEIPT = Receipt(
    "5b1c9e0f2a6d4c1b8e7f0a3d",
    Verb.ABORT,
    sample.WORKLOAD.ref,
    "production",
    CommandPhase.SENT,
    "The cluster took it; its effect is awaited.",
    "Errors rose.",
    "Ada",
    sample.NOW,
    sample.NOW + timedelta(seconds=60),
    sample.NOW,
    None,
    Arguments(),
    _EXPECTED,
    "Abort 2.7.0; all traffic stays on 2.6.0.",
    (_SENDING,),
    (),
    (),
)
_FOLLOWED = Followed(
    **{f.name: getattr(_RECEIPT, f.name) for f in fields(Receipt)},
    landing=Landing(Whither.MOVING, "2 of 4 pods on 1.1 are ready.", "", 2, 4),
)
_PREVIEW = Preview(
    Verb.ABORT,
    sample.WORKLOAD.ref,
    "production",
    _RECEIPT.sentence,
    (_SENDING,),
    (Difference("image", "2.7.0", "2.6.0"),),
    expected=_EXPECTED,
    dry_run="accepted",
)


def _documented() -> dict[int | str, dict[str, Any]]:
    """What a POST answers."""

    def body(model: type, example: object, media_type: str = "application/json") -> dict[str, Any]:
        schema = TypeAdapter(model).json_schema(mode="serialization")
        return {"content": {media_type: {"schema": schema, "example": encode(example).decode()}}}

    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "With dry_run: what would be done.", **body(Preview, _PREVIEW)},
        202: {"description": "Recorded, to be done at once.", **body(Receipt, _RECEIPT)},
    }
    for status, title in (
        (400, "No key"),
        (401, "Not signed in"),
        (403, "Not permitted"),
        (404, "Not found"),
        (409, "Not possible now: see blocked_by, or difference if it has changed"),
        (414, "Request too large"),
        (422, "Invalid request, an argument that the verb does not take, or the key of another command"),
        (429, "Too many requests"),
        (503, "The cluster or the database cannot be reached"),
    ):
        found[status] = {
            "description": title,
            **body(Problem, Problem("about:blank", title, status, "Why, and what to do."), PROBLEM),
        }
    return found


def add(router: APIRouter, hub: Hub, perform: Perform) -> None:
    """Add the operations to `router`."""

    @router.post(
        "/workloads/{cluster}/{namespace}/{kind}/{name}/commands",
        dependencies=[needs(Permission.ACT)],
        status_code=202,
        response_model=None,
        responses=_documented(),
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
        responses=answers(Listed((_FOLLOWED,), None), (), 400),
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
        return listed(request, _NAME, [_followed(receipt_of(row), goes) for row, goes in both], end)

    @router.get(
        "/commands/{ident}",
        dependencies=[needs(Permission.DEEDS)],
        response_model=Followed,
        responses=answers(_FOLLOWED, (), 404),
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
        return _json(_followed(receipt, *found))


def _followed(receipt: Receipt, goes: Landing | None = None) -> Followed:
    return Followed(**{f.name: getattr(receipt, f.name) for f in fields(Receipt)}, landing=goes)


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        encode(body), status, {"cache-control": "no-store", **(headers or {})}, media_type="application/json"
    )
