"""/freezes: what is frozen or will be; made and lifted by an admin, who may let services out; rollbacks are never held
by any of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.domain.freezes import Freeze
from app.domain.policy import Permission
from app.perform import Freezes
from app.read.frost import FreezeLine, calendar
from app.web.answers import refusal, tagged
from app.web.auth import needs, of
from app.web.fields import Body, Instant
from app.web.streams import Hub

from .contents import encode
from .listing import Listed, answers, starting

_EXAMPLE = Freeze("3f9ac2100b1d", "Incident 4711", "production", "payments-*", by="Ada")
_LINE = calendar((_EXAMPLE,), datetime(2026, 11, 25, tzinfo=UTC))[0]


_PATTERN = r"^[\w.*?/-]+$"
"""Names, with * and ? for any."""


class FreezeBody(Body):
    """A freeze: shell patterns for environment and service, why, from when (null: now)
    and until when (null: until it is lifted)."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"environment": "production", "reason": "Incident 4711"}},
    )
    environment: str = Field(max_length=100, pattern=_PATTERN)
    service: str = Field(default="*", max_length=100, pattern=_PATTERN)
    reason: str = Field(min_length=1, max_length=500)
    since: Instant | None = None
    until: Instant | None = None


class ExemptionBody(Body):
    """A service, as a shell pattern, that is let out of a freeze until that next ends, and why."""

    model_config = ConfigDict(json_schema_extra={"example": {"service": "payments-*", "reason": "The fix"}})
    service: str = Field(max_length=100, pattern=_PATTERN)
    reason: str = Field(min_length=1, max_length=500)


def add(router: APIRouter, hub: Hub, freezes: Freezes) -> None:
    """Add the operations to `router`."""

    @router.get(
        "/freezes",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[FreezeLine],
        responses=answers(Listed((_LINE,), None), ()),
    )
    async def listed(request: Request) -> Response:
        """Freezes that hold, then those that come: of the configuration, weekly ones included, and by hand."""
        if not hub.ready:
            return starting()
        found = calendar(hub.fleet.freezes, hub.clock())
        return tagged(request, encode({"items": found, "next": None}))

    @router.post(
        "/freezes",
        dependencies=[needs(Permission.ADMIN)],
        status_code=201,
        response_model=Freeze,
        responses={**answers(_EXAMPLE, ()), 403: {"description": "Not an admin there"}},
    )
    async def freeze(request: Request, body: FreezeBody) -> Response:
        """Freeze: what goes forward needs an override from now on; going back never does."""
        if body.until and body.until <= max(body.since or hub.clock(), hub.clock()):
            raise refusal(request, 422, "Invalid freeze", "It would be over already.", "Look at `until`.")
        made = Freeze("", body.reason, body.environment, body.service, since=body.since, until=body.until)
        found = await freezes.freeze(made, of(request.scope))
        return Response(encode(found), 201, {"cache-control": "no-store"}, media_type="application/json")

    @router.post(
        "/freezes/{ident}/exemptions",
        dependencies=[needs(Permission.ADMIN)],
        status_code=204,
        response_model=None,
        responses={403: {"description": "Not an admin there"}},
    )
    async def exempt(
        request: Request, ident: Annotated[str, Path(pattern=r"^[\w-]{1,64}$")], body: ExemptionBody
    ) -> Response:
        """Let a service out of a freeze, by hand or of the configuration, until that next ends."""
        await freezes.exempt(ident, body.service, body.reason, of(request.scope))
        return Response(status_code=204)

    @router.delete(
        "/freezes/{ident}", dependencies=[needs(Permission.ADMIN)], status_code=204, response_model=None
    )
    async def lift(
        request: Request,
        ident: Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")],
        reason: Annotated[str, Query(min_length=1, max_length=500)],
    ) -> Response:
        """Lift a freeze that was made by hand; those of the configuration end there."""
        await freezes.lift(ident, reason, of(request.scope))
        return Response(status_code=204)
