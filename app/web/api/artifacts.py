"""/artifacts/{digest}: an image, the commit it is of and who says so, and what about it is not as it should be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.domain.artifacts import Flag, FlagKind
from app.domain.errors import StoreUnavailable
from app.domain.policy import Permission
from app.read.artifacts import NO_POLICY, ArtifactShown, LinkLine, Policy, TagLine, shown
from app.store.db import Database
from app.web.answers import refusal, tagged, unavailable
from app.web.auth import needs

from .contents import encode
from .listing import answers

_AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
_SHA = "9c1f0e7d" * 5
_EXAMPLE = ArtifactShown(
    "sha256:" + "4f" * 32,
    ("sha256:" + "1a" * 32,),
    _SHA,
    "github.com/acme/cart",
    "result of the build",
    "result of the build",
    False,
    (),
    (Flag(FlagKind.NO_SHA, "The tag 1.2.3 does not name a commit."),),
    (TagLine("ghcr.io/acme/cart", "1.2.3", _AT, _AT),),
    (LinkLine(_SHA, "github.com/acme/cart", "result of the build", "", False),),
    (),
    (),
    (),
)


def add(router: APIRouter, database: Database, policy: Policy = NO_POLICY) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/artifacts/{digest}",
        dependencies=[needs(Permission.VIEW)],
        response_model=ArtifactShown,
        responses=answers(_EXAMPLE, [], 404),
    )
    async def artifact(
        request: Request, digest: Annotated[str, Path(pattern="^sha256:[0-9a-f]{64}$")]
    ) -> Response:
        """One image, by the digest of its index, manifest or config."""
        try:
            async with database.reading() as connection:
                found = await shown(connection, digest, policy)
        except StoreUnavailable as error:
            raise unavailable(request, error) from None
        if found is None:
            why = "Neither CI nor a report nor a signature tells of this image."
            raise refusal(request, 404, "Not found", why, "Have CI report it: see docs/ci.md.")
        return tagged(request, encode(found))
