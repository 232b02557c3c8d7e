"""/freezes: what is frozen by hand, made and lifted by an admin; rollbacks are never held by any of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.domain.errors import ShipboardError
from app.domain.freezes import Freeze
from app.domain.policy import Permission
from app.perform import Freezes
from app.web.answers import refusal
from app.web.auth import needs, of
from app.web.fields import Body, Instant

from .commands import refused
from .contents import encode
from .listing import answers

_EXAMPLE = Freeze("3f9ac2100b1d", "Incident 4711", "production", "payments-*", by="Ada")


_PATTERN = r"^[\w.*?/-]+$"
"""Names, with * and ? for any."""


class FreezeBody(Body):
    """A freeze: shell patterns for environment and service, why, and until when (null: until it is lifted)."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"environment": "production", "reason": "Incident 4711"}},
    )
    environment: str = Field(max_length=100, pattern=_PATTERN)
    service: str = Field(default="*", max_length=100, pattern=_PATTERN)
    reason: str = Field(min_length=1, max_length=500)
    until: Instant | None = None


def add(router: APIRouter, freezes: Freezes) -> None:
    """Add the operations to `router`."""

    @router.post(
        "/freezes",
        dependencies=[needs(Permission.ADMIN)],
        status_code=201,
        response_model=Freeze,
        responses={**answers(_EXAMPLE, ()), 403: {"description": "Not an admin there"}},
    )
    async def freeze(request: Request, body: FreezeBody) -> Response:
        """Freeze: what goes forward needs an override from now on; going back never does."""
        if body.until and body.until <= datetime.now(UTC):
            raise refusal(request, 422, "Invalid freeze", "It would be over already.", "Look at `until`.")
        made = Freeze("", body.reason, body.environment, body.service, until=body.until)
        try:
            found = await freezes.freeze(made, of(request.scope))
        except ShipboardError as error:
            raise refused(request, error) from None
        return Response(encode(found), 201, {"cache-control": "no-store"}, media_type="application/json")

    @router.delete(
        "/freezes/{ident}", dependencies=[needs(Permission.ADMIN)], status_code=204, response_model=None
    )
    async def lift(
        request: Request,
        ident: Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")],
        reason: Annotated[str, Query(min_length=1, max_length=500)],
    ) -> Response:
        """Lift a freeze that was made by hand; those of the configuration end there."""
        try:
            await freezes.lift(ident, reason, of(request.scope))
        except ShipboardError as error:
            raise refused(request, error) from None
        return Response(status_code=204)
